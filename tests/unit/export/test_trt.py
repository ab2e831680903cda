import json
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from spinn_edge.core.bundle import sha256_of
from spinn_edge.core.errors import (
    ExportError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
)
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export.int8_forms import prepare, products_of, quantise
from spinn_edge.export.onnx_fp16 import convert_to_fp16
from spinn_edge.export.trt import DEFAULT_COMPUTE_CAPABILITIES, build_engines
from spinn_edge.runtimes.nvidia.driver import find_device
from spinn_edge.runtimes.trt.backend import Backend, load_backend, logger_of, read_header
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.recipe import EngineOptions
from tests.fakes.cuda import FakeDriver
from tests.fakes.trt import FEATURES, FLOAT32, INPUTS, write_graph, write_mlp


def a2000():
    return find_device(FakeDriver().load)


def no_gpu():
    raise RuntimeUnavailableError("the NVIDIA driver shows no GPU")


@pytest.fixture
def onnx_path(tmp_path):
    return write_mlp(tmp_path / "model.onnx")


def build(onnx_path, **changed):
    arguments: dict[str, Any] = {"inputs": INPUTS, "max_batch": 64, "find": no_gpu} | changed
    return build_engines(onnx_path, onnx_path.parent, **arguments)


def renamed(name, version="11.4.0.106", **members):
    """The real builder of tensorrt_rtx under another name, some members replaced."""
    rtx = load_backend(("tensorrt_rtx",)).module
    names = (
        "Builder", "OnnxParser", "NetworkDefinitionCreationFlag", "BuilderFlag", "ILogger",
        "ComputeCapability", "ProfilingVerbosity", "MemoryPoolType",
    )  # fmt: skip
    module = type(name, (), {name: getattr(rtx, name) for name in names} | members)
    return Backend(module=module, name=name, version=version)


class WatchedBuilder:
    """The real builder, whose configuration a test can look at or replace."""

    configs: list[Any]
    config: Any = None

    def __init__(self, logger):
        # With the logger that every test uses: TensorRT keeps the first one of the process.
        rtx = load_backend(("tensorrt_rtx",))
        self._builder = rtx.module.Builder(logger_of(rtx))

    def __getattr__(self, name):
        return getattr(self._builder, name)

    def create_builder_config(self):
        self.configs.append(self.config or self._builder.create_builder_config())
        return self.configs[-1]


def enterprise(inspected="{}", **members):
    """The package that builds for the GPU in this machine only, and its Runtime without a GPU."""
    engine = SimpleNamespace(
        create_engine_inspector=lambda: SimpleNamespace(
            get_engine_information=lambda form: inspected
        )
    )

    def config():
        return SimpleNamespace(
            clear_flag=lambda flag: None, set_flag=lambda flag: None,
            add_optimization_profile=lambda profile: 0,
            create_timing_cache=lambda content: SimpleNamespace(serialize=lambda: b"timings"),
            set_timing_cache=lambda cache, ignore_mismatch: True,
        )  # fmt: skip

    class Builder(WatchedBuilder):
        configs: list[Any] = []  # noqa: RUF012

        def create_builder_config(self):
            return config()

        def build_serialized_network(self, network, config):
            return b"plan"

    fakes = {
        "Builder": Builder,
        "Runtime": lambda logger: SimpleNamespace(deserialize_cuda_engine=lambda plan: engine),
        "LayerInformationFormat": SimpleNamespace(JSON=1),
        "HardwareCompatibilityLevel": SimpleNamespace(AMPERE_PLUS=1),
    }
    return renamed("tensorrt", **{
        key: staticmethod(value) if callable(value) and not isinstance(value, type) else value
        for key, value in (fakes | members).items()
    })  # fmt: skip


def test_one_engine_for_each_default_compute_capability(onnx_path):
    entries = build(onnx_path)
    assert [entry.details["compute_capability"] for entry in entries] == list(
        DEFAULT_COMPUTE_CAPABILITIES
    )
    assert [entry.path for entry in entries] == [
        "model.sm86.engine",
        "model.sm89.engine",
        "model.sm120.engine",
    ]
    for entry in entries:
        plan = (onnx_path.parent / entry.path).read_bytes()
        header = read_header(plan)
        assert header.magic_ok
        assert header.length == len(plan) == entry.bytes


def test_entry_records_how_the_engine_was_built(onnx_path):
    (entry,) = build(onnx_path, compute_capabilities=("SM86",))
    assert entry.format == "trt"
    assert entry.toolchain == {"tensorrt_rtx": load_backend(("tensorrt_rtx",)).version}
    assert entry.details == {
        "compute_capability": "SM86",
        "profile": {"input": {"min": [1, FEATURES], "opt": [32, FEATURES], "max": [64, FEATURES]}},
        "workspace_bytes": None,
        "builder_level": None,
        "tf32": False,
        "hardware_compatible": False,
        "version_compatible": False,
        "onnx_sha256": sha256_of(onnx_path),
        "layers": {"fp16": 0, "fp32": 3},
        "layers_counted_from": "types in the ONNX graph, no engine was run",
        "builder_messages": [],
    }
    assert entry.precision == "fp32"
    assert entry.proof == ()


def test_every_choice_is_recorded(onnx_path):
    options = EngineOptions(
        min_batch=2, opt_batch=8, workspace_bytes=2**29, builder_level=4, tf32=True
    )
    (entry,) = build(onnx_path, compute_capabilities=("SM86",), options=options)
    assert entry.details["profile"]["input"] == {
        "min": [2, FEATURES],
        "opt": [8, FEATURES],
        "max": [64, FEATURES],
    }
    kept = {key: entry.details[key] for key in ("workspace_bytes", "builder_level", "tf32")}
    assert kept == {"workspace_bytes": 2**29, "builder_level": 4, "tf32": True}


def test_batches_out_of_order_are_refused_before_anything_is_built(onnx_path):
    with pytest.raises(UsageError, match="--min-batch 65: expected at most --max-batch 64"):
        build(onnx_path, options=EngineOptions(min_batch=65))
    assert not list(onnx_path.parent.glob("*.engine"))


# --- fp16


@pytest.fixture
def fp16_path(onnx_path):
    return onnx_path.parent / convert_to_fp16(onnx_path, onnx_path.parent).path


def test_fp16_engines_have_names_of_their_own_and_say_what_computes_in_fp16(fp16_path):
    entries = build(fp16_path, precision="fp16", compute_capabilities=("SM75", "SM86"))
    assert [entry.path for entry in entries] == ["model.fp16.sm75.engine", "model.fp16.sm86.engine"]
    for entry in entries:
        assert entry.precision == "fp16"
        assert entry.details["layers"] == {"fp16": 3, "fp32": 0}
        assert entry.details["onnx_sha256"] == sha256_of(fp16_path)


def test_engine_that_claims_fp16_and_has_none_is_refused(onnx_path):
    with pytest.raises(ExportError, match=r"fp16\.sm86\.engine should compute in fp16.*3 in fp32"):
        build(onnx_path, precision="fp16", compute_capabilities=("SM86",))


def inspected(*kinds):
    layers = [{"LayerType": "gemm", "Outputs": [{"Format/Datatype": kind}]} for kind in kinds]
    return json.dumps({"Layers": layers})


def test_where_a_gpu_can_run_the_engine_the_inspector_is_asked(fp16_path):
    backend = enterprise(inspected("Half", "Half", "Float"))
    (entry,) = build(fp16_path, precision="fp16", backend=backend, find=a2000)
    assert entry.details["layers"] == {"fp16": 2, "fp32": 1}
    assert entry.details["layers_counted_from"] == "engine inspector on NVIDIA RTX A2000"


def test_engine_that_turned_out_float32_is_refused_whatever_the_graph_says(fp16_path):
    backend = enterprise(inspected("Float", "Float"))
    with pytest.raises(ExportError, match=r"none of its layers does \(0 in fp16, 2 in fp32\)"):
        build(fp16_path, precision="fp16", backend=backend, find=a2000)


def test_inspector_that_tells_no_types_leaves_it_to_the_graph(fp16_path):
    (entry,) = build(fp16_path, precision="fp16", backend=enterprise(), find=a2000)
    assert entry.details["layers"] == {"fp16": 3, "fp32": 0}
    assert entry.details["layers_counted_from"].startswith("types in the ONNX graph")


# --- int8


def int8_path(onnx_path, form):
    model = prepare(onnx.load(onnx_path))
    x = np.random.default_rng(0).standard_normal((32, FEATURES)).astype("float32")
    made = quantise(model, form, list(products_of(model, form)), [{"input": x}])
    path = onnx_path.parent / "model.int8.onnx"
    onnx.save(made, path)
    return path


def taking(*kinds):
    layers = [
        {
            "LayerType": "gemm",
            "Inputs": [{"Format/Datatype": kind}],
            "Outputs": [{"Format/Datatype": "Float"}],
        }
        for kind in kinds
    ]
    return json.dumps({"Layers": layers})


def test_int8_layers_of_an_engine_are_counted_by_what_they_take(onnx_path):
    backend = enterprise(taking("Int8", "Float"))
    path = int8_path(onnx_path, "static")
    (entry,) = build(path, precision="int8", backend=backend, find=a2000)
    assert entry.path == "model.int8.sm86.engine"
    assert entry.details["layers"] == {"fp16": 0, "fp32": 1, "int8": 1}


def test_an_int8_engine_that_turned_out_float32_is_refused(onnx_path):
    backend = enterprise(taking("Float", "Float"))
    with pytest.raises(ExportError, match=r"should compute in int8, but none of its layers does"):
        build(int8_path(onnx_path, "static"), precision="int8", backend=backend, find=a2000)


def test_an_engine_of_int8_weights_alone_may_compute_in_float(onnx_path):
    backend = enterprise(taking("Float", "Float"))
    path = int8_path(onnx_path, "weight-only")
    (entry,) = build(path, precision="int8", backend=backend, find=a2000)
    assert entry.details["layers_counted_from"].startswith("types in the ONNX graph")


def test_an_int8_engine_of_a_float32_graph_is_refused(onnx_path):
    with pytest.raises(ExportError, match=r"int8\.sm86\.engine should compute in int8"):
        build(onnx_path, precision="int8", compute_capabilities=("SM86",))


# --- where it can run


def test_same_graph_gives_the_same_bytes(onnx_path):
    build(onnx_path)  # takes what a failed build of another test may have left, see _build
    first = [entry.sha256 for entry in build(onnx_path)]
    assert [entry.sha256 for entry in build(onnx_path)] == first
    assert len(set(first)) == 3


def test_small_maximum_batch_is_also_the_optimum(onnx_path):
    (entry,) = build(onnx_path, max_batch=4, compute_capabilities=("SM86",))
    assert entry.details["profile"]["input"]["opt"] == [4, FEATURES]


def test_capability_asked_for_twice_is_built_once(onnx_path):
    assert len(build(onnx_path, compute_capabilities=("SM86", "SM86"))) == 1


def test_engine_is_unproved_where_no_gpu_can_run_it(onnx_path):
    (entry,) = build(onnx_path, compute_capabilities=("SM86",))
    assert entry.unproved == "the NVIDIA driver shows no GPU"
    own, other = build(onnx_path, compute_capabilities=("SM86", "SM89"), find=a2000)
    assert own.unproved is None
    assert "NVIDIA RTX A2000, is SM86, the engine is for SM89" in str(other.unproved)


@pytest.mark.parametrize("unknown", ["SM90", "sm86", "CURRENT", "NONE", "ampere"])
def test_unknown_compute_capability_lists_the_known_ones(onnx_path, unknown):
    with pytest.raises(UsageError, match=rf"cannot build for {unknown}; known: SM75, .*SM120"):
        build(onnx_path, compute_capabilities=("SM86", unknown))
    assert not list(onnx_path.parent.glob("*.engine"))


def test_no_compute_capability_is_refused(onnx_path):
    with pytest.raises(UsageError, match="no compute capability given; known: SM75"):
        build(onnx_path, compute_capabilities=())


def test_float32_on_turing_fails_in_tensorrts_words(onnx_path):
    with pytest.raises(ExportError, match=r"(?s)for SM75: node 'layer0': .*--precision fp16"):
        build(onnx_path, compute_capabilities=("SM75",))


@pytest.mark.parametrize("content", [b"", b"not a graph at all", "half"])
def test_corrupt_onnx_is_refused(onnx_path, content):
    whole = onnx_path.read_bytes()
    onnx_path.write_bytes(whole[: len(whole) // 2] if content == "half" else content)
    with pytest.raises(ExportError, match=r"model\.onnx"):
        build(onnx_path)


def test_missing_onnx_is_named(tmp_path):
    with pytest.raises(ExportError, match=r"none\.onnx is not there"):
        build(tmp_path / "none.onnx")


def test_unknown_operator_names_its_node(tmp_path):
    node = helper.make_node("Sparkle", ["input"], ["output"], name="sparkle7", domain="my.own")
    path = write_graph(tmp_path / "model.onnx", [node], FEATURES, FEATURES)
    with pytest.raises(ExportError, match=r"node 'sparkle7' \(Sparkle\): .*Plugin not found"):
        build(path)


def test_inputs_of_another_model_are_refused(onnx_path):
    inputs = (TensorSpec("features", (None, FEATURES), FLOAT32),)
    with pytest.raises(ExportError, match=r"has the inputs \['input'\], the model \['features'\]"):
        build(onnx_path, inputs=inputs)


def test_wrong_width_fails_in_tensorrts_words(onnx_path):
    with pytest.raises(ExportError, match=r"SM86: ERROR: .*has min=17.*tensor has 18"):
        build(onnx_path, inputs=(TensorSpec("input", (None, 17), FLOAT32),))


def test_second_dynamic_axis_is_refused(onnx_path):
    inputs = (TensorSpec("input", (None, None), FLOAT32),)
    with pytest.raises(ExportError, match=r"float32 \[batch, \?\]: .* only axis 0"):
        build(onnx_path, inputs=inputs)


def test_maximum_batch_below_one_is_refused(onnx_path):
    with pytest.raises(UsageError, match="--max-batch 0: the maximum batch must be at least 1"):
        build(onnx_path, max_batch=0)


def test_without_any_package_the_extra_is_named(onnx_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(MissingDependencyError, match="trt-rtx"):
        build(onnx_path)


def test_enterprise_needs_a_gpu_and_points_to_rtx(onnx_path):
    with pytest.raises(ExportError, match=r"(?s)shows no GPU.*spinn-edge\[trt-rtx\]"):
        build(onnx_path, backend=enterprise())


def test_enterprise_builds_for_the_gpu_that_is_here(onnx_path):
    (entry,) = build(onnx_path, backend=enterprise(), find=a2000)
    assert entry.path == "model.sm86.engine"
    assert entry.toolchain == {"tensorrt": "11.4.0.106"}
    assert entry.unproved is None


def test_timings_are_kept_beside_the_bundle_that_will_be(onnx_path, tmp_path):
    backend = enterprise()
    build(onnx_path, backend=backend, find=a2000, cache=EngineCache(tmp_path / "there"))
    assert EngineCache(tmp_path / "there").load("timing", backend, "SM86") == b"timings"


@pytest.mark.parametrize(("sm", "added"), [((8, 0), ["SM80"]), ((8, 6), []), ((7, 5), []),
                                           ((9, 0), [])])  # fmt: skip
def test_rtx_builds_for_the_gpu_that_is_here_too_where_it_can(onnx_path, sm, added, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    driver = FakeDriver(capability=sm)
    entries = build(onnx_path, find=lambda: find_device(driver.load))
    built_for = [entry.details["compute_capability"] for entry in entries]
    assert built_for == [*DEFAULT_COMPUTE_CAPABILITIES, *added]


@pytest.mark.parametrize(
    ("options", "sm", "asked", "package"),
    [
        (EngineOptions(), (8, 6), None, "tensorrt_rtx"),
        (EngineOptions(hardware_compatible=True), (8, 6), None, "tensorrt"),
        (EngineOptions(version_compatible=True), (8, 6), None, "tensorrt"),
        (EngineOptions(), (9, 0), None, "tensorrt"),  # RTX has no engines for it
        (EngineOptions(), (9, 0), ("SM90",), "tensorrt"),
        (EngineOptions(), (9, 0), ("SM86",), "tensorrt_rtx"),
    ],
)
def test_the_package_that_has_what_is_wanted_is_taken(
    onnx_path, monkeypatch, options, sm, asked, package
):
    both = {"tensorrt_rtx": load_backend(("tensorrt_rtx",)), "tensorrt": enterprise()}
    monkeypatch.setattr("spinn_edge.export.trt.load_backend", lambda names: both[names[0]])
    driver = FakeDriver(capability=sm)
    entries = build(
        onnx_path, options=options, compute_capabilities=asked,
        find=lambda: find_device(driver.load),
    )  # fmt: skip
    assert {name for entry in entries for name in entry.toolchain} == {package}


def test_compatible_engines_are_refused_where_only_rtx_is_here(onnx_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(UsageError, match="--version-compatible: tensorrt_rtx"):
        build(onnx_path, options=EngineOptions(version_compatible=True))


def test_enterprise_builds_for_no_other_gpu(onnx_path):
    with pytest.raises(UsageError, match="cannot build for SM89; known: SM86"):
        build(onnx_path, backend=enterprise(), find=a2000, compute_capabilities=("SM89",))


def test_tf32_is_off_and_the_target_is_set(onnx_path):
    class Builder(WatchedBuilder):
        configs: list[Any] = []  # noqa: RUF012

    backend = renamed("tensorrt_rtx", Builder=Builder)
    build(onnx_path, backend=backend, compute_capabilities=("SM89",))
    (config,) = Builder.configs
    rtx = backend.module
    assert not config.get_flag(rtx.BuilderFlag.TF32)
    assert config.num_compute_capabilities == 1
    assert config.get_compute_capability(0) == rtx.ComputeCapability.SM89


@pytest.mark.parametrize(
    ("profile_index", "words"), [(-1, "refuses the profile"), (0, "refuses to build for SM89")]
)
def test_refused_configuration_is_reported(onnx_path, profile_index, words):
    class Builder(WatchedBuilder):
        configs: list[Any] = []  # noqa: RUF012
        config = SimpleNamespace(
            clear_flag=lambda flag: None,
            add_optimization_profile=lambda profile: profile_index,
            set_compute_capability=lambda capability, index: False,
        )

    backend = renamed("tensorrt_rtx", Builder=Builder)
    with pytest.raises(ExportError, match=words):
        build(onnx_path, backend=backend, compute_capabilities=("SM89",))


def test_builder_that_is_not_made_is_reported(onnx_path):
    def refuse(logger):
        raise TypeError("factory function returned nullptr")

    backend = enterprise(Builder=staticmethod(refuse))
    with pytest.raises(ExportError, match="makes no Builder here: factory function"):
        build(onnx_path, backend=backend, find=a2000)
