"""``spinn-edge bench-train``: options in, documents out; launches are replaced."""

import json
from pathlib import Path

import pytest

from spinn_edge.bench.training import contest as contest_module
from spinn_edge.report.training_speed import training_document
from tests.unit.bench.training.results import two_equations
from tests.unit.cli.conftest import Cli

TABLE = r"""\begin{tabular}{lr}
E & it/s \\
Burgers & 1 \\
Allen--Cahn & 2 \\
\end{tabular}
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list:
    """Requests that reached a contest, which measures nothing."""
    requests: list = []

    def run(request, *, on_launch):
        requests.append(request)
        on_launch("burgers, autograd: seed 0, launch 1 of 3", 0, 3)
        return two_equations()

    monkeypatch.setattr(contest_module, "run_contest", run)
    return requests


def test_options_reach_the_contest_and_all_documents_are_written(cli: Cli, asked, tmp_path: Path):
    (tmp_path / "table.tex").write_text(TABLE)
    done = cli(
        *("bench-train", "--equation", "allen-cahn, burgers", "--seeds", 3, "--launches", 4),
        *("--compile", "on,off", "--iterations", 50, "--threads", 2, "--timeout", 60),
        *("--json", tmp_path / "out.json", "--latex-rows", tmp_path / "rows.tex"),
        *("--latex", tmp_path / "table.tex", "--latex-out", tmp_path / "new.tex"),
    )
    assert done.code == 0, done.err
    (request,) = asked
    assert [subject.name for subject in request.subjects] == ["allen-cahn", "burgers"]
    assert request.ways == ("autograd", "func", "compiled")
    assert (request.seeds, request.launches, request.threads) == (3, 4, 2)
    assert request.rule.iterations == 50
    assert request.timeout_s == 60
    assert "2.00× (2.00–2.01)" in done.out
    assert "1.25× is below 1.5×. Measured" in done.out
    assert "launch 1 of 3" in done.err
    assert json.loads((tmp_path / "out.json").read_text())["kind"] == "spinn-edge training speed"
    assert r"Burgers & 97.8 \\" in (tmp_path / "new.tex").read_text()
    assert (tmp_path / "table.tex").read_text() == TABLE
    assert r"burgers & compiled &" in (tmp_path / "rows.tex").read_text()


def test_json_on_standard_output_stands_alone(cli: Cli, asked):
    done = cli("bench-train", "--json", "-")
    assert done.code == 0, done.err
    assert json.loads(done.out)["figures"][0]["subject"] == "burgers"
    assert [subject.name for subject in asked[0].subjects] == ["allen-cahn", "demo"]


def test_all_equations_and_one_way(cli: Cli, asked):
    assert cli("bench-train", "--equation", "all", "--compile", "off").code == 0
    assert len(asked[0].subjects) == 7
    assert asked[0].ways == ("autograd", "func")


def test_the_environment_chooses_compilation(cli: Cli, asked, monkeypatch):
    monkeypatch.setenv("SPINN_EDGE_COMPILE", "on")
    assert cli("bench-train").code == 0
    assert asked[0].ways == ("compiled",)


def test_a_config_file_gives_options_and_typed_ones_win(cli: Cli, asked, tmp_path: Path):
    config = tmp_path / "bench.toml"
    config.write_text('equation = ["burgers", "demo"]\nseeds = 2\nlaunches = 5\ncompile = "on"\n')
    done = cli("bench-train", "--config", config, "--launches", 1)
    assert done.code == 0, done.err
    (request,) = asked
    assert [subject.name for subject in request.subjects] == ["burgers", "demo"]
    assert (request.seeds, request.launches) == (2, 1)
    assert request.ways == ("compiled",)


def test_a_bundle_is_benchmarked_alone(cli: Cli, asked, tiny_bundle):
    done = cli("bench-train", "--model", tiny_bundle.root)
    assert done.code == 0, done.err
    (subject,) = asked[0].subjects
    assert (subject.name, subject.bundle) == ("tiny", str(tiny_bundle.root))


def test_a_stored_run_is_shown_without_measuring(cli: Cli, asked, tmp_path: Path):
    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps(training_document(two_equations())))
    (tmp_path / "t.tex").write_bytes(TABLE.replace("\n", "\r\n").encode())
    out = tmp_path / "new.tex"
    done = cli(
        *("bench-train", "--from", stored, "--latex", tmp_path / "t.tex", "--latex-out", out),
        *("--latex-columns", "it/s=it/s"),
    )
    assert done.code == 0, done.err
    assert asked == []
    assert b"Burgers & 97.8 \\\\\r\nAllen--Cahn & 125 \\\\\r\n" in out.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--equation", "heat"), "unknown equation 'heat'; known: convection, reaction"),
        (("--equation", ","), "--equation names nothing"),
        (("--seeds", "0"), "--seeds 0: expected 1 or more"),
        (("--launches", "0"), "--launches 0: expected 1 or more"),
        (("--seconds", "nan"), "--seconds nan: expected a time above 0"),
        (("--iterations", "0"), "--iterations 0: expected 1 or more"),
        (("--timeout", "nan"), "--timeout nan: expected a time above 0"),
        (("--device", "tpu"), "unknown device 'tpu'"),
        (("--compile", "maybe"), "--compile maybe: expected on, off, or on,off"),
        (("--data", "x.csv"), "--data goes with --model"),
        (("--latex", "x.tex"), "--latex FILE and --latex-out FILE go together"),
        (("--latex", "none.tex", "--latex-out", "new.tex"), "--latex none.tex cannot be read"),
        (("--latex-columns", "loss=L"), "--latex-columns loss=L: expected QUANTITY=HEAD"),
        (("--from", "none.json"), "--from none.json cannot be read"),
        (("--config", "none.toml"), "--config none.toml cannot be read as TOML"),
        (("--from", "x.json", "--equation", "demo"), "leave out --equation and --model"),
    ],
)
def test_bad_options_are_refused_before_anything_runs(cli: Cli, asked, arguments, words):
    done = cli("bench-train", *arguments)
    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err
    assert asked == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("speed = 1", "no option 'speed'; known: equation, model"),
        ("seeds = {a = 1}", "'seeds' must be a number, a text or a list"),
        ("seeds =", "cannot be read as TOML"),
    ],
)
def test_a_bad_config_is_refused(cli: Cli, asked, tmp_path: Path, text, words):
    config = tmp_path / "bench.toml"
    config.write_text(text)
    done = cli("bench-train", "--config", config)
    assert done.code == 2
    assert words in done.err


def test_a_folder_that_is_no_bundle_is_refused(cli: Cli, asked, tmp_path: Path):
    done = cli("bench-train", "--model", tmp_path)
    assert done.code == 5
    assert asked == []


def test_a_table_without_the_row_is_refused_after_the_json_was_written(
    cli: Cli, asked, tmp_path: Path
):
    (tmp_path / "t.tex").write_text("no table")
    done = cli(
        *("bench-train", "--json", tmp_path / "o.json"),
        *("--latex", tmp_path / "t.tex", "--latex-out", tmp_path / "n.tex"),
    )
    assert done.code == 2
    assert "has no tabular environment" in done.err
    assert (tmp_path / "o.json").exists()
    assert not (tmp_path / "n.tex").exists()


@pytest.mark.parametrize(("status", "code"), [("unequal", 8), ("failed", 7), ("unavailable", 0)])
def test_what_was_not_timed_is_an_exit_code(cli: Cli, monkeypatch, status, code):
    from dataclasses import replace

    result = two_equations()
    bad = replace(result.rows[1], status=status, reason="because", launches=())

    def run(request, *, on_launch):
        return replace(result, rows=(result.rows[0], bad))

    monkeypatch.setattr(contest_module, "run_contest", run)
    done = cli("bench-train", "--equation", "burgers")
    assert done.code == code
    assert f"burgers, compiled: {status}: because" in done.out


def test_nothing_timed_at_all_is_an_error(cli: Cli, monkeypatch):
    from dataclasses import replace

    result = two_equations()
    bad = replace(result.rows[1], status="unavailable", reason="there is no g++", launches=())
    monkeypatch.setattr(
        contest_module, "run_contest", lambda request, *, on_launch: replace(result, rows=(bad,))
    )
    done = cli("bench-train", "--equation", "burgers", "--compile", "on")
    assert done.code == 6
    assert "there is no g++" in done.err
