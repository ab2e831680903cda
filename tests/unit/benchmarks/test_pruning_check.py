"""The check of pruning as a command: its tables, its file and its exit code."""

import json

import pytest

from tests.unit.report.results import ENVIRONMENT


@pytest.fixture
def check(program, monkeypatch):
    check = program("pruning_check")
    monkeypatch.setattr(check, "describe_environment", lambda: ENVIRONMENT)
    return check


@pytest.mark.parametrize(("met", "code"), [(True, 0), (False, 1), (None, 0)])
def test_the_check_writes_its_tables_and_leaves_with_a_code(
    program, check, monkeypatch, tmp_path, met, code
):
    figure = program("recorded").Figure(name="zeros", wanted="68.5 %", measured="68.6 %", met=met)
    found = program("pruning_shop").Section(figures=(figure,), lines=("- the detail",))
    monkeypatch.setattr(check, "SECTIONS", {"masked": lambda shop: found})
    assert check.main(["--only", "masked", "--out", str(tmp_path)]) == code
    (path,) = tmp_path.glob("pruning-*.json")
    assert json.loads(path.read_text())["sections"]["masked"]["figures"][0]["met"] is met
    page = path.with_suffix(".md").read_text()
    assert figure.line in page
    assert "## masked\n\n- the detail" in page
    assert ENVIRONMENT.cpu in page


def test_a_section_whose_command_fails_is_missed_and_the_next_one_runs(
    program, check, monkeypatch, capsys
):
    shop = program("pruning_shop")
    ran = []

    def fails(folder):
        raise shop.CommandFailedError("spinn-edge train left with 5: no room")

    def works(folder):
        ran.append("step")
        return shop.Section(figures=())

    monkeypatch.setattr(check, "SECTIONS", {"demo": fails, "step": works})
    assert check.main(["--only", "demo,step"]) == 1
    assert ran == ["step"]
    assert "left with 5: no room | MISSED |" in capsys.readouterr().out


def test_an_unknown_section_is_refused(check, capsys):
    with pytest.raises(SystemExit) as stopped:
        check.main(["--only", "cases,speed"])
    assert stopped.value.code == 2
    assert "unknown section 'speed'; expected some of cases,demo," in capsys.readouterr().err
