"""Tolerances that were chosen by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spinn_edge.accuracy.golden_check import golden_limits
from spinn_edge.accuracy.hand_limits import (
    channels_by_name,
    marked,
    parse_tolerances,
    shares_by_hand,
    with_tolerances,
)
from spinn_edge.accuracy.parity import Parity
from spinn_edge.accuracy.verification import verify_bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import (
    DataRecipe,
    Manifest,
    OutputTolerance,
    Scaling,
    Scores,
    Training,
)
from spinn_edge.runtimes.base import RuntimeFacts
from tests.fakes.runtime import doubling_bundle

SCALING = Scaling(feature_mean=(), feature_std=(), target_mean=(), target_std=())
SCORES = Scores(source="", rows=0, r2={}, r2_overall=None, rmse={}, linear_r2={})


@pytest.fixture
def manifest(tmp_path):
    """Outputs ``y`` of three channels, trained on wear, heat and force, and ``z`` of one."""
    training = Training(
        recipe=DataRecipe(features=("a",), targets=("wear", "heat", "force")),
        scaling=SCALING,
        seed=0,
        epochs=1,
        best_epoch=1,
        duration_s=0.0,
        interrupted=False,
        scores=SCORES,
    )
    made = doubling_bundle(tmp_path / "b", training=training).manifest
    limits = OutputTolerance(
        scale=(1.0, 10.0, 100.0), eager_error=(0.0, 1e-6, 0.5), tolerance=(1e-5, 1.01e-4, 0.501)
    )
    other = OutputTolerance(scale=(2.0,), eager_error=(0.0,), tolerance=(2e-5,))
    return replace(made, parity={"y": limits, "z": other})


def shares(manifest, precision="fp32", **chosen):
    chosen = {name.replace("_at_", "@").replace("every", "*"): s for name, s in chosen.items()}
    found = shares_by_hand(with_tolerances(manifest, chosen), precision)
    return {name: [None if np.isnan(s) else s for s in array] for name, array in found.items()}


def test_pairs_are_read_however_they_are_separated():
    assert parse_tolerances(["wear=1e-4, *=1e-5", "*@fp16=0.01"]) == {
        "wear": 1e-4,
        "*": 1e-5,
        "*@fp16": 0.01,
    }
    assert parse_tolerances([]) == {}


@pytest.mark.parametrize(
    "text",
    ["wear=0", "wear=-1e-5", "wear=nan", "wear=inf", "wear=-inf", "wear=much", "wear=", "*=0.0"],
)
def test_a_share_that_allows_nothing_or_anything_is_refused(text):
    with pytest.raises(UsageError, match="a finite number above 0") as caught:
        parse_tolerances([text])
    assert f"--tolerance {text}" in str(caught.value)


@pytest.mark.parametrize("text", ["wear", "=1e-4", "", "wear=1,,heat=1", "wear=1e-4,wear=1e-5"])
def test_what_is_no_pair_or_comes_twice_is_refused(text):
    with pytest.raises(UsageError, match="expected OUTPUT=SHARE, each output once"):
        parse_tolerances([text])


def test_an_unknown_precision_is_refused():
    with pytest.raises(UsageError, match="after @ stands one of fp32, fp16"):
        parse_tolerances(["*@fp8=1e-2"])


@pytest.mark.parametrize("name", ["ware", "y[3]", "wear[0]", "z@y"])
def test_an_unknown_name_is_refused_with_those_that_are_there(manifest, name):
    with pytest.raises(UsageError, match="has no output") as caught:
        with_tolerances(manifest, {name: 1e-4})
    assert "known: wear, heat, force, y[0]" in str(caught.value)


@pytest.mark.parametrize("share", [0.0, -1.0, np.nan, np.inf])
def test_a_share_from_python_is_checked_too(manifest, share):
    with pytest.raises(UsageError, match="a finite number above 0"):
        with_tolerances(manifest, {"*": share})


def test_targets_stand_for_channels_of_an_output_of_their_number(manifest):
    named = channels_by_name(manifest)
    assert named["heat"] == (("y", 1),)
    assert named["y[2]"] == (("y", 2),)
    assert named["z"] == (("z", 0),)
    assert len(named["*"]) == 4
    assert list(named)[-1] == "*"
    alone = replace(manifest, parity={"z": manifest.parity["z"]})
    assert list(channels_by_name(alone)) == ["z[0]", "z", "*"]


def test_nothing_chosen_leaves_every_default(manifest):
    assert shares(manifest) == {"y": [None, None, None], "z": [None]}
    assert with_tolerances(manifest, {}) is not None


def test_the_most_exact_name_wins(manifest):
    assert shares(manifest, every=1e-3, y=1e-4, heat=1e-5) == {
        "y": [1e-4, 1e-5, 1e-4],
        "z": [1e-3],
    }


def test_a_precision_holds_for_its_files_alone(manifest):
    chosen = {"every_at_fp16": 1e-2, "heat": 1e-4}
    assert shares(manifest, "fp32", **chosen) == {"y": [None, 1e-4, None], "z": [None]}
    assert shares(manifest, "fp16", **chosen) == {"y": [1e-2, 1e-4, 1e-2], "z": [1e-2]}
    both = {"heat": 1e-4, "heat_at_fp16": 1e-3}
    assert shares(manifest, "fp16", **both)["y"][1] == 1e-3
    assert shares(manifest, "fp32", **both)["y"][1] == 1e-4


def test_what_is_typed_replaces_what_the_bundle_holds_name_by_name(manifest):
    held = with_tolerances(manifest, {"*": 1e-3, "heat": 1e-4})
    typed = with_tolerances(held, {"heat": 1e-6})
    assert typed.tolerances_by_hand == {"*": 1e-3, "heat": 1e-6}


def test_a_share_by_hand_takes_the_place_of_the_defaults_beside_eagers_error(manifest):
    facts = RuntimeFacts()
    chosen = with_tolerances(manifest, {"heat": 1e-3, "force@fp16": 2e-2})
    np.testing.assert_allclose(
        golden_limits(chosen, "fp32", facts)["y"], [1e-5, 1e-2 + 1e-6, 0.501]
    )
    np.testing.assert_allclose(
        golden_limits(chosen, "fp16", facts)["y"], [5e-3, 1e-2 + 1e-6, 2.0 + 0.5]
    )


def test_a_manifest_keeps_what_was_chosen(manifest):
    chosen = with_tolerances(manifest, {"heat": 1e-3})
    assert Manifest.from_text(chosen.to_text()).tolerances_by_hand == {"heat": 1e-3}
    assert Manifest.from_text(manifest.to_text()).tolerances_by_hand == {}


def test_a_check_says_that_its_limit_was_chosen_by_hand(tiny_bundle):
    chosen = with_tolerances(tiny_bundle.manifest, {"output[1]": 1e-9})
    bundle = replace(tiny_bundle, manifest=chosen)
    result = verify_bundle(bundle, ("eager", "ort-cpu"))
    by_hand = [check for check in result.checks if check.channel == 1]
    assert by_hand
    assert all(check.share_by_hand == 1e-9 for check in by_hand)
    assert all(check.share_by_hand is None for check in result.checks if check.channel == 0)
    assert result.tolerances_by_hand == {"output[1]": 1e-9}


@pytest.mark.parametrize(("share", "passed"), [(1e-3, True), (1e-9, False)])
def test_wider_passes_and_tighter_fails_what_the_default_would_judge_otherwise(
    tiny_bundle, share, passed
):
    """Golden outputs that are off by 1e-4 of scale fail by default."""
    limit = tiny_bundle.manifest.parity["output"]
    chosen = replace(tiny_bundle.manifest, tolerances_by_hand={"*": share})
    limits = golden_limits(chosen, "fp32", RuntimeFacts())["output"]
    off = 1e-4 * np.asarray(limit.scale)
    assert bool((off <= limits).all()) == passed
    assert not (off <= golden_limits(tiny_bundle.manifest, "fp32", RuntimeFacts())["output"]).any()


def test_a_verdict_says_that_its_limit_was_chosen_by_hand(manifest):
    chosen = with_tolerances(manifest, {"heat": 1e-3})
    for channel, share in ((0, None), (1, 1e-3), (None, None)):
        verdict = Parity(passed=True, output="y", max_abs=0.0, tolerance=1.0, channel=channel)
        assert marked(verdict, chosen, "fp32").share_by_hand == share
    unknown = Parity(passed=False, output="", max_abs=None, tolerance=None, channel=0)
    assert marked(unknown, chosen, "fp32").share_by_hand is None
