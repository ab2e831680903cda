"""``spinn-edge physics``, and ``export --derivatives``."""

import json

import pytest

from tests.unit.cli.conftest import Cli

RESIDUALS = """\
def residual(x, y, derivatives):
    return derivatives["wear:a"] - derivatives["wear:a"].mean() + 1


def falls_short(x, y, derivatives):
    return [0.0]


def names_its_own(x, y, derivatives):
    return derivatives["wear:a"] - derivatives["wear:a"].mean() + 1


names_its_own.derivatives = ("wear:a",)
number = 3
"""


@pytest.fixture
def residuals(tmp_path, monkeypatch):
    """Give a module of the user's own in the current folder."""
    (tmp_path / "user_residuals.py").write_text(RESIDUALS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "user_residuals", raising=False)
    return "user_residuals"


def test_fit_forms_leave_with_0_and_write_json(cli: Cli, exported, tmp_path, residuals):
    done = cli(
        *("physics", exported, "--derivatives", "wear:a,heat:c:c", "--runtime", "eager,ort-cpu"),
        *("--residual", f"{residuals}:residual", "--trust-residual", "--points", "32"),
        *("--json", tmp_path / "out.json"),
    )
    assert done.code == 0, done.err
    assert "wear:a: fit eager fp32, ort-cpu fp32; not fit none" in done.out
    assert "Root mean square of user_residuals:residual" in done.out
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["passed"] is True
    assert document["points"] == 32
    assert [check["method"] for check in document["derivatives"]] == [
        *("autograd", "autograd", "differences", "differences")
    ]
    assert [check["runtime"] for check in document["residuals"]] == ["float64", "eager", "ort-cpu"]


def test_a_check_that_fails_leaves_with_8(cli: Cli, exported):
    done = cli(
        *("physics", exported, "--derivatives", "wear:a:a", "--runtime", "ort-cpu"),
        *("--second-limit", "1e-9", "--points", "16"),
    )
    assert done.code == 8
    assert "not fit" in done.out
    assert "limited by rounding" in done.err


def test_every_runtime_counts_those_that_cannot_work_here(cli: Cli, exported):
    done = cli("physics", exported, "--derivatives", "wear:a", "--points", "8")
    assert done.code == 0, done.err
    assert "not run here: pt2" in done.out


def test_a_named_runtime_that_cannot_work_here_is_an_error(cli: Cli, exported):
    done = cli("physics", exported, "--derivatives", "wear:a", "--runtime", "pt2")
    assert done.code == 6
    assert "holds no fp32 pt2 file" in done.err


def test_a_baseline_stands_for_before(cli: Cli, exported, trained):
    done = cli(
        *("physics", exported, "--baseline", trained, "--monotone", "wear:a:+"),
        *("--runtime", "ort-cpu", "--points", "16"),
    )
    assert done.code == 0, done.err
    assert "Slopes of the wrong sign" in done.out


def test_a_residual_runs_only_when_it_is_trusted(cli: Cli, exported, residuals):
    done = cli(
        "physics", exported, "--derivatives", "wear:a", "--residual", f"{residuals}:residual"
    )
    assert done.code == 2
    assert "--trust-residual" in done.err


def test_a_residual_may_name_its_own_derivatives(cli: Cli, exported, residuals):
    done = cli(
        *("physics", exported, "--residual", f"{residuals}:names_its_own", "--trust-residual"),
        *("--runtime", "eager", "--points", "16"),
    )
    assert done.code == 0, done.err
    assert "wear:a: fit eager fp32" in done.out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing", "could not be imported (AttributeError"),
        ("number", "is no function of (x, y, derivatives)"),
        ("falls_short", "returned shape [1]"),
    ],
)
def test_a_residual_that_is_none_is_refused(cli: Cli, exported, residuals, name, message):
    done = cli(
        *("physics", exported, "--derivatives", "wear:a", "--runtime", "ort-cpu"),
        *("--residual", f"{residuals}:{name}", "--trust-residual"),
    )
    assert done.code == 2
    assert message in done.err


def test_a_residual_without_a_function_is_refused(cli: Cli, exported):
    done = cli(
        *("physics", exported, "--derivatives", "wear:a"),
        *("--residual", "no_such_module", "--trust-residual"),
    )
    assert done.code == 2
    assert "expected module:function" in done.err


def test_an_unknown_column_is_refused_with_the_known_ones(cli: Cli, exported):
    done = cli("physics", exported, "--derivatives", "wear:time", "--runtime", "ort-cpu")
    assert done.code == 2
    assert "no input is called 'time'; known: a, b, c, d" in done.err


def test_derivatives_are_exported_by_the_names_of_the_training(cli: Cli, trained, tmp_path):
    out = tmp_path / "b"
    done = cli(
        *("export", trained, "--format", "onnx", "--derivatives", "wear:a,heat:c:d"),
        *("--max-batch", "16", "--out", out),
    )
    assert done.code == 0, done.err
    data = json.loads((out / "manifest.json").read_text())
    assert [output["name"] for output in data["outputs"]] == [
        *("output", "d_wear_d_a", "d2_heat_d_c_d_d")
    ]
    assert data["architecture"]["derivatives"][1]["request"] == "heat:c:d"
    assert "gives also: d_wear_d_a, d2_heat_d_c_d_d" in done.out
    checked = cli("verify", out, "--runtime", "eager,ort-cpu")
    assert checked.code == 0, checked.err
    physics = cli("physics", out, "--derivatives", "heat:d:c", "--runtime", "ort-cpu")
    assert "own output" in physics.out


def test_derivatives_of_unknown_columns_are_refused(cli: Cli, trained, tmp_path):
    done = cli("export", trained, "--derivatives", "tear:a", "--out", tmp_path / "b")
    assert done.code == 2
    assert "no output is called 'tear'; known: wear, heat" in done.err
    assert not (tmp_path / "b").exists()


def test_a_bundle_that_gives_derivatives_is_not_pruned(cli: Cli, trained, table, tmp_path):
    given = tmp_path / "b"
    assert (
        cli("export", trained, "--format", "onnx", "--derivatives", "wear:a", "--out", given).code
        == 0
    )
    done = cli("prune", given, "--data", table, "--target", "0.5", "--out", tmp_path / "p")
    assert done.code == 4, done.err
    assert "gives derivatives beside its outputs" in done.err
