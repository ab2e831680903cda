import dataclasses
import subprocess
import sys

import pytest

from spinn_edge.core.bundle import describe_file
from spinn_edge.core.errors import (
    BundleError,
    IncompatibleBundleError,
    MissingDependencyError,
    RuntimeUnavailableError,
)
from spinn_edge.export.trt import build_engines
from spinn_edge.runtimes.cuda_driver import find_device
from spinn_edge.runtimes.trt_backend import logger_of
from spinn_edge.runtimes.trt_engine import choose_engine
from tests.fakes.cuda import FakeDriver
from tests.fakes.trt import (
    INPUTS,
    MAX_BATCH,
    Bench,
    fake_backend,
    make_bundle,
    write_mlp,
)


def a2000():
    return find_device(FakeDriver().load)


def no_gpu():
    raise RuntimeUnavailableError("no NVIDIA driver: libcuda.so.1 cannot be loaded")


def must_not_ask():
    raise AssertionError("the driver was asked too early")


def has_driver():
    try:
        find_device()
    except RuntimeUnavailableError:
        return False
    return True


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """Real engines of tensorrt_rtx for SM86 and SM89."""
    root = tmp_path_factory.mktemp("engines")
    onnx_path = write_mlp(root / "model.onnx")
    entries = build_engines(
        onnx_path, root, inputs=INPUTS, max_batch=MAX_BATCH,
        compute_capabilities=("SM86", "SM89"), find=no_gpu,
    )  # fmt: skip
    return make_bundle(root, entries)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


# --- before any device is touched


def test_bundle_without_engines_says_how_to_add_one(tmp_path):
    bundle = make_bundle(tmp_path, ())
    with pytest.raises(RuntimeUnavailableError, match=r"--format trt --out BUNDLE"):
        choose_engine(bundle, find=must_not_ask)


def test_entry_without_a_package_is_refused(tmp_path):
    (tmp_path / "model.engine").write_bytes(b"plan")
    bundle = make_bundle(tmp_path, (describe_file(tmp_path, "model.engine", "trt"),))
    with pytest.raises(BundleError, match="tensorrt_rtx or tensorrt"):
        choose_engine(bundle, find=must_not_ask)


def test_package_that_built_the_engine_is_the_one_loaded(tmp_path):
    (tmp_path / "model.engine").write_bytes(b"plan")
    entry = describe_file(
        tmp_path, "model.engine", "trt", toolchain={"tensorrt": "11.4.0.106"},
        details={"compute_capability": "SM86"},
    )  # fmt: skip
    asked = []

    def load(packages):
        asked.extend(packages)
        return fake_backend(None)

    choice = choose_engine(make_bundle(tmp_path, (entry,)), load=load, find=a2000)
    assert asked == ["tensorrt"]
    assert choice.plan == b"plan"


def test_missing_package_is_said_before_the_driver_is_asked(engines, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(MissingDependencyError, match="trt-rtx"):
        choose_engine(engines, find=must_not_ask)


@pytest.mark.parametrize("damage", ["truncate", "older", "newer"])
def test_damaged_or_foreign_engine_is_refused_before_the_driver_is_asked(engines, tmp_path, damage):
    name = "model.sm86.engine"
    plan = bytearray((engines.root / name).read_bytes())
    if damage == "truncate":
        del plan[-1]
    else:
        plan[25] += {"older": -1, "newer": 1}[damage]
    (tmp_path / name).write_bytes(plan)
    entry = describe_file(tmp_path, name, "trt", toolchain=engines.manifest.files[0].toolchain)
    error = BundleError if damage == "truncate" else IncompatibleBundleError
    with pytest.raises(error, match=name):
        choose_engine(make_bundle(tmp_path, (entry,)), find=must_not_ask)


def test_no_driver_is_said_with_what_to_do(engines):
    with pytest.raises(RuntimeUnavailableError, match=r"no NVIDIA driver.*\n.*nvidia-smi"):
        choose_engine(engines, find=no_gpu)


def test_other_gpu_is_refused_naming_both_sides(engines):
    driver = FakeDriver(capability=(9, 0), name=b"NVIDIA H200")
    with pytest.raises(IncompatibleBundleError, match=r"NVIDIA H200 is SM90, .* SM86, SM89"):
        choose_engine(engines, find=lambda: find_device(driver.load))


@pytest.mark.parametrize("capability", [(8, 6), (8, 9)])
def test_engine_of_this_gpu_is_chosen(engines, capability):
    driver = FakeDriver(capability=capability)
    choice = choose_engine(engines, find=lambda: find_device(driver.load))
    wanted = "SM{}{}".format(*capability)
    assert choice.entry.details["compute_capability"] == wanted
    assert choice.plan == engines.path_of(choice.entry).read_bytes()


# --- loading


def test_refused_engine_carries_tensorrts_own_words(bench):
    bench.backend = fake_backend(None)
    logger_of(bench.backend).messages.append("ERROR: of another engine, long ago")
    with pytest.raises(RuntimeUnavailableError, match="ERROR: made for another GPU") as caught:
        bench.open()
    assert "long ago" not in str(caught.value)
    assert not bench.cudart.calls


@pytest.mark.skipif(has_driver(), reason="asks what happens without a driver")
def test_real_runtime_refuses_without_a_gpu_and_the_process_lives(engines):
    # In a process of its own: a crash in there is a signal, which no test could catch.
    code = (
        "import sys, pathlib\n"
        "from spinn_edge.core.errors import RuntimeUnavailableError\n"
        "from spinn_edge.runtimes.trt_backend import load_backend\n"
        "from spinn_edge.runtimes.trt_engine import EngineChoice, load_engine\n"
        "from spinn_edge.core.bundle import describe_file\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "entry = describe_file(root, 'model.sm86.engine', 'trt')\n"
        "plan = (root / entry.path).read_bytes()\n"
        "choice = EngineChoice(backend=load_backend(), entry=entry, plan=plan)\n"
        "try:\n"
        "    load_engine(choice, (), ())\n"
        "except RuntimeUnavailableError as exc:\n"
        "    sys.exit(0 if 'cudaError' in str(exc) else str(exc))\n"
        "sys.exit('no error')\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(engines.root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_runtime_that_is_not_made_is_reported(bench):
    def refuse(logger):
        raise TypeError("factory function returned nullptr")

    bench.backend.module.Runtime = refuse
    with pytest.raises(RuntimeUnavailableError, match="makes no Runtime here: factory function"):
        bench.open()


def test_context_that_is_not_made_is_reported(bench):
    bench.engine.refuse.add("create_execution_context")
    with pytest.raises(RuntimeUnavailableError, match="makes no context"):
        bench.open()


@pytest.mark.parametrize(
    ("name", "configs"), [("tensorrt", []), ("tensorrt_rtx", ["runtime config"])]
)
def test_only_rtx_gets_a_runtime_config(tmp_path, name, configs):
    bench = Bench(tmp_path, name)
    bench.open()
    assert bench.engine.configs == configs


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
        bench.open()
    assert not bench.cudart.calls


@pytest.mark.parametrize("profile", [None, {}, {"input": {}}, {"input": {"min": [], "max": [3]}}])
def test_manifest_without_a_profile_is_refused(bench, profile):
    bench.entry = dataclasses.replace(bench.entry, details={"profile": profile})
    with pytest.raises(BundleError, match="no profile for every input"):
        bench.open()


# --- names


def test_every_member_that_is_called_exists_in_the_real_package():
    rtx = pytest.importorskip("tensorrt_rtx")
    members = {
        "Runtime": ["deserialize_cuda_engine"],
        "ICudaEngine": ["create_execution_context", "create_runtime_config", "num_io_tensors",
                        "get_tensor_name", "get_tensor_mode", "get_tensor_dtype",
                        "get_tensor_location"],
        "IExecutionContext": ["set_input_shape", "get_tensor_shape", "set_tensor_address",
                              "execute_async_v3"],
        "TensorIOMode": ["INPUT", "OUTPUT"],
        "TensorLocation": ["DEVICE"],
    }  # fmt: skip
    for type_name, names in members.items():
        assert [name for name in names if not hasattr(getattr(rtx, type_name), name)] == []
