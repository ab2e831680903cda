import json

import pytest

from spinn_edge.core.errors import BundleError, ExportError, UsageError
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes.trt.recipe import EngineOptions, EngineRecipe
from tests.fakes.trt import FEATURES, FLOAT32, INPUTS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_batch": 0}, r"--min-batch 0: expected at least 1"),
        ({"min_batch": 8, "opt_batch": 4}, r"--opt-batch 4: expected at least --min-batch 8"),
        ({"workspace_bytes": 0}, r"--workspace-mib 0: expected at least 1"),
        ({"workspace_bytes": -(2**20)}, r"--workspace-mib -1: expected at least 1"),
        ({"builder_level": -1}, r"--builder-level -1: expected 0 to 5"),
        ({"builder_level": 6}, r"--builder-level 6: expected 0 to 5"),
    ],
)
def test_a_choice_that_makes_no_sense_names_its_option(options, message):
    with pytest.raises(UsageError, match=message):
        EngineOptions(**options)


@pytest.mark.parametrize(
    ("options", "max_batch", "message"),
    [
        ({}, 0, "--max-batch 0: the maximum batch must be at least 1"),
        ({"min_batch": 8}, 4, "--min-batch 8: expected at most --max-batch 4"),
        ({"opt_batch": 8}, 4, "--opt-batch 8: expected at most --max-batch 4"),
    ],
)
def test_bounds_out_of_order_name_both_options(options, max_batch, message):
    with pytest.raises(UsageError, match=message):
        EngineOptions(**options).batches(max_batch)


@pytest.mark.parametrize(
    ("options", "max_batch", "bounds"),
    [
        ({}, 1024, (1, 32, 1024)),
        ({}, 4, (1, 4, 4)),
        ({"min_batch": 64}, 1024, (64, 64, 1024)),
        ({"min_batch": 2, "opt_batch": 100}, 1000, (2, 100, 1000)),
        ({"opt_batch": 1}, 1, (1, 1, 1)),
    ],
)
def test_the_batch_to_tune_for_is_32_or_what_comes_nearest(options, max_batch, bounds):
    assert tuple(EngineOptions(**options).batches(max_batch).values()) == bounds


def test_a_recipe_survives_its_way_through_a_manifest():
    options = EngineOptions(
        min_batch=2, opt_batch=8, workspace_bytes=2**29, builder_level=0, tf32=True,
        hardware_compatible=True, version_compatible=True,
    )  # fmt: skip
    recipe = options.recipe(INPUTS, 64, "SM86")
    details = json.loads(json.dumps(recipe.details()))
    assert details == {
        "compute_capability": "SM86",
        "profile": {"input": {"min": [2, FEATURES], "opt": [8, FEATURES], "max": [64, FEATURES]}},
        "workspace_bytes": 2**29,
        "builder_level": 0,
        "tf32": True,
        "hardware_compatible": True,
        "version_compatible": True,
    }
    assert EngineRecipe.from_details(details, "SM86") == recipe
    assert EngineRecipe.from_details(details, "SM120").compute_capability == "SM120"


def test_an_old_manifest_that_says_less_gives_the_defaults():
    details = {"profile": {"input": {"min": [1, 18], "opt": [1, 18], "max": [4, 18]}}}
    recipe = EngineRecipe.from_details(details, "SM89")
    assert recipe == EngineOptions(opt_batch=1).recipe(INPUTS, 4, "SM89")


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"profile": None},
        {"profile": {"input": {"min": [1], "max": [2]}}},
        {"profile": {"input": {"min": ["a"], "opt": [1], "max": [2]}}},
        {"profile": {"input": {"min": [1], "opt": [1], "max": [2]}}, "builder_level": "high"},
    ],
)
def test_details_that_do_not_say_how_it_was_built_are_refused(details):
    with pytest.raises(BundleError, match="does not say how the engine was built"):
        EngineRecipe.from_details(details, "SM86")


def test_a_fixed_batch_is_every_bound():
    recipe = EngineOptions().recipe((TensorSpec("x", (4, 3), FLOAT32),), 4, "SM86")
    assert recipe.profile == {"x": {"min": (4, 3), "opt": (4, 3), "max": (4, 3)}}


def test_a_second_dynamic_axis_is_refused():
    inputs = (TensorSpec("input", (None, None), FLOAT32),)
    with pytest.raises(ExportError, match=r"float32 \[batch, \?\]: .* only axis 0"):
        EngineOptions().recipe(inputs, 4, "SM86")
