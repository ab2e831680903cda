import os

import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.report.github_summary import LIMIT_BYTES, append_summary, github_summary
from tests.unit.core.full_disk import room_for
from tests.unit.report.results import DENSE, result, row
from tests.unit.report.sources import HOSTILE, compared, hostile, sources
from tests.unit.report.test_markdown import tables


def many(count):
    """Return sources of rows of one launch, so that nothing has an interval to work out."""
    few = {"samples_s": (1e-4,) * 3, "launch_samples": (3,)}
    rows = (row("dense", 1e-4, batch=n, **few) for n in range(1, count + 1))
    return sources(result(tuple(rows), (DENSE,)))


LONG = many(9000)


def test_summary_holds_comparison_recommendation_and_latencies():
    text = github_summary(sources(compared()))
    assert "## Xeon, 48 cores\n" in text
    assert "| parameters | 666,882 | 210,000 | -68.5 % |" in text
    assert "- pruned beside dense: 4.06× faster" in text
    assert "| pruned | ort-cpu | 1 | ok | 101 µs |" in text


def test_several_machines_begin_with_the_fleet():
    text = github_summary(sources(compared(), compared()))
    assert text.index("Fleet") < text.index("## Xeon, 48 cores, r0") < text.index(", r1\n")


def test_a_summary_that_is_too_long_is_cut_at_a_line_and_says_so():
    text = github_summary(LONG)
    assert len(text.encode()) <= LIMIT_BYTES
    assert len(text.encode()) > LIMIT_BYTES - 1000
    assert " lines left out: GitHub shows 1,024 KiB of a step" in text.splitlines()[-1]
    (cut,) = tables(text)
    assert {len(line) for line in cut} == {len(cut[0])}


def test_words_count_the_lines_that_are_left_out():
    whole = github_summary(many(100), 10**9).splitlines()
    text = github_summary(many(100), 4000).splitlines()
    left = int(text[-1].partition(" ")[0])
    assert left + sum(map(bool, text[:-1])) == sum(map(bool, whole))
    assert left > 10


def test_what_a_step_wrote_before_counts_towards_the_limit(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("x" * (LIMIT_BYTES - 1000) + "\n")
    append_summary(sources(compared()), path)
    assert LIMIT_BYTES - 1000 < path.stat().st_size <= LIMIT_BYTES
    assert "lines left out" in path.read_text()
    append_summary(LONG, path)
    append_summary(LONG, path)
    assert path.stat().st_size <= LIMIT_BYTES


def test_summary_is_appended(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    append_summary(sources(compared()), path)
    assert path.read_text().startswith("before\n# spinn-edge\n")


def test_disk_that_is_full_leaves_no_part_of_a_summary(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("before\n")
    with room_for(200), pytest.raises(UsageError, match="File too large; unset it to print"):
        append_summary(sources(compared()), path)
    assert path.read_text() == "before\n"


def test_part_of_a_summary_that_stays_is_said(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError("gone")

    monkeypatch.setattr(os, "ftruncate", refuse)
    with room_for(200), pytest.raises(UsageError, match="a part of the text stays at its end"):
        append_summary(sources(compared()), tmp_path / "summary.md")


def test_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(UsageError, match="GITHUB_STEP_SUMMARY names"):
        append_summary(sources(compared()), tmp_path)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_break_no_table(name):
    text = github_summary(sources(hostile(name), hostile(name)))
    text.encode("utf-8")
    assert len(tables(text)) == len(tables(github_summary(sources(hostile("x"), hostile("x")))))
    for table in tables(text):
        assert {len(line) for line in table} == {len(table[0])}
    assert "<script" not in text.replace("\\<", "")
