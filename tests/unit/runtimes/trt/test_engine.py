import subprocess
import sys

import pytest

from spinn_edge.core.bundle import describe_file
from spinn_edge.core.errors import BundleError, InferenceError, RuntimeUnavailableError
from spinn_edge.export.trt import build_engines
from spinn_edge.runtimes.nvidia.driver import find_device
from spinn_edge.runtimes.trt.backend import logger_of
from spinn_edge.runtimes.trt.engine import Profile, load_engine, profile_of
from tests.fakes.trt import (
    INPUTS,
    MAX_BATCH,
    OUTPUTS,
    PROFILE,
    Bench,
    fake_backend,
    write_mlp,
)


def no_gpu():
    raise RuntimeUnavailableError("no NVIDIA driver: libcuda.so.1 cannot be loaded")


def has_driver():
    try:
        find_device()
    except RuntimeUnavailableError:
        return False
    return True


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


def load(bench, **options):
    return load_engine(bench.choice(), INPUTS, OUTPUTS, **options)


# --- loading


def test_refused_engine_carries_tensorrts_own_words(bench):
    bench.backend = fake_backend(None)
    logger_of(bench.backend).messages.append("ERROR: of another engine, long ago")
    with pytest.raises(RuntimeUnavailableError, match="ERROR: made for another GPU") as caught:
        load(bench)
    assert "long ago" not in str(caught.value)


@pytest.mark.skipif(has_driver(), reason="asks what happens without a driver")
def test_real_runtime_refuses_without_a_gpu_and_the_process_lives(tmp_path):
    # In a process of its own: a crash in there is a signal, which no test could catch.
    onnx_path = write_mlp(tmp_path / "model.onnx")
    (entry,) = build_engines(
        onnx_path, tmp_path, inputs=INPUTS, max_batch=MAX_BATCH,
        compute_capabilities=("SM86",), find=no_gpu,
    )  # fmt: skip
    code = (
        "import sys, pathlib\n"
        "from spinn_edge.core.errors import RuntimeUnavailableError\n"
        "from spinn_edge.runtimes.nvidia.driver import CudaDevice\n"
        "from spinn_edge.runtimes.trt.backend import load_backend\n"
        "from spinn_edge.runtimes.trt.engine import load_engine\n"
        "from spinn_edge.runtimes.trt.preflight import EngineChoice\n"
        "from spinn_edge.core.bundle import describe_file\n"
        "root, name = pathlib.Path(sys.argv[1]), sys.argv[2]\n"
        "entry = describe_file(root, name, 'trt')\n"
        "plan = (root / entry.path).read_bytes()\n"
        "device = CudaDevice(name='none', compute_capability='8.6', driver_version='13.0')\n"
        "choice = EngineChoice(\n"
        "    backend=load_backend(), entry=entry, plan=plan, device=device)\n"
        "try:\n"
        "    load_engine(choice, (), ())\n"
        "except RuntimeUnavailableError as exc:\n"
        "    sys.exit(0 if 'cudaError' in str(exc) else str(exc))\n"
        "sys.exit('no error')\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path), entry.path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_runtime_that_is_not_made_is_reported(bench):
    def refuse(logger):
        raise TypeError("factory function returned nullptr")

    bench.backend.module.Runtime = refuse
    with pytest.raises(RuntimeUnavailableError, match="makes no Runtime here: factory function"):
        load(bench)


@pytest.mark.parametrize(
    ("attribute", "value", "words"),
    [
        ("names", ["input"], "has the tensors"),
        ("dtype", "HALF", "'input' is HALF in the engine, float32 in the manifest"),
        ("dtype", "BF16", "'input' is BF16 in the engine"),
        ("location", "HOST", "shape tensor"),
    ],
)
def test_engine_that_disagrees_with_the_manifest_is_refused(bench, attribute, value, words):
    setattr(bench.engine, attribute, value)
    with pytest.raises(BundleError, match=words):
        load(bench)


def test_fp16_engine_has_float32_inputs_and_outputs(bench):
    bench.entry = describe_file(
        bench.bundle.root, "model.engine", "trt", precision="fp16", details={"profile": PROFILE}
    )
    assert load(bench).engine is bench.engine
    bench.engine.dtype = "HALF"
    with pytest.raises(BundleError, match="HALF"):
        load(bench)


# --- engines that carry code


def test_engine_code_is_allowed_only_where_the_entry_says_so_and_the_caller_trusts_it(bench):
    load(bench, trust_engine_code=True)
    bench.describe(version_compatible=True)
    load(bench, trust_engine_code=True)
    plain, compatible = bench.backend.module.runtimes
    assert plain.engine_host_code_allowed is False
    assert compatible.engine_host_code_allowed is True


def test_engine_code_that_is_not_trusted_is_refused_before_a_runtime_is_made(bench):
    bench.describe(version_compatible=True)
    with pytest.raises(RuntimeUnavailableError, match="--trust-engine-code"):
        load(bench)
    assert not bench.backend.module.runtimes


# --- contexts


def test_context_that_is_not_made_is_reported(bench):
    bench.engine.refuse.add("create_execution_context")
    with pytest.raises(InferenceError, match=r"makes no context for model\.engine"):
        load(bench).make_context(stream=7)


def test_only_profile_needs_no_selection(bench):
    stream = bench.cudart.cudaStreamCreateWithFlags(1)[1]
    assert load(bench).make_context(stream).profile == 0


def test_first_of_several_profiles_is_selected(bench):
    stream = bench.cudart.cudaStreamCreateWithFlags(1)[1]
    bench.engine.num_optimization_profiles = 2
    assert load(bench).make_context(stream).profile == 0
    bench.engine.refuse.add("set_optimization_profile_async")
    with pytest.raises(InferenceError, match="TensorRT refused profile 0"):
        load(bench).make_context(stream)


# --- profiles


@pytest.mark.parametrize(
    "profile",
    [
        *(None, {}, {"input": {}}, {"input": {"min": [], "max": []}}, {"input": [1]}),
        {"input": {"min": [1, 18], "max": [64]}},
        {"input": {"min": [1, "x"], "max": [64, 18]}},
    ],
)
def test_manifest_without_a_profile_is_refused(bench, profile):
    bench.describe(profile=profile)
    with pytest.raises(BundleError, match="no profile for every input"):
        profile_of(bench.bundle, bench.entry)


def test_profile_is_read_from_the_manifest(bench):
    assert profile_of(bench.bundle, bench.entry).batches == (1, MAX_BATCH)


def test_batches_are_those_that_every_input_allows():
    profile = Profile({"a": ((1, 3), (8, 3)), "b": ((2, 3), (4, 3))})
    assert profile.batches == (2, 4)
    for batch in (2, 4):
        profile.check({"a": (batch, 3), "b": (batch, 3)})
    for batch in (1, 5):
        with pytest.raises(InferenceError, match=rf"{batch} samples given, .* allows 2\.\.4"):
            profile.check({"a": (batch, 3), "b": (batch, 3)})


@pytest.mark.parametrize("length", [4, 33])
def test_other_axis_beyond_the_profile_is_refused_with_both_bounds(length):
    profile = Profile({"a": ((1, 5), (8, 32))})
    profile.check({"a": (2, 5)})
    profile.check({"a": (2, 32)})
    with pytest.raises(InferenceError, match=rf"\[2, {length}\].*\[1, 5\] to \[8, 32\]"):
        profile.check({"a": (2, length)})


# --- names


def test_every_member_that_is_called_exists_in_the_real_package():
    rtx = pytest.importorskip("tensorrt_rtx")
    members = {
        "Runtime": ["deserialize_cuda_engine", "engine_host_code_allowed"],
        "ICudaEngine": ["create_execution_context", "create_runtime_config", "num_io_tensors",
                        "get_tensor_name", "get_tensor_mode", "get_tensor_dtype",
                        "get_tensor_location", "num_optimization_profiles"],
        "IExecutionContext": ["set_input_shape", "get_tensor_shape", "set_tensor_address",
                              "execute_async_v3", "set_optimization_profile_async"],
        "IRuntimeConfig": ["create_runtime_cache", "set_runtime_cache", "cuda_graph_strategy",
                           "dynamic_shapes_kernel_specialization_strategy"],
        "IRuntimeCache": ["deserialize", "serialize"],
        "TensorIOMode": ["INPUT", "OUTPUT"],
        "TensorLocation": ["DEVICE"],
    }  # fmt: skip
    for type_name, names in members.items():
        assert [name for name in names if not hasattr(getattr(rtx, type_name), name)] == []
