"""Real builds with tensorrt_rtx; the calls of ``tensorrt`` against a module that records them."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from onnx import helper

from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.export.onnx_fp16 import convert_to_fp16
from spinn_edge.runtimes.trt.backend import Backend, load_backend, logger_of, read_header
from spinn_edge.runtimes.trt.builder import (
    build_plan,
    build_with_timings,
    check_supported,
    known_targets,
)
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.recipe import EngineOptions
from tests.fakes.trt import FEATURES, INPUTS, write_graph, write_mlp


@pytest.fixture(scope="module")
def rtx():
    return load_backend(("tensorrt_rtx",))


@pytest.fixture
def onnx_path(tmp_path):
    return write_mlp(tmp_path / "model.onnx")


def recipe(target="SM86", inputs=INPUTS, max_batch=64, **options):
    return EngineOptions(**options).recipe(inputs, max_batch, target)


# --- real engines


@pytest.mark.parametrize("target", ["SM86", "SM89", "SM120"])
def test_a_float32_engine_is_built_for_a_gpu_that_is_not_here(rtx, onnx_path, target):
    built = build_plan(rtx, onnx_path, recipe(target))
    header = read_header(built.plan)
    assert header.magic_ok
    assert header.length == len(built.plan)
    assert built.timing_cache == b""
    assert built.messages == ()


def test_turing_gets_an_fp16_engine(rtx, onnx_path):
    entry = convert_to_fp16(onnx_path, onnx_path.parent)
    built = build_plan(rtx, onnx_path.parent / entry.path, recipe("SM75"))
    assert read_header(built.plan).magic_ok


def test_float32_on_turing_names_node_reason_and_way_out_and_the_process_lives(onnx_path):
    # In a process of its own: the next engine of the same process would carry its remains.
    code = (
        "import sys, pathlib, numpy\n"
        "from spinn_edge.core.errors import ExportError\n"
        "from spinn_edge.core.tensors import TensorSpec\n"
        "from spinn_edge.runtimes.trt.backend import load_backend\n"
        "from spinn_edge.runtimes.trt.builder import build_plan\n"
        "from spinn_edge.runtimes.trt.recipe import EngineOptions\n"
        "inputs = (TensorSpec('input', (None, 18), numpy.dtype('float32')),)\n"
        "recipe = EngineOptions().recipe(inputs, 64, 'SM75')\n"
        "try:\n"
        "    build_plan(load_backend(), pathlib.Path(sys.argv[1]), recipe)\n"
        "except ExportError as exc:\n"
        "    print(exc)\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(onnx_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "builds no engine of model.onnx for SM75: node 'layer0': ERROR" in done.stdout
    assert "FP32 GEMM is not supported" in done.stdout
    assert "--precision fp16" in done.stdout


@pytest.mark.parametrize(
    "options", [{}, {"tf32": True}, {"workspace_bytes": 2**29, "builder_level": 1}]
)
def test_the_same_recipe_gives_the_same_bytes(rtx, onnx_path, options):
    build_plan(rtx, onnx_path, recipe())  # takes what a failed build may have left, see build_plan
    first, again = (build_plan(rtx, onnx_path, recipe(**options)).plan for _ in range(2))
    assert first == again


def test_tf32_and_the_profile_are_in_the_engine(rtx, onnx_path):
    build_plan(rtx, onnx_path, recipe())
    plans = {
        build_plan(rtx, onnx_path, recipe(**options)).plan
        for options in ({}, {"tf32": True}, {"min_batch": 2}, {"opt_batch": 8})
    }
    assert len(plans) == 4


def test_too_little_workspace_says_how_much_was_allowed(rtx, onnx_path):
    with pytest.raises(ExportError, match=r"(?s)workspace.*1048576 bytes.*--workspace-mib"):
        build_plan(rtx, onnx_path, recipe(workspace_bytes=2**20))


def test_nothing_is_said_of_a_workspace_that_nobody_limited(rtx, onnx_path):
    with pytest.raises(ExportError) as caught:
        build_plan(
            rtx,
            onnx_path,
            recipe(inputs=(INPUTS[0].__class__("input", (None, 17), INPUTS[0].dtype),)),
        )
    assert "--workspace-mib" not in str(caught.value)


def test_an_unknown_operator_names_its_node(rtx, tmp_path):
    node = helper.make_node("Sparkle", ["input"], ["output"], name="sparkle7", domain="my.own")
    path = write_graph(tmp_path / "model.onnx", [node], FEATURES, FEATURES)
    with pytest.raises(ExportError, match=r"node 'sparkle7' \(Sparkle\): .*Plugin not found"):
        build_plan(rtx, path, recipe())


def test_an_operator_that_tensorrt_has_not_is_said_in_words(rtx, tmp_path):
    node = helper.make_node("Det", ["input"], ["output"], name="det3")
    path = write_graph(tmp_path / "model.onnx", [node], FEATURES, FEATURES)
    with pytest.raises(ExportError, match=r"node 'det3' \(Det\): TensorRT does not support") as e:
        build_plan(rtx, path, recipe())
    assert "false" not in str(e.value)


def test_what_rtx_has_not_is_refused_with_what_it_has(rtx, onnx_path):
    for option in ("hardware_compatible", "version_compatible"):
        name = f"--{option.replace('_', '-')}"
        with pytest.raises(UsageError, match=rf"{name}: tensorrt_rtx .*--compute-capability"):
            build_plan(rtx, onnx_path, recipe(**{option: True}))
    check_supported(rtx, EngineOptions(tf32=True))


def test_only_real_gpus_are_targets(rtx):
    assert {"SM75", "SM86", "SM89", "SM120"} <= set(known_targets(rtx))
    assert all(name.startswith("SM") for name in known_targets(rtx))


# --- the other package, whose builder is not here


class Config:
    """An IBuilderConfig that keeps what is set, and refuses timings of another device."""

    def __init__(self):
        self.flags = {"TF32"}
        self.pools = {}
        self.cache = None
        self.profiles = []

    def set_flag(self, flag):
        self.flags.add(flag)

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def set_memory_pool_limit(self, pool, size):
        self.pools[pool] = size

    def add_optimization_profile(self, profile):
        self.profiles.append(profile.shapes)
        return len(self.profiles) - 1

    def create_timing_cache(self, content):
        if content == b"broken":
            return None
        return SimpleNamespace(content=content, serialize=lambda: content + b"+new")

    def set_timing_cache(self, cache, ignore_mismatch):
        assert not ignore_mismatch
        if cache.content == b"foreign":
            return False
        self.cache = cache
        return True


class Enterprise:
    """The module ``tensorrt`` as far as a build calls it.

    Attributes:
        configs: of every build.
        network_flags: likewise.
        refusal: what the builder logs before it gives nothing; None when it builds.
        warning: what it logs and builds all the same.
    """

    NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)  # bit 1 in 10, bit 0 in 11
    ProfilingVerbosity = SimpleNamespace(DETAILED="detailed")
    MemoryPoolType = SimpleNamespace(WORKSPACE="workspace")
    HardwareCompatibilityLevel = SimpleNamespace(AMPERE_PLUS="ampere plus")
    BuilderFlag = SimpleNamespace(TF32="TF32", VERSION_COMPATIBLE="version compatible")

    def __init__(self, layers=(), refusal=None, warning=None):
        rtx = load_backend(("tensorrt_rtx",)).module
        self.ILogger = rtx.ILogger
        self.configs: list[Any] = []
        self.network_flags: list[int] = []
        self.layers = [SimpleNamespace(name=name, metadata=text) for name, text in layers]
        self.refusal, self.warning = refusal, warning

    def Builder(self, logger):
        def build(network, config):
            severity = self.ILogger.Severity
            if self.warning:
                logger.log(severity.WARNING, self.warning)
            if self.refusal:
                logger.log(severity.ERROR, self.refusal)
            return None if self.refusal else b"plan"

        return SimpleNamespace(
            create_network=self._network,
            create_builder_config=self._config,
            create_optimization_profile=_profile,
            build_serialized_network=build,
        )

    def OnnxParser(self, network, logger):
        return SimpleNamespace(parse_from_file=lambda path: True)

    def _network(self, flags):
        self.network_flags.append(flags)
        return SimpleNamespace(
            num_inputs=1, get_input=lambda index: SimpleNamespace(name="input"),
            num_layers=len(self.layers), get_layer=lambda index: self.layers[index],
        )  # fmt: skip

    def _config(self):
        self.configs.append(Config())
        return self.configs[-1]


def _profile():
    profile = SimpleNamespace(shapes={})
    profile.set_shape = lambda name, *bounds: profile.shapes.update({name: bounds})
    return profile


def enterprise(**behaviour):
    return Backend(module=Enterprise(**behaviour), name="tensorrt", version="11.4.0.106")


def test_every_choice_reaches_the_configuration(onnx_path):
    backend = enterprise()
    options = {"min_batch": 2, "opt_batch": 8, "workspace_bytes": 2**30, "builder_level": 5}
    build_plan(
        backend, onnx_path,
        recipe(**options, tf32=True, hardware_compatible=True, version_compatible=True),
    )  # fmt: skip
    (config,) = backend.module.configs
    assert config.flags == {"TF32", "version compatible"}
    assert config.pools == {"workspace": 2**30}
    assert config.builder_optimization_level == 5
    assert config.hardware_compatibility_level == "ampere plus"
    assert config.profiling_verbosity == "detailed"
    assert config.profiles == [{"input": ((2, FEATURES), (8, FEATURES), (64, FEATURES))}]
    assert backend.module.network_flags == [1 << 1]


def test_what_nobody_chose_is_left_to_tensorrt_but_tf32_is_off(onnx_path):
    backend = enterprise()
    build_plan(backend, onnx_path, recipe())
    (config,) = backend.module.configs
    assert config.flags == set()
    assert config.pools == {}
    assert not hasattr(config, "builder_optimization_level")
    assert not hasattr(config, "hardware_compatibility_level")
    assert not hasattr(config, "num_compute_capabilities")


@pytest.mark.parametrize(
    ("kept", "used"),
    [(b"", b"+new"), (b"old", b"old+new"), (b"foreign", b"+new"), (b"broken", b"+new")],
)
def test_timings_are_carried_on_where_they_fit(onnx_path, kept, used):
    backend = enterprise()
    assert build_plan(backend, onnx_path, recipe(), kept).timing_cache == used
    assert backend.module.configs[0].cache is not None


def test_timings_are_kept_from_build_to_build(onnx_path, tmp_path):
    cache = EngineCache(tmp_path / "bundle")
    for _ in range(2):
        build_with_timings(enterprise(), onnx_path, recipe(), cache)
    assert cache.load("timing", enterprise(), "SM86") == b"+new+new"
    assert cache.load("timing", enterprise(), "SM89") == b""


def test_rtx_times_nothing_and_keeps_nothing(rtx, onnx_path, tmp_path):
    cache = EngineCache(tmp_path / "bundle")
    build_with_timings(rtx, onnx_path, recipe(), cache)
    assert not cache.folder.exists()


def test_warnings_of_this_build_alone_are_returned(onnx_path):
    backend = enterprise(warning="Using default for use_precise_math")
    logger_of(backend).messages.append("ERROR: of another engine, long ago")
    built = build_plan(backend, onnx_path, recipe())
    assert built.plan == b"plan"
    assert built.messages == ("WARNING: Using default for use_precise_math",)


LAYERS = (
    ("weight", ""),
    ("node_linear", "[ONNX Layer: node_linear]"),
    ("node_linear_1", "[ONNX Layer: node_linear_1]"),
    ("fused_7", "[ONNX Layer: /net/Conv]\x1e[ONNX Layer: /net/Relu]"),
    ("/net/Softmax", None),
)


@pytest.mark.parametrize(
    ("words", "nodes"),
    [
        ("Could not find any implementation for node node_linear.", ["node_linear"]),
        ("Could not find any implementation for node node_linear_1.", ["node_linear_1"]),
        ("no tactic for 'node_linear' and node_linear_1", ["node_linear", "node_linear_1"]),
        ("Error in layer fused_7", ["/net/Conv", "/net/Relu"]),
        ("Error in /net/Relu: out of range", ["/net/Conv", "/net/Relu"]),
        ("Error in /net/Softmax (foo)", ["/net/Softmax"]),
        ("Error in /net/Softmax_2", []),
        ("out of memory", []),
    ],
)
def test_the_nodes_that_a_refusal_speaks_of_are_named(onnx_path, words, nodes):
    with pytest.raises(ExportError) as caught:
        build_plan(enterprise(layers=LAYERS, refusal=words), onnx_path, recipe())
    named = "".join(f"node '{name}': " for name in nodes)
    assert str(caught.value).endswith(f"for SM86: {named}ERROR: {words}")
