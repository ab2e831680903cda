"""Every mismatch between a bundle's engines and a machine, and what is done about it."""

import dataclasses
import re
import sys
from pathlib import Path

import pytest

from spinn_edge.core.bundle import Bundle, describe_file
from spinn_edge.core.errors import (
    BundleError,
    ExportError,
    IncompatibleBundleError,
    MissingDependencyError,
    RuntimeUnavailableError,
)
from spinn_edge.export.onnx_fp16 import convert_to_fp16
from spinn_edge.export.trt import build_engines
from spinn_edge.runtimes.base import OpenOptions
from spinn_edge.runtimes.nvidia.driver import find_device
from spinn_edge.runtimes.trt.backend import Backend, load_backend
from spinn_edge.runtimes.trt.builder import BuiltEngine
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.preflight import choose_engine
from tests.fakes.cuda import FakeDriver
from tests.fakes.trt import INPUTS, MAX_BATCH, PROFILE, fake_backend, make_bundle, write_mlp

VERSION_OF_HEADER = 25  # of four bytes, the second number


def gpu(capability=(8, 6), name=b"NVIDIA RTX A2000"):
    """Return what asks a driver that shows such a GPU."""
    return lambda: find_device(FakeDriver(capability=capability, name=name).load)


def no_gpu():
    raise RuntimeUnavailableError("no NVIDIA driver: libcuda.so.1 cannot be loaded")


def must_not_ask():
    raise AssertionError("the driver was asked")


def must_not_load(packages):
    raise AssertionError("a package was imported before the driver was asked")


def choose(bundle, options=None, find=None, **changed):
    return choose_engine(bundle, options or OpenOptions(), find=find or gpu(), **changed)


def refused(bundle, error=IncompatibleBundleError, options=None, **changed):
    """Return the words of a refusal; the default is that nothing is built again."""
    with pytest.raises(error) as caught:
        choose(bundle, options, **changed)
    assert type(caught.value) is error
    assert not EngineCache(bundle.root).folder.exists()
    return str(caught.value)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Bundle:
    """ONNX files of both precisions with real engines of tensorrt_rtx for SM86 and SM89."""
    root = tmp_path_factory.mktemp("built") / "bundle"
    root.mkdir()
    fp32 = describe_onnx(write_mlp(root / "model.onnx"), layers={"fp16": 0, "fp32": 3})
    fp16 = convert_to_fp16(root / "model.onnx", root)
    engines = [
        entry
        for onnx in (fp32, fp16)
        for entry in build_engines(
            root / onnx.path, root, inputs=INPUTS, max_batch=MAX_BATCH, precision=onnx.precision,
            compute_capabilities=("SM86", "SM89"), find=no_gpu,
        )
    ]  # fmt: skip
    return make_bundle(root, (fp32, fp16, *engines))


@pytest.fixture
def bundle(built, tmp_path) -> Bundle:
    """The same files in a folder of this test's own, with room beside it."""
    root = tmp_path / "bundle"
    root.mkdir()
    for path in built.root.iterdir():
        (root / path.name).write_bytes(path.read_bytes())
    return make_bundle(root, built.manifest.files)


def describe_onnx(path: Path, **details):
    return describe_file(path.parent, path.name, "onnx", details=details)


def changed(bundle, path, **facts):
    """Return the bundle with another manifest line for one file, as it is on disk now."""
    files = [
        dataclasses.replace(entry, **{"bytes": (bundle.root / path).stat().st_size} | facts)
        if entry.path == path
        else entry
        for entry in bundle.manifest.files
    ]
    return make_bundle(bundle.root, tuple(files))


def enterprise(root, version="11.4.0.106", **details):
    """Return a bundle with one engine of tensorrt for SM86."""
    root.mkdir(exist_ok=True)
    (root / "model.sm86.engine").write_bytes(b"plan")
    return make_bundle(
        root,
        (
            describe_file(
                root, "model.sm86.engine", "trt", toolchain={"tensorrt": version},
                details={"compute_capability": "SM86", "profile": PROFILE} | details,
            ),
        ),
    )  # fmt: skip


def loads(**packages):
    """Return what imports the first package that is there, as ``load_backend`` does."""

    def load(names):
        for name in names:
            if name in packages:
                return packages[name]
        raise MissingDependencyError(names[0], "trt", "not installed")

    return load


# --- the driver comes first


def test_bundle_without_engines_says_how_to_add_one(tmp_path):
    bundle = make_bundle(tmp_path, ())
    for policy in ("error", "rebuild"):
        with pytest.raises(RuntimeUnavailableError, match=r"no fp16 trt .*--precision fp16"):
            choose(bundle, OpenOptions(on_mismatch=policy, precision="fp16"), find=must_not_ask)


def test_no_driver_is_said_before_a_package_is_imported(bundle):
    said = refused(bundle, RuntimeUnavailableError, find=no_gpu, load=must_not_load)
    assert re.search(r"no NVIDIA driver.*\n.*nvidia-smi", said)


def test_without_a_driver_nothing_is_built_again(bundle):
    refused(
        bundle, RuntimeUnavailableError, OpenOptions(on_mismatch="rebuild"), find=no_gpu,
        load=must_not_load,
    )  # fmt: skip


# --- what fits


@pytest.mark.parametrize("capability", [(8, 6), (8, 9)])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("policy", ["error", "rebuild", "fallback"])
def test_engine_of_this_gpu_and_precision_is_chosen(bundle, capability, precision, policy):
    options = OpenOptions(precision=precision, on_mismatch=policy)
    choice = choose(bundle, options, find=gpu(capability))
    wanted = "SM{}{}".format(*capability)
    assert choice.entry.details["compute_capability"] == wanted == choice.device.sm
    assert choice.entry.precision == precision
    assert choice.plan == bundle.path_of(choice.entry).read_bytes()
    assert choice.rebuilt == ""
    assert not EngineCache(bundle.root).folder.exists()


def test_package_that_built_the_engine_is_the_one_loaded(tmp_path):
    asked = []

    def load(packages):
        asked.extend(packages)
        return fake_backend(None)

    choice = choose(enterprise(tmp_path), load=load)
    assert asked == ["tensorrt"]
    assert choice.plan == b"plan"


def test_bundle_without_its_onnx_file_still_runs(bundle):
    engines = bundle.manifest.files_of("trt")
    assert choose(make_bundle(bundle.root, engines)).entry == engines[0]


@pytest.mark.parametrize("capability", [(8, 0), (8, 9), (9, 0), (12, 0)])
def test_hardware_compatible_engine_runs_on_ampere_and_newer(tmp_path, capability):
    bundle = enterprise(tmp_path, hardware_compatible=True)
    load = loads(tensorrt=fake_backend(None))
    assert choose(bundle, find=gpu(capability), load=load).plan == b"plan"


def test_hardware_compatible_engine_does_not_run_on_turing(tmp_path):
    bundle = enterprise(tmp_path, hardware_compatible=True)
    said = refused(bundle, find=gpu((7, 5)), load=loads(tensorrt=fake_backend(None)))
    assert "is SM75, the engines in" in said
    assert "for SM86 and newer from SM80 on" in said


def test_engine_of_this_very_gpu_goes_before_a_compatible_one(tmp_path):
    bundle = enterprise(tmp_path, hardware_compatible=True)
    (tmp_path / "own.engine").write_bytes(b"own")
    own = describe_file(
        tmp_path, "own.engine", "trt", toolchain={"tensorrt": "11.4.0.106"},
        details={"compute_capability": "SM90"},
    )  # fmt: skip
    both = make_bundle(tmp_path, (*bundle.manifest.files, own))
    load = loads(tensorrt=fake_backend(None))
    assert choose(both, find=gpu((9, 0)), load=load).plan == b"own"


def test_hardware_compatible_means_nothing_in_rtx(bundle):
    marked = dataclasses.replace(
        bundle.manifest.files_of("trt")[0],
        details={"compute_capability": "SM86", "hardware_compatible": True},
    )
    refused(make_bundle(bundle.root, (marked,)), find=gpu((8, 9)))


def test_version_compatible_engine_of_an_earlier_release_is_chosen(tmp_path):
    load = loads(tensorrt=fake_backend(None))
    bundle = enterprise(tmp_path, "11.1.0.1", version_compatible=True)
    assert choose(bundle, load=load).plan == b"plan"
    refused(enterprise(tmp_path, "11.1.0.1"), load=load)


def test_engine_of_this_version_is_found_behind_one_of_another(tmp_path):
    bundle = enterprise(tmp_path)
    older = dataclasses.replace(bundle.manifest.files[0], toolchain={"tensorrt": "10.3.0.30"})
    both = make_bundle(tmp_path, (older, *bundle.manifest.files))
    choice = choose(both, load=loads(tensorrt=fake_backend(None)))
    assert choice.entry.toolchain == {"tensorrt": "11.4.0.106"}


# --- what does not fit: both sides and the next command


def ways_out(said, root, precision="fp32"):
    wanted = "" if precision == "fp32" else f" --precision {precision}"
    assert f"spinn-edge export {root} --format trt{wanted}" in said
    assert "--on-mismatch rebuild" in said
    assert "--on-mismatch fallback" in said
    return True


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_other_gpu_is_refused_naming_both_sides(bundle, precision):
    options = OpenOptions(precision=precision)
    said = refused(bundle, options=options, find=gpu((12, 0), b"NVIDIA RTX 5090"))
    assert re.search(r"NVIDIA RTX 5090 is SM120, the engines in .* are for SM86, SM89\n", said)
    assert "--compute-capability SM120" in said
    assert ways_out(said, bundle.root, precision)


def test_gpu_that_the_package_builds_nothing_for_is_sent_to_the_one_that_does(bundle):
    said = refused(bundle, find=gpu((9, 0), b"NVIDIA H200"))
    assert re.search(r"H200 is SM90, .* are for SM86, SM89; tensorrt_rtx .* none for SM90\n", said)
    assert "pip install 'spinn-edge[trt]'" in said
    assert "--compute-capability" not in said
    assert ways_out(said, bundle.root)


@pytest.mark.parametrize(("step", "other"), [(-1, "1.6.1.116"), (1, "1.8.1.116")])
def test_other_version_is_refused_naming_both_sides(bundle, step, other):
    path = bundle.root / "model.sm86.engine"
    plan = bytearray(path.read_bytes())
    plan[VERSION_OF_HEADER] += step
    path.write_bytes(plan)
    said = refused(bundle)  # the header is asked, whatever the manifest says
    assert f"model.sm86.engine was built by tensorrt_rtx {other}, installed is 1.7.1.116" in said
    assert ways_out(said, bundle.root)


def test_other_version_in_the_manifest_is_refused_before_the_gpu_is_compared(bundle):
    entries = bundle.manifest.files_of("trt", "fp32")
    older = [dataclasses.replace(entry, toolchain={"tensorrt_rtx": "1.1.0.9"}) for entry in entries]
    said = refused(make_bundle(bundle.root, tuple(older)), find=gpu((9, 0)))
    assert "tensorrt_rtx 1.1.0.9, installed is" in said


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_changed_onnx_file_is_refused_naming_both_sides(bundle, precision):
    name = "model.onnx" if precision == "fp32" else "model.fp16.onnx"
    other = changed(bundle, name, sha256="f" * 64)
    said = refused(other, options=OpenOptions(precision=precision))
    (onnx,) = bundle.manifest.files_of("onnx", precision)
    assert f"sha256 {onnx.sha256[:12]}…, {name} in the bundle has ffffffffffff…" in said
    assert ways_out(said, bundle.root, precision)
    kept = OpenOptions(precision="fp16" if precision == "fp32" else "fp32")
    assert choose(other, kept).rebuilt == ""  # the other precision has a file of its own


def test_engine_that_names_no_onnx_file_is_refused(bundle):
    path = "model.sm86.engine"
    (entry,) = (entry for entry in bundle.manifest.files if entry.path == path)
    details = {key: value for key, value in entry.details.items() if key != "onnx_sha256"}
    assert "sha256 None" in refused(changed(bundle, path, details=details))


def test_engine_of_the_other_package_names_both(tmp_path):
    said = refused(enterprise(tmp_path, "10.3.0.30"), load=loads(tensorrt_rtx=rtx()))
    assert "built by tensorrt 10.3.0.30, installed is tensorrt_rtx 1.7.1.116" in said
    assert "pip install 'spinn-edge[trt]'" in said
    assert ways_out(said, tmp_path)


def test_no_package_at_all_is_a_missing_dependency(bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    for policy in ("error", "rebuild"):
        options = OpenOptions(on_mismatch=policy)
        assert "trt-rtx" in refused(bundle, MissingDependencyError, options)


def test_entry_without_a_package_is_refused(bundle):
    entry = dataclasses.replace(bundle.manifest.files_of("trt")[0], toolchain={})
    said = refused(make_bundle(bundle.root, (entry,)), BundleError)
    assert "tensorrt_rtx or tensorrt" in said


@pytest.mark.parametrize("damage", ["truncated", "foreign"])
def test_damaged_engine_is_refused(bundle, damage):
    path = bundle.root / "model.sm86.engine"
    path.write_bytes(path.read_bytes()[:-1] if damage == "truncated" else b"ONNX" * 100)
    said = refused(bundle, BundleError)
    assert str(path) in said
    assert "--on-mismatch rebuild" in said


# --- building it again


def rtx() -> Backend:
    return load_backend(("tensorrt_rtx",))


REBUILD = OpenOptions(on_mismatch="rebuild")


def test_engine_for_another_gpu_is_built_again_and_kept(bundle):
    choice = choose(bundle, REBUILD, find=gpu((12, 0), b"NVIDIA RTX 5090"))
    assert choice.rebuilt.startswith("NVIDIA RTX 5090 is SM120, the engines in")
    assert "\n" not in choice.rebuilt
    assert choice.entry.details["compute_capability"] == "SM120"
    assert choice.entry.details["profile"] == PROFILE
    assert choice.entry.details["layers"] == {"fp16": 0, "fp32": 3}
    assert choice.entry.toolchain == {"tensorrt_rtx": rtx().version}
    assert choice.entry.bytes == len(choice.plan)
    assert choice.plan.startswith(b"vtrt")
    kept = bundle.path_of(choice.entry)
    assert kept.resolve().parent == EngineCache(bundle.root).folder
    assert choice.plan in kept.read_bytes()
    assert sorted(path.name for path in bundle.root.iterdir()) == sorted(
        entry.path for entry in bundle.manifest.files
    )


def must_not_build(*arguments):
    raise AssertionError("it was built again")


def test_engine_that_was_built_again_is_used_the_next_time(bundle, monkeypatch):
    first = choose(bundle, REBUILD, find=gpu((12, 0)))
    monkeypatch.setattr("spinn_edge.runtimes.trt.rebuild.build_with_timings", must_not_build)
    again = choose(bundle, REBUILD, find=gpu((12, 0)))
    assert again.plan == first.plan
    assert again.rebuilt == first.rebuilt


@pytest.mark.parametrize("what", ["precision", "recipe", "graph", "gpu", "damage"])
def test_kept_engine_is_used_for_nothing_else(bundle, what):
    first = choose(bundle, REBUILD, find=gpu((12, 0)))
    options, find, other = REBUILD, gpu((12, 0)), bundle
    if what == "precision":
        options = dataclasses.replace(REBUILD, precision="fp16")
    elif what == "recipe":
        for entry in bundle.manifest.files_of("trt"):
            other = changed(other, entry.path, details={**entry.details, "tf32": True})
    elif what == "graph":
        write_mlp(bundle.root / "model.onnx", (18, 9, 2))
        other = changed(bundle, "model.onnx", sha256="0" * 64)
    elif what == "gpu":
        find = gpu((8, 0))
    else:
        kept = bundle.path_of(first.entry)
        kept.write_bytes(kept.read_bytes()[:-1])
    again = choose(other, options, find=find)
    assert again.rebuilt
    assert (again.plan == first.plan) == (what == "damage")


def test_rebuilt_engine_keeps_the_recipe_of_the_bundles_own(bundle, monkeypatch):
    details = {"tf32": True, "workspace_bytes": 2**29, "builder_level": 2}
    other = bundle
    for entry in bundle.manifest.files_of("trt"):
        other = changed(other, entry.path, details={**entry.details, **details})
    choice = choose(other, REBUILD, find=gpu((12, 0)))
    assert {key: choice.entry.details[key] for key in details} == details
    assert choice.plan != choose(bundle, REBUILD, find=gpu((12, 0))).plan


@pytest.mark.parametrize("damage", ["truncated", "version", "onnx"])
def test_every_mismatch_is_mended_by_building_again(bundle, damage):
    path = bundle.root / "model.sm86.engine"
    whole = path.read_bytes()
    other = bundle
    if damage == "truncated":
        path.write_bytes(whole[:-1])
    elif damage == "version":
        path.write_bytes(whole[:VERSION_OF_HEADER] + b"\x01" + whole[VERSION_OF_HEADER + 1 :])
    else:
        (entry,) = (entry for entry in bundle.manifest.files if entry.path == path.name)
        other = changed(bundle, path.name, details={**entry.details, "onnx_sha256": "0" * 64})
    choice = choose(other, REBUILD)
    assert choice.plan == whole
    assert path.name in choice.rebuilt


def test_engine_of_the_other_package_is_built_again_with_the_one_that_is_here(bundle):
    entries = [
        dataclasses.replace(
            entry, toolchain={"tensorrt": "10.3.0.30"},
            details={**entry.details, "hardware_compatible": True, "version_compatible": True},
        )
        if entry.format == "trt" else entry
        for entry in bundle.manifest.files
    ]  # fmt: skip
    other = make_bundle(bundle.root, tuple(entries))
    choice = choose(other, REBUILD, load=loads(tensorrt_rtx=rtx()))
    assert choice.backend.name == "tensorrt_rtx"
    assert "installed is tensorrt_rtx" in choice.rebuilt
    assert not choice.entry.details["hardware_compatible"]
    assert not choice.entry.details["version_compatible"]


def test_package_that_built_the_engine_builds_it_again_where_both_are_here(tmp_path, monkeypatch):
    root = tmp_path / "bundle"
    bundle = enterprise(root, "10.3.0.30")
    onnx = describe_onnx(write_mlp(root / "model.onnx"))
    bundle = make_bundle(root, (onnx, *bundle.manifest.files))
    asked = []

    def build(backend, path, recipe, cache):
        asked.append((backend.name, path, recipe.compute_capability))
        return BuiltEngine(plan=b"new", timing_cache=b"", messages=("WARNING: careful",))

    monkeypatch.setattr("spinn_edge.runtimes.trt.rebuild.build_with_timings", build)
    both = loads(tensorrt_rtx=rtx(), tensorrt=fake_backend(None))
    choice = choose(bundle, REBUILD, load=both)
    assert asked == [("tensorrt", root / "model.onnx", "SM86")]
    assert choice.plan == b"new"
    assert choice.entry.details["builder_messages"] == ["WARNING: careful"]


def test_tensorrt_builds_for_a_gpu_that_rtx_cannot_build_for(bundle, monkeypatch):
    built = BuiltEngine(plan=b"new", timing_cache=b"", messages=())
    monkeypatch.setattr(
        "spinn_edge.runtimes.trt.rebuild.build_with_timings", lambda *arguments: built
    )
    both = loads(tensorrt_rtx=rtx(), tensorrt=fake_backend(None))
    choice = choose(bundle, REBUILD, find=gpu((9, 0)), load=both)
    assert choice.backend.name == "tensorrt"


def test_gpu_that_no_package_builds_for_is_said_with_the_mismatch(bundle):
    said = refused(bundle, options=REBUILD, find=gpu((9, 0), b"NVIDIA H200"))
    assert "NVIDIA H200 is SM90, the engines in" in said
    assert "building it again failed as well: tensorrt_rtx" in said
    assert "not for SM90" in said


def test_failed_build_is_said_with_the_mismatch(bundle, monkeypatch):
    def refuse(*arguments):
        raise ExportError("node 'layer0': out of memory")

    monkeypatch.setattr("spinn_edge.runtimes.trt.rebuild.build_with_timings", refuse)
    said = refused(bundle, options=REBUILD, find=gpu((12, 0)))
    assert "is SM120" in said
    assert "failed as well: node 'layer0': out of memory" in said


def test_bundle_without_its_onnx_file_cannot_be_built_again(bundle):
    other = make_bundle(bundle.root, bundle.manifest.files_of("trt"))
    said = refused(other, options=REBUILD, find=gpu((12, 0)))
    assert "failed as well: bundle holds no fp32 onnx file" in said


def test_place_where_nothing_can_be_kept_is_said(bundle):
    EngineCache(bundle.root).folder.write_text("a file where the folder should be")
    choice = choose(bundle, REBUILD, find=gpu((12, 0)))
    assert choice.plan.startswith(b"vtrt")
    assert "cannot be kept beside the bundle" in choice.rebuilt
