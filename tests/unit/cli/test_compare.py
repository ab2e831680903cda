import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spinn_edge.bench.result import BenchResult
from spinn_edge.report.json_document import bench_document, to_text
from tests.unit.cli.conftest import Cli
from tests.unit.report.comparisons import launched, new_result, old_result
from tests.unit.report.results import ENVIRONMENT

WORDS = "ort-cpu, fp32, batch 1, host-to-host"


def write(path: Path, result: BenchResult) -> Path:
    path.write_text(to_text(bench_document(result)), encoding="utf-8")
    return path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return write(tmp_path / "old.json", old_result())


def new_file(tmp_path: Path, factor: float = 1.0) -> Path:
    return write(tmp_path / "new.json", new_result(launched(factor * 1e-4)))


def test_alike_results_leave_with_0_and_a_table(cli: Cli, tmp_path: Path, old: Path) -> None:
    done = cli("compare", old, new_file(tmp_path))
    assert (done.code, done.err) == (0, "")
    assert "no difference seen" in done.out
    assert "A latency fails when it is slower beyond the noise floor" in done.out
    assert done.out.endswith("0 of 7 comparisons failed\n")


def test_regression_leaves_with_9_a_table_and_what_to_type(
    cli: Cli, tmp_path: Path, old: Path
) -> None:
    new = new_file(tmp_path, 1.15)
    done = cli("compare", old, new)
    assert done.code == 9
    assert "FAILED" in done.out
    assert done.err.startswith("error: 1 of 7 comparisons failed:\n- pruned: ort-cpu")
    assert f"make it the baseline: cp {new} {old}" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("limit", "code"), [("10%", 9), ("10 %", 9), ("0.1", 9), ("20%", 0), ("0.2", 0), ("0", 9)]
)
def test_limit_is_a_share_or_a_percentage(
    cli: Cli, tmp_path: Path, old: Path, limit: str, code: int
) -> None:
    assert cli("compare", old, new_file(tmp_path, 1.15), "--fail-over", limit).code == code


@pytest.mark.parametrize("limit", ["10", "1", "-5%", "nan", "inf%", "ten", "", "%", "10%%"])
def test_limit_that_can_be_misread_is_refused(
    cli: Cli, tmp_path: Path, old: Path, limit: str
) -> None:
    done = cli("compare", old, new_file(tmp_path, 1.15), "--fail-over", limit)
    assert done.code == 2
    assert "expected a share, such as 10% or 0.1" in done.err


def test_score_limit_that_is_no_number_is_refused(cli: Cli, tmp_path: Path, old: Path) -> None:
    done = cli("compare", old, new_file(tmp_path), "--fail-score", "nan")
    assert done.code == 2
    assert "--fail-score nan: expected 0 or more" in done.err


def test_documents_are_written_before_it_fails(cli: Cli, tmp_path: Path, old: Path) -> None:
    paths = [tmp_path / "out" / name for name in ("c.json", "c.md", "c.xml")]
    done = cli(
        *("compare", old, new_file(tmp_path, 1.15)),
        *("--json", paths[0], "--markdown", paths[1], "--junit", paths[2]),
    )
    assert done.code == 9
    assert json.loads(paths[0].read_text())["passed"] is False
    assert paths[1].read_text().startswith("# Comparison: 1 of 7 comparisons failed")
    assert ElementTree.parse(paths[2]).getroot().get("failures") == "1"


@pytest.mark.parametrize("option", ["--json", "--markdown", "--junit"])
def test_standard_output_holds_the_document_alone(
    cli: Cli, tmp_path: Path, old: Path, option: str
) -> None:
    done = cli("compare", old, new_file(tmp_path, 1.15), option, "-")
    assert done.code == 9
    assert "FAILED" in done.err
    if option == "--json":
        assert json.loads(done.out)["latencies"][0]["verdict"] == "slower"
    elif option == "--junit":
        assert ElementTree.fromstring(done.out.encode()).get("failures") == "1"
    else:
        assert done.out.startswith("# Comparison")


def test_github_prints_annotations_alone(cli: Cli, tmp_path: Path, old: Path) -> None:
    done = cli("compare", old, new_file(tmp_path, 1.15), "--github")
    assert done.code == 9
    (line,) = done.out.splitlines()
    assert line.startswith(f"::error title=spinn-edge%3A regression::pruned: {WORDS}: ")
    assert "FAILED" in done.err
    assert cli("compare", old, new_file(tmp_path), "--github").out == ""


def test_two_documents_do_not_fit_standard_output(cli: Cli, tmp_path: Path, old: Path) -> None:
    done = cli("compare", old, new_file(tmp_path), "--github", "--json", "-")
    assert done.code == 2
    assert "only one document fits standard output" in done.err


def test_missing_row_fails_unless_allowed(cli: Cli, tmp_path: Path, old: Path) -> None:
    both = write(tmp_path / "both.json", old_result(launched(1e-4), launched(1e-4, batch=8)))
    new = new_file(tmp_path)
    done = cli("compare", both, new)
    assert done.code == 9
    assert "batch 8, host-to-host: timed before, not now: not in NEW" in done.err
    allowed = cli("compare", both, new, "--allow-missing")
    assert allowed.code == 0
    assert "not judged: pruned: ort-cpu, fp32, batch 8" in allowed.out


def test_unlike_machines_are_refused_unless_told(cli: Cli, tmp_path: Path, old: Path) -> None:
    new = new_result(environment=replace(ENVIRONMENT, cpu="EPYC"))
    path = write(tmp_path / "new.json", new)
    done = cli("compare", old, path)
    assert (done.code, done.out) == (2, "")
    assert "cpu 'Xeon' and 'EPYC'" in done.err
    told = cli("compare", old, path, "--any-machine")
    assert told.code == 0
    assert "unlike machines, --any-machine: cpu 'Xeon' and 'EPYC'" in told.out


def test_one_file_twice_and_a_copy_of_it_are_refused(cli: Cli, tmp_path: Path, old: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(old)
    for same in (old, link):
        done = cli("compare", old, same)
        assert done.code == 2
        assert "OLD and NEW are one file" in done.err
    copy = tmp_path / "copy.json"
    copy.write_bytes(old.read_bytes())
    done = cli("compare", old, copy)
    assert done.code == 2
    assert "one and the same run" in done.err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot read"),
        ("no JSON", "is no JSON document"),
        ("{}", "is no result of spinn-edge bench"),
    ],
)
@pytest.mark.parametrize("place", [0, 1])
def test_bad_file_is_refused_with_what_to_type(
    cli: Cli, tmp_path: Path, old: Path, place: int, content: str | None, message: str
) -> None:
    bad = tmp_path / "bad.json"
    if content is not None:
        bad.write_text(content)
    files = [old, old]
    files[place] = bad
    done = cli("compare", *files)
    assert (done.code, done.out) == (2, "")
    assert f"{bad}" in done.err
    assert message in done.err
    assert "spinn-edge bench MODEL --save-baseline FILE" in done.err


@pytest.mark.parametrize("option", ["--json", "--markdown", "--junit"])
def test_input_is_never_written_over(cli: Cli, tmp_path: Path, old: Path, option: str) -> None:
    new = new_file(tmp_path)
    for target in (old, new):
        before = target.read_bytes()
        done = cli("compare", old, new, option, target)
        assert done.code == 2
        assert "is OLD or NEW; name another file" in done.err
        assert target.read_bytes() == before
