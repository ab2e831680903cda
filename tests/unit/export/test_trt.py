import sys
from types import SimpleNamespace
from typing import Any

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
from spinn_edge.export.trt import DEFAULT_COMPUTE_CAPABILITIES, build_engines
from spinn_edge.runtimes.cuda_driver import find_device
from spinn_edge.runtimes.trt_backend import Backend, load_backend, read_header
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
        "ComputeCapability",
    )  # fmt: skip
    module = type(name, (), {name: getattr(rtx, name) for name in names} | members)
    return Backend(module=module, name=name, version=version)


def enterprise(**members):
    """The package that builds for the GPU in this machine only."""
    return renamed("tensorrt", **members)


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
        "tf32": False,
        "precision": "strongly typed, from the ONNX graph",
        "onnx_sha256": sha256_of(onnx_path),
    }
    assert entry.proof == ()


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
    with pytest.raises(ExportError, match=r"for SM75: ERROR: .*FP32 GEMM is not supported"):
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
    with pytest.raises(UsageError, match="maximum batch is 0"):
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


def test_enterprise_builds_for_no_other_gpu(onnx_path):
    with pytest.raises(UsageError, match="cannot build for SM89; known: SM86"):
        build(onnx_path, backend=enterprise(), find=a2000, compute_capabilities=("SM89",))


class WatchedBuilder:
    """The real builder, whose configuration a test can look at or replace."""

    configs: list[Any]
    config: Any = None

    def __init__(self, logger):
        self._builder = load_backend(("tensorrt_rtx",)).module.Builder(logger)

    def __getattr__(self, name):
        return getattr(self._builder, name)

    def create_builder_config(self):
        self.configs.append(self.config or self._builder.create_builder_config())
        return self.configs[-1]


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
