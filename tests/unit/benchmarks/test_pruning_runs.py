"""Scores, shares, times and hashes that are read from bundles, and what was typed."""

import math

import pytest
import torch
from safetensors.torch import save_file

from tests.unit.benchmarks.bundles import write_bundle


@pytest.fixture
def shop(program, tmp_path):
    return program("pruning_shop").Workshop(tmp_path)


@pytest.mark.parametrize(("r2", "met"), [(0.95, True), (0.891, True), (0.889, False)])
def test_a_score_is_held_against_the_dense_one(program, shop, r2, met):
    write_bundle(shop.folder / "dense", r2=0.9)
    write_bundle(shop.folder / "pruned", r2=r2)
    figure = program("pruning_shop").score_figure(
        shop, what="demo", target="tool_wear", dense="dense", pruned="pruned", allowed=0.01
    )
    assert figure.met is met
    assert "linear regression 0.7000" in figure.measured


def test_a_score_that_is_no_number_is_missed(program, shop):
    write_bundle(shop.folder / "dense")
    write_bundle(shop.folder / "pruned", r2=math.nan)
    figure = program("pruning_shop").score_figure(
        shop, what="demo", target="overall", dense="dense", pruned="pruned", allowed=0.01
    )
    assert figure.met is False


@pytest.mark.parametrize(("left", "met"), [(315, True), (319, True), (321, False), (102, False)])
def test_parameters_are_counted_in_the_file_and_not_in_the_manifest(program, shop, left, met):
    write_bundle(shop.folder / "dense", elements=1000)
    write_bundle(shop.folder / "pruned", elements=left)
    figure = program("pruning_shop").removed_figure(
        shop, what="demo", target=0.685, pruned="pruned", dense="dense"
    )
    assert figure.met is met


def test_weights_are_hashed_as_they_lie_there(shop):
    for name, elements in (("a", 5), ("b", 5), ("c", 6)):
        write_bundle(shop.folder / name, elements=elements)
    a, b, c = (shop.weights_sha256(name) for name in "abc")
    assert a == b != c


def test_a_command_is_typed_once_and_a_failing_one_says_what_it_said(program, shop):
    write = "import pathlib, sys; pathlib.Path(sys.argv[-1]).mkdir(); print(sys.argv[1:])"
    module = program("pruning_shop")
    module.PROGRAM, real = "/usr/bin/env", module.PROGRAM
    try:
        first = shop.once("x", "python3", "-c", write)
        assert "['--seed', '0', '--out', 'x']" in first.said
        assert shop.once("x", "python3", "-c", write) is first
        with pytest.raises(module.CommandFailedError, match="left with 3: no such thing"):
            shop.type(
                "python3", "-c", "import sys; print('no such thing', file=sys.stderr); exit(3)"
            )
    finally:
        module.PROGRAM = real
    *_, last, _ = module.commands_list(shop.commands)
    assert last.startswith("spinn-edge python3 -c")
    assert [command.code for command in shop.commands] == [0, 3]


def test_folds_are_pooled_over_rows_and_not_averaged(program):
    real = program("pruning_real")

    def fold(variance, dense, pruned):
        r2 = dict(zip(real.WAYS, (dense, pruned, -1.0, 0.0), strict=True))
        return real.Fold(tools=("1",), rows=9, variance=variance, r2=r2)

    figure = real.pooled_figure([fold(9.0, 0.5, 0.6), fold(1.0, 0.5, -0.3)], 20.0)
    # 1 - (9 · 0.4 + 1 · 1.3) / 20 against 1 - (9 · 0.5 + 1 · 0.5) / 20
    assert figure.measured.startswith("+0.0050 (0.7550, dense 0.7500")
    assert figure.met is True
    assert real.pooled_figure([fold(9.0, 0.5, 0.4)], 20.0).met is False


def test_every_tool_is_held_out_once_and_alone(program, shop, monkeypatch):
    real = program("pruning_real")
    source = shop.folder / "source"
    source.mkdir()
    lines = [f"{tool},{tool}.5,{tool / 10}" for tool in range(1, 12) for _ in range(2)]
    text = "\n".join(["experiment_id,force,tool_wear", *lines, ""])
    (source / "train.csv").write_text(text)
    shop.milling = source

    def prune(shop, name, data, test):
        bundles = tuple(f"{name}-{way}" for way in ("dense", "pruned", "default"))
        for number, bundle in enumerate(bundles):
            write_bundle(shop.folder / bundle, r2=0.9 - number / 10)
        return bundles

    monkeypatch.setattr(real, "_prune", prune)
    section = real.real(shop)
    assert len(section.figures) == 3
    assert section.lines[-1] == "| 4, 8 | 4 | 0.9000 | 0.8000 | 0.7000 | 0.7000 |"
    tested = []
    for number in range(real.FOLDS):
        parts = [
            {row["experiment_id"] for row in real.read_rows(shop.folder / path)[1]}
            for path in (f"nasa/fit-{number}.csv", f"nasa/test-{number}.csv")
        ]
        assert not parts[0] & parts[1]
        assert len(parts[0] | parts[1]) == 11
        tested += sorted(parts[1])
    assert sorted(tested, key=int) == [str(tool) for tool in range(1, 12)]


def test_no_milling_data_is_not_measured_and_says_where_to_name_it(program, shop):
    (figure,) = program("pruning_real").real(shop).figures
    assert figure.met is None
    assert "--milling" in figure.measured


@pytest.mark.parametrize(("wall_s", "met"), [(40.0, True), (50.0, False)])
def test_the_demo_is_typed_and_timed(program, shop, monkeypatch, wall_s, met):
    runs, module = program("pruning_runs"), program("pruning_shop")
    monkeypatch.setattr(runs, "write_demo_data", lambda shop: None)
    elements = {"demo-dense": 10_000, "demo-pruned-685": 3_150, "demo-pruned-900": 1_000}

    def typed(*words):
        name = words[-1]
        write_bundle(shop.folder / name, elements=elements[name.removesuffix("-again")])
        command = module.Command(words=words, wall_s=wall_s, code=0, said="")
        shop.commands.append(command)
        return command

    monkeypatch.setattr(shop, "type", typed)
    figures = runs.demo(shop).figures
    (timed,) = [figure for figure in figures if "two cores" in figure.wanted]
    assert timed.met is met
    assert all(figure.met for figure in figures if figure is not timed)
    assert len(figures) == 2 * (1 + len(runs.TARGETS) + 1) + 1
    assert all(figure.met for figure in runs.determinism(shop).figures)
    assert len(shop.commands) == 5, "what was typed for one section is not typed for another"
    again = shop.folder / "demo-pruned-685-again" / "model.safetensors"
    save_file({"layer": torch.zeros(3_150)}, again)
    assert [figure.met for figure in runs.determinism(shop).figures] == [True, False]
