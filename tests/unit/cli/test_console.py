"""What every command prints: in a pipe, without colour, on narrow screens, and beside --json -.

What is measured is measured once and shown in every form. `demo` shows a recorded tour: the one
that really runs is in `tests/e2e/test_demo.py`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spinn_edge.accuracy.verification import verify_bundle
from spinn_edge.bench import session
from spinn_edge.bench.training import contest
from spinn_edge.bench.understanding import explanation
from spinn_edge.cli import masked_bundles
from spinn_edge.cli.app import app
from spinn_edge.core.bundle import Bundle
from spinn_edge.demo import tour
from spinn_edge.pruning import rounds
from spinn_edge.pruning.masks import stages
from spinn_edge.report.json_document import bench_document, to_text
from tests.fakes.drifting_streams import learned_bundle, rows_of, write_rows
from tests.unit.bench.training.results import two_equations
from tests.unit.cli.console import (
    COLUMNS,
    DOCUMENT,
    NARROW,
    PIPE,
    WIDE,
    Printed,
    figures,
    left_on_screen,
    once,
    run,
    without_colour,
)
from tests.unit.report.sources import SLOW, compared

ROWS = ("--data", "{table}")
COMMANDS = {
    "inspect": ("inspect", "{exported}"),
    "inspect --layers": ("inspect", "{exported}", "--layers"),
    "runtimes": ("runtimes",),
    "schema": ("schema",),
    "train": (
        *("train", *ROWS, "--targets", "wear,heat", "--group", "tool", "--hidden", "4"),
        *("--epochs", "2", "--out", "{out}/trained", "--force"),
    ),
    "prune": (
        *("prune", "{trained}", *ROWS, "--target", "0.3", "--rounds", "2", "--tolerance", "0.1"),
        *("--finetune-epochs", "1", "--out", "{out}/pruned", "--force"),
    ),
    "mask": (
        *("mask", "{trained}", *ROWS, "--schedule", "0.3:1:1e-3", "--no-bench"),
        *("--target", "0.3", "--out", "{out}/masked", "--force"),
    ),
    "adapt": (
        *("adapt", "{stream}/v1", "--data", "{stream}/new.csv", "--drift-limit", "0.3"),
        *("--batch", "8", "--out", "{out}/adapted", "--force"),
    ),
    "export": ("export", "{trained}", "--format", "torchscript", "--out", "{out}/e", "--force"),
    "verify": ("verify", "{exported}", "--runtime", "eager,ort-cpu"),
    "verify --search": ("verify", "{exported}", "--runtime", "ort-cpu", "--search"),
    "verify --locate": ("verify", "{exported}", "--locate"),
    "waterfall": ("waterfall", "{exported}", "--runtime", "ort-cpu"),
    "validate": (
        *("validate", "{exported}", "--baseline", "{trained}", "--runtime", "ort-cpu"),
        *("--baseline-runtime", "eager", *ROWS, "--max-drift", "1"),
    ),
    "physics": (
        *("physics", "{exported}", "--derivatives", "wear:a", "--monotone", "heat:d:+"),
        *("--runtime", "eager", "--points", "4", "--violations", "100%"),
    ),
    "compare": ("compare", "{stored}/old.json", "{stored}/new.json"),
    "report": ("report", "{stored}/old.json"),
    "bench": (
        *("bench", "{exported}", "--runtime", "ort-cpu", "--launches", "1"),
        *("--batch", "1", "--seconds", "0.01"),
    ),
    "explain": (
        *("explain", "{exported}", "--only", "threads", "--launches", "1"),
        *("--seconds", "0.01"),
    ),
    "bench-train": ("bench-train",),
    "demo": ("demo", "--out", "{out}/demo"),
}
LONG = (
    *("train", "prune", "mask", "adapt", "export", "verify", "verify --search"),
    *("verify --locate", "waterfall", "validate", "physics"),
)
"""Commands that show a line that changes while they work."""
OTHER_NUMBERS = ("bench", "report", "demo", "export")
"""Tables of latencies leave out percentiles on a small screen; a file that is written again may be
some bytes longer."""
DOCUMENTED = [
    name
    for name in COMMANDS
    if name not in ("inspect --layers", "schema", "train", "prune", "export", "demo", "report")
]
"""Commands with ``--json`` that print tables beside it."""


def _work_once(patch: pytest.MonkeyPatch, exported: Path) -> None:
    """Measure and write once what would take long or come out otherwise in another form."""
    once(patch, session, "run_bench")
    once(patch, explanation, "explain")
    once(patch, masked_bundles, "write_masked")
    for module in (rounds, stages):
        patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 0.0))

    def run_contest(request: object, *, on_launch: Any) -> Any:
        on_launch("burgers, autograd: seed 0, launch 1 of 3", 0, 3)
        return two_equations()

    patch.setattr(contest, "run_contest", run_contest)
    bundle = Bundle.load(exported)
    shown = tour.Tour(
        dense=bundle,
        pruned=bundle,
        verifications=(verify_bundle(bundle, ("ort-cpu",)),),
        result=compared(),
    )

    def run_tour(out: Path, *_: object, listener: tour.Listener, **__: object) -> tour.Tour:
        listener.on_step("simulating milling tools")
        listener.on_run("training", 3, 0)
        listener.on_turn("verifying eager", 0, 2)
        return shown

    patch.setattr(tour, "run_tour", run_tour)


@pytest.fixture(scope="module")
def printed(exported, trained, table, tmp_path_factory):
    """Return what every command printed in every form."""
    stored, stream, out = (tmp_path_factory.mktemp(name) for name in ("stored", "stream", "out"))
    for name, found in (("old", compared()), ("new", compared(SLOW, SLOW))):
        (stored / f"{name}.json").write_text(to_text(bench_document(found)))
    learned_bundle(stream / "v1")
    write_rows(stream / "new.csv", rows_of(640, 5, shift=0.5))
    places = {"exported": exported, "trained": trained, "table": table, "stored": stored}
    places |= {"stream": stream, "out": out}
    with pytest.MonkeyPatch.context() as patch:
        _work_once(patch, exported)
        yield Printed(lambda name: [part.format(**places) for part in COMMANDS[name]])


def test_every_command_is_looked_at():
    known = {item.callback.__name__ for item in app.registered_commands if item.callback}
    assert {name.replace("_", "-") for name in known} == {name.split()[0] for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_but_text_goes_into_a_pipe(printed, name):
    done = printed.of(name, PIPE)
    assert done.code in (0, 9), done.err
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", done.out + done.err)
    assert not re.search("[⠀-⣿]", done.out + done.err)
    assert done.out.strip()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_standard_output_holds_the_document_alone(printed, name):
    done = printed.of(name, DOCUMENT)
    assert isinstance(json.loads(done.out), dict | list)
    assert done.err.strip()


@pytest.mark.parametrize("form", COLUMNS)
@pytest.mark.parametrize("name", COMMANDS)
def test_tables_fit_the_screen_and_keep_every_number(printed, name, form):
    tables = without_colour(printed.of(name, form).out)
    sentences = [line for line in tables.splitlines() if len(line) > COLUMNS[form]]
    assert not [line for line in sentences if "  " in line.strip()], sentences
    if name not in OTHER_NUMBERS:
        assert figures(printed.of(name, PIPE).out) <= figures(tables)


@pytest.mark.parametrize("name", COMMANDS)
def test_colour_can_be_turned_off(printed, name):
    coloured = r"\x1b\[[0-9;]*3[0-9]m"
    assert re.search(coloured, printed.of("runtimes", WIDE).out)
    done = printed.of(name, NARROW)
    assert not re.search(coloured, done.out + done.err)


@pytest.mark.parametrize("form", COLUMNS)
@pytest.mark.parametrize("name", LONG)
def test_long_work_shows_its_time_on_one_line_and_leaves_nothing_behind(printed, name, form):
    done = printed.of(name, form)
    assert re.search(r"0:00:0\d", done.err)
    assert " left" in done.err
    assert "0:00:0" not in done.out
    changing = [x for x in re.split("[\r\n]", without_colour(done.err)) if "0:00:0" in x]
    assert max(map(len, changing)) <= COLUMNS[form]
    assert not [x for x in left_on_screen(done.err) if re.search(r"0:00:|– left|[⠀-⣿]", x)]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("verify", ["verifying eager (1 of 2)", "verifying ort-cpu (2 of 2)"]),
        ("verify --search", ["verifying ort-cpu"]),
        ("verify --locate", ["comparing layers, fp32"]),
        ("physics", ["checking eager"]),
        ("waterfall", ["float64 (1 of 4)", "ort-cpu int8 (4 of 4)"]),
        ("validate", ["running both on every row (3 of 3)"]),
        ("export", ["golden vectors (1 of 2)", "torchscript: write and prove (2 of 2)"]),
        ("adapt", ["adapting to new.csv", "row 400 of 640: "]),
        ("train", ["training: epoch 1 of 2, loss", "training: epoch 2 of 2, loss"]),
        ("prune", ["round 1 of 2, 22-22: epoch 1 of 1, loss", "round 2 of 2, "]),
        ("mask", ["stage 1/1, 30.00% masked: epoch 1 of 1, loss", "golden vectors (1 of 2)"]),
        ("bench", ["launch 1 of 1: dense on ort-cpu fp32"]),
        ("explain", ["threads: launch 1 of 1: dense, 1 thread"]),
        ("bench-train", ["burgers, autograd: seed 0, launch 1 of 3"]),
        ("demo", ["simulating milling tools", "verifying eager"]),
    ],
)
def test_a_pipe_gets_a_line_for_each_step(printed, name, lines):
    said = printed.of(name, PIPE).err.splitlines()
    for line in lines:
        assert [x for x in said if x.startswith(line)], said


def test_models_beside_a_baseline_are_recommended_on_the_screen(printed, exported, monkeypatch):
    assert "recommendation" not in printed.of("bench", PIPE).out  # it stands alone
    monkeypatch.setattr(session, "run_bench", lambda *_, **__: compared())
    beside = run(["bench", str(exported), "--baseline", str(exported)], PIPE)
    for done in (beside, printed.of("report", PIPE), printed.of("demo", PIPE)):
        (words,) = re.findall("recommendation: .*", done.out)
        assert words.startswith("recommendation: pruned beside dense: ")
        assert words.endswith("Not recommended: accuracy is lost.")


def test_files_are_written_where_they_are_asked_for(exported, tmp_path):
    path: Path = tmp_path / "new" / "inspect.json"
    done = run(["inspect", str(exported), "--json", str(path)], PIPE)
    assert json.loads(path.read_text())["parameters"] > 0
    assert "parameters" in done.out
