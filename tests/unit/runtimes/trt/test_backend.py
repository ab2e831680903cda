import subprocess
import sys
from types import ModuleType

import pytest

from spinn_edge.core.bundle import describe_file
from spinn_edge.core.errors import (
    BundleError,
    IncompatibleBundleError,
    MissingDependencyError,
)
from spinn_edge.export.trt import build_engines
from spinn_edge.runtimes.trt import backend as trt_backend
from spinn_edge.runtimes.trt.backend import (
    Backend,
    check_version,
    load_backend,
    logger_of,
    read_header,
    read_plan,
    version_numbers,
)
from tests.fakes.trt import INPUTS, fake_backend, make_bundle, write_mlp

VERSION_OF_HEADER = slice(24, 28)


@pytest.fixture(scope="module")
def rtx() -> Backend:
    return load_backend(("tensorrt_rtx",))


@pytest.fixture
def plan(tmp_path, rtx):
    onnx_path = write_mlp(tmp_path / "model.onnx")
    build_engines(
        onnx_path, tmp_path, inputs=INPUTS, max_batch=64, compute_capabilities=("SM86",),
        backend=rtx,
    )  # fmt: skip
    return (tmp_path / "model.sm86.engine").read_bytes()


def read(tmp_path, plan, backend, **facts):
    (tmp_path / "model.engine").write_bytes(plan)
    entry = describe_file(
        tmp_path, "model.engine", "trt", toolchain={backend.name: backend.version}, **facts
    )
    return read_plan(make_bundle(tmp_path, (entry,)), entry, backend)


def judge(tmp_path, installed, built_by, **details):
    """Ask whether an engine of one version of tensorrt may run on another."""
    (tmp_path / "model.engine").write_bytes(b"plan")
    entry = describe_file(
        tmp_path, "model.engine", "trt", toolchain={"tensorrt": built_by}, details=details
    )
    backend = fake_backend(None, version=installed)
    check_version(make_bundle(tmp_path, (entry,)), entry, backend)


def test_installed_package_is_loaded_with_its_version(rtx):
    assert rtx.name == "tensorrt_rtx"
    assert rtx.is_rtx
    assert len(version_numbers(rtx.version)) == 4


def test_first_installed_package_wins(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # import fails
    assert load_backend(("tensorrt", "tensorrt_rtx")).name == "tensorrt_rtx"


def test_no_package_is_a_missing_dependency_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(MissingDependencyError, match=r"spinn-edge\[trt-rtx\]"):
        load_backend()
    with pytest.raises(MissingDependencyError, match=r"spinn-edge\[trt\]"):
        load_backend(("tensorrt",))


def test_enterprise_package_is_no_rtx(monkeypatch):
    module = ModuleType("tensorrt")
    module.__version__ = "10.3.0"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorrt", module)
    backend = load_backend(("tensorrt",))
    assert (backend.is_rtx, backend.version, backend.extra) == (False, "10.3.0", "trt")


def test_one_logger_for_a_backend_keeps_only_the_last_bad_news(rtx):
    logger = logger_of(rtx)
    assert logger is logger_of(Backend(module=rtx.module, name=rtx.name, version=rtx.version))
    logger.messages.clear()
    severity = rtx.module.ILogger.Severity
    logger.log(severity.INFO, "chatter")
    for number in range(50):
        logger.log(severity.ERROR, f"failure {number}")
    assert len(logger.messages) == 20
    assert logger.messages[-1] == "ERROR: failure 49"
    assert trt_backend.last_words(rtx, "nothing").startswith("ERROR: failure 30\n")
    logger.messages.clear()
    assert trt_backend.last_words(rtx, "nothing") == "nothing"


def test_header_of_a_real_engine_names_length_and_builder(plan, rtx):
    header = read_header(plan)
    assert header.magic_ok
    assert header.length == len(plan)
    assert header.version == version_numbers(rtx.version)


@pytest.mark.parametrize("text", [b"", b"vtrt", b"ONNX" * 3])
def test_header_of_anything_else_never_fails(text):
    assert read_header(text).version == ()


def test_matching_engine_is_read(tmp_path, plan, rtx):
    assert read(tmp_path, plan, rtx) == plan


def test_foreign_file_is_refused(tmp_path, rtx):
    with pytest.raises(
        BundleError, match=r"(?s)no TensorRT-RTX engine .*spinn-edge export"
    ) as caught:
        read(tmp_path, b"x" * 100, rtx)
    assert not isinstance(caught.value, IncompatibleBundleError)


@pytest.mark.parametrize("kept", [0, 4, 27])
def test_file_shorter_than_a_header_is_refused(tmp_path, plan, rtx, kept):
    with pytest.raises(BundleError, match="no TensorRT-RTX engine"):
        read(tmp_path, plan[:kept], rtx)


@pytest.mark.parametrize("lost", [1, 100])
def test_truncated_engine_is_refused(tmp_path, plan, rtx, lost):
    with pytest.raises(BundleError, match=rf"its header says {len(plan)}: it is truncated"):
        read(tmp_path, plan[:-lost], rtx)


@pytest.mark.parametrize("built_by", [(1, 6, 0, 1), (1, 7, 1, 115), (1, 8, 0, 3), (2, 0, 0, 0)])
def test_engine_of_another_version_names_both_sides(tmp_path, plan, rtx, built_by):
    changed = bytearray(plan)
    changed[VERSION_OF_HEADER] = bytes(built_by)
    with pytest.raises(IncompatibleBundleError) as caught:
        read(tmp_path, bytes(changed), rtx)
    message = str(caught.value)
    assert f"tensorrt_rtx {'.'.join(map(str, built_by))}" in message
    assert f"installed is {rtx.version}" in message
    assert f"spinn-edge export {tmp_path} --format trt --out NEW_BUNDLE" in message


@pytest.mark.parametrize("damage", [b"x" * 100, b"vtrt"])
def test_damage_offers_a_rebuild_and_no_stand_in(tmp_path, rtx, damage):
    with pytest.raises(BundleError) as caught:
        read(tmp_path, damage, rtx, precision="fp16")
    said = str(caught.value)
    assert f"spinn-edge export {tmp_path} --format trt --precision fp16 --out NEW_BUNDLE" in said
    assert "--on-mismatch rebuild" in said
    assert "fallback" not in said


def test_enterprise_engine_is_read_as_it_is(tmp_path):
    assert read(tmp_path, b"any bytes", fake_backend(None)) == b"any bytes"


def test_enterprise_engine_runs_on_its_own_version_only(tmp_path):
    judge(tmp_path, "10.16.1.11", "10.16.1.11")
    for other in ("10.3.0.30", "10.16.1.12", "10.17.0.1", "11.16.1.11"):
        with pytest.raises(IncompatibleBundleError) as caught:
            judge(tmp_path, "10.16.1.11", other)
        said = str(caught.value)
        assert f"tensorrt {other}, installed is 10.16.1.11; an engine runs only on the" in said
        assert "--on-mismatch rebuild" in said
        assert "--on-mismatch fallback" in said


@pytest.mark.parametrize(
    "installed", ["10.3.0.30", "10.3.1.1", "10.16.1.11", "10.3.0", "11.4.0.106"]
)
def test_version_compatible_engine_runs_on_later_releases(tmp_path, installed):
    judge(tmp_path, installed, "10.3.0.30", version_compatible=True)


@pytest.mark.parametrize("installed", ["10.2.9.99", "9.3.0.30"])
def test_version_compatible_engine_runs_on_no_older_release(tmp_path, installed):
    with pytest.raises(IncompatibleBundleError, match=r"10\.3\.0\.30.*this and later releases"):
        judge(tmp_path, installed, "10.3.0.30", version_compatible=True)


def test_version_without_a_build_number_is_compared_by_three(tmp_path):
    judge(tmp_path, "10.3.0", "10.3.0.30")  # JetPack's package leaves out the fourth
    with pytest.raises(IncompatibleBundleError):
        judge(tmp_path, "10.3.0", "10.4.0.26")


@pytest.mark.parametrize("compatible", [False, True])
def test_unreadable_version_is_refused(tmp_path, compatible):
    with pytest.raises(IncompatibleBundleError, match="tensorrt 'unknown', installed is 11"):
        judge(tmp_path, "11.4.0.106", "unknown", version_compatible=compatible)


def test_real_runtime_returns_no_engine_without_a_gpu_and_the_process_lives(tmp_path, plan):
    # In a process of its own: a crash in there is a signal, which no test could catch.
    (tmp_path / "plan").write_bytes(plan)
    code = (
        "import sys, pathlib\n"
        "from spinn_edge.runtimes.trt.backend import load_backend, logger_of, last_words\n"
        "rtx = load_backend(('tensorrt_rtx',))\n"
        "runtime = rtx.module.Runtime(logger_of(rtx))\n"
        "engine = runtime.deserialize_cuda_engine(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "assert engine is not None or last_words(rtx, ''), 'no engine and no word'\n"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "plan")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
