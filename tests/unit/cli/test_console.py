"""What every command prints: in a pipe, without colour, on narrow screens, and beside --json -."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest

from spinn_edge.cli.app import main
from spinn_edge.report.json_document import bench_document, to_text
from tests.unit.report.sources import SLOW, compared

pytest.importorskip("scipy")

JSON = "--json"
COMMANDS = {
    "inspect": ("inspect", "{exported}"),
    "inspect --layers": ("inspect", "{exported}", "--layers"),
    "runtimes": ("runtimes",),
    "verify": ("verify", "{exported}", "--runtime", "eager,ort-cpu"),
    "verify --search": ("verify", "{exported}", "--runtime", "ort-cpu", "--search"),
    "waterfall": ("waterfall", "{exported}"),
    "validate": (
        *("validate", "{exported}", "--baseline", "{trained}", "--runtime", "eager"),
        *("--baseline-runtime", "eager", "--data", "{table}"),
    ),
    "compare": ("compare", "{old}", "{new}"),
    "bench": (
        *("bench", "{exported}", "--runtime", "ort-cpu", "--launches", "1"),
        *("--batch", "1", "--seconds", "0.01"),
    ),
}
"""Commands that end within seconds; ``physics`` and ``explain`` print through the same tables."""


@pytest.fixture(scope="session")
def stored(tmp_path_factory):
    """Return a baseline and a slower result."""
    folder = tmp_path_factory.mktemp("stored")
    for name, found in (("old", compared()), ("new", compared(SLOW, SLOW))):
        (folder / f"{name}.json").write_text(to_text(bench_document(found)))
    return folder


@pytest.fixture
def arguments(exported, trained, table, stored):
    places = {"exported": exported, "trained": trained, "table": table}
    places |= {name: stored / f"{name}.json" for name in ("old", "new")}

    def of(name):
        return [part.format(**places) for part in COMMANDS[name]]

    return of


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self):
        return True


def in_terminal(monkeypatch, arguments, columns, **environment):
    """Return what a command prints to a terminal of so many columns: tables, and notes."""
    for name in ("NO_COLOR", "FORCE_COLOR", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    out, err = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(sys, "argv", ["spinn-edge", *arguments])
    with pytest.raises(SystemExit):
        main()
    return out.getvalue(), err.getvalue()


def without_colour(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def figures(text):
    """Return all numbers of tables, with what stands right beside them."""
    return set(re.findall(r"(?<!\S)[\d.,]*\d[\d.,]*%?(?!\S)", text))


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_but_text_goes_into_a_pipe(cli, arguments, name):
    done = cli(*arguments(name))
    assert done.code in (0, 9), done.err
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.out + done.err)
    assert not re.search("[⠀-⣿]", done.out + done.err)
    assert done.out.strip()


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "inspect --layers"])
def test_standard_output_holds_the_document_alone(cli, arguments, name):
    done = cli(*arguments(name), JSON, "-")
    assert isinstance(json.loads(done.out), dict | list)
    assert done.err.strip()


@pytest.mark.parametrize("columns", [80, 60])
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "bench"])
def test_tables_fit_the_screen_and_keep_every_number(cli, monkeypatch, arguments, name, columns):
    wide = cli(*arguments(name)).out
    tables = without_colour(in_terminal(monkeypatch, arguments(name), columns)[0])
    sentences = [line for line in tables.splitlines() if len(line) > columns]
    assert not [line for line in sentences if "  " in line.strip()], sentences
    assert figures(wide) <= figures(tables)


def test_latency_tables_fit_the_screen(monkeypatch, arguments):
    tables = without_colour(in_terminal(monkeypatch, arguments("bench"), 60)[0])
    assert "Latency, host to host" in tables
    assert not [x for x in tables.splitlines() if len(x) > 60 and "  " in x.strip()]


@pytest.mark.parametrize("name", ["inspect", "runtimes", "compare"])
def test_colour_can_be_turned_off(monkeypatch, arguments, name):
    coloured = r"\x1b\[[0-9;]*3[0-9]m"
    assert re.search(coloured, in_terminal(monkeypatch, arguments("runtimes"), 80)[0])
    out, err = in_terminal(monkeypatch, arguments(name), 80, NO_COLOR="1")
    assert not re.search(coloured, out + err)


def test_long_work_shows_how_long_it_has_taken_and_leaves_nothing_behind(monkeypatch, arguments):
    out, err = in_terminal(monkeypatch, arguments("verify"), 80)
    assert "verifying" in err
    assert "0:00:0" in err
    assert "verifying" not in out


def test_files_are_written_where_they_are_asked_for(cli, arguments, tmp_path):
    path: Path = tmp_path / "new" / "inspect.json"
    done = cli(*arguments("inspect"), JSON, path)
    assert json.loads(path.read_text())["parameters"] > 0
    assert "parameters" in done.out


def test_a_pipe_gets_a_line_for_each_step(cli, arguments):
    lines = cli(*arguments("verify")).err.splitlines()
    assert {"verifying eager", "verifying ort-cpu"} <= set(lines)
    (launch,) = (x for x in cli(*arguments("bench")).err.splitlines() if x.startswith("launch"))
    assert launch == "launch 1 of 1: dense on ort-cpu fp32"
