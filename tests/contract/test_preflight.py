"""Engines that do not fit, on machines that cannot run them: words, never a signal.

Every case is a process of its own, because what is feared is that it dies. The driver is a stub
that the system's compiler makes; TensorRT for RTX is the real one.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spinn_edge.core.bundle import Bundle, sha256_of
from spinn_edge.core.manifest import MANIFEST_NAME
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.models.loading import load_model
from tests.tracing import untraced_environment

pytest.importorskip("tensorrt_rtx")
pytest.importorskip("cuda.bindings.runtime")

STUB = Path(__file__).parent.parent / "fakes" / "driver_stub.c"
ENGINE, ONNX = "model.sm86.engine", "model.onnx"


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A folder with a driver library that shows one GPU."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler to build the stub of the driver with")
    folder = tmp_path_factory.mktemp("driver")
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "libcuda.so.1"), str(STUB)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture(scope="module")
def built(tiny_bundle, tmp_path_factory) -> Bundle:
    """The tiny network with an engine for SM86."""
    return write_bundle(
        load_model(tiny_bundle.root),
        tmp_path_factory.mktemp("built") / "bundle",
        ExportRequest(formats=("onnx", "trt"), compute_capabilities=("SM86",)),
    )


# --- what may be wrong


def nothing(root: Path) -> None:
    """Leave the bundle as it is."""


def built_by(version: bytes) -> Callable[[Path], None]:
    """Return what makes the engine look like one of another version of the package."""

    def change(root: Path) -> None:
        plan = (root / ENGINE).read_bytes()
        (root / ENGINE).write_bytes(plan[:24] + version + plan[28:])
        record(root, ENGINE, toolchain={"tensorrt_rtx": ".".join(map(str, version))})

    return change


def truncated(root: Path) -> None:
    """Cut the engine; the manifest agrees with what is left."""
    (root / ENGINE).write_bytes((root / ENGINE).read_bytes()[:4000])
    record(root, ENGINE)


def truncated_unnoticed(root: Path) -> None:
    """Cut the engine; the manifest describes the whole one."""
    (root / ENGINE).write_bytes((root / ENGINE).read_bytes()[:4000])


def changed_onnx(root: Path) -> None:
    """Put another graph in the place of the one that the engine was built from."""
    import onnx

    graph = onnx.load(root / ONNX)
    graph.doc_string = "another"
    onnx.save(graph, root / ONNX)
    record(root, ONNX)


def changed_onnx_unnoticed(root: Path) -> None:
    """The same; the manifest describes the old one."""
    (root / ONNX).write_bytes((root / ONNX).read_bytes() + b"\0")


def record(root: Path, name: str, **facts: object) -> None:
    """Write size and digest of a file into the manifest."""
    manifest = json.loads((root / MANIFEST_NAME).read_text())
    (entry,) = [entry for entry in manifest["files"] if entry["path"] == name]
    entry |= {"bytes": (root / name).stat().st_size, "sha256": sha256_of(root / name), **facts}
    (root / MANIFEST_NAME).write_text(json.dumps(manifest))


@dataclass(frozen=True)
class Case:
    """One wrong thing.

    Attributes:
        damage: done to the bundle.
        gpu: environment of the stub driver; None for a machine without a driver.
        codes: exit code by policy.
        words: that the refusal must hold, both sides of a mismatch.
    """

    words: tuple[str, ...]
    codes: dict[str, int]
    damage: Callable[[Path], None] = nothing
    gpu: dict[str, str] | None = field(default_factory=dict)


NO_GPU = {"error": 6, "rebuild": 6, "fallback": 0}
MISMATCH = {"error": 5, "rebuild": 6, "fallback": 0}  # rebuilt, and then the stub runs nothing
DAMAGED = {"error": 5, "rebuild": 5, "fallback": 5}

CASES = {
    "no driver": Case(("libcuda.so.1", "nvidia-smi"), NO_GPU, gpu=None),
    "no device": Case(("no GPU", "nvidia-smi"), NO_GPU, gpu={"STUB_DEVICES": "0"}),
    "driver refuses": Case(("cuInit", "100"), NO_GPU, gpu={"STUB_CUINIT": "100"}),
    "driver runs nothing": Case(("cannot load", "driver"), NO_GPU),
    "wrong SM": Case(("SM89", "SM86"), MISMATCH, gpu={"STUB_SM": "89"}),
    "wrong SM, none can be built": Case(
        ("SM90", "SM86"), {**MISMATCH, "rebuild": 5}, gpu={"STUB_SM": "90"}
    ),
    "older version": Case(("1.1.0.9", "installed"), MISMATCH, built_by(bytes((1, 1, 0, 9)))),
    "newer version": Case(("9.0.0.1", "installed"), MISMATCH, built_by(bytes((9, 0, 0, 1)))),
    "changed ONNX": Case((ONNX, ENGINE), MISMATCH, changed_onnx),
    "changed ONNX, manifest not": Case((ONNX, "sha256"), DAMAGED, changed_onnx_unnoticed),
    "truncated plan": Case(
        (ENGINE, "truncated"), {"error": 5, "rebuild": 6, "fallback": 5}, truncated
    ),
    "truncated plan, manifest not": Case((ENGINE, "sha256"), DAMAGED, truncated_unnoticed),
}


@pytest.mark.parametrize("policy", ["error", "rebuild", "fallback"])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
def test_a_refusal_is_said_in_words(case, policy, built, driver, tmp_path):
    root = tmp_path / "bundle"
    shutil.copytree(built.root, root)
    case.damage(root)
    done = verify(root, policy, case.gpu, driver)
    said = " ".join(f"{done.stdout}\n{done.stderr}".split())
    assert done.returncode >= 0, f"died by signal {-done.returncode}: {said}"
    assert "Traceback" not in said
    assert done.returncode == case.codes[policy], said
    if case.codes[policy] == 0:
        assert "ort-cpu stands in for trt" in said
    elif policy == "error" or case.codes["rebuild"] == case.codes["error"]:
        assert all(word in said for word in case.words), said
    assert (policy == "rebuild" and case.codes["rebuild"] == 6 != case.codes["error"]) == (
        root.parent / "bundle.trt-cache"
    ).exists(), "an engine is kept where one was built again, and nowhere else"


def verify(root, policy, gpu, driver):
    environment = untraced_environment()
    if gpu is not None:
        environment |= {"LD_LIBRARY_PATH": str(driver), **gpu}
    return subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "spinn_edge", "verify", str(root)),
            *("--runtime", "trt", "--on-mismatch", policy),
        ],
        capture_output=True,
        text=True,
        env=environment | {"COLUMNS": "200"},
        check=False,
        timeout=120,
    )
