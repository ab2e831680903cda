import importlib

import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.export import registry
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.registry import ExporterEntry
from spinn_edge.runtimes import registry as runtimes
from spinn_edge.runtimes.base import PRECISIONS_OF, RuntimeEntry
from tests.fakes.networks import load_mlp
from tests.unit.runtimes.test_registry import FakeEntryPoint

THEIRS = ExporterEntry(
    exporter="spinn_edge.export.torchscript:export_torchscript", runtime="torchscript"
)


@pytest.fixture
def install(monkeypatch):
    """Install plug-ins into the group of exporters."""

    def install(**plugins):
        found = [FakeEntryPoint(name, loaded) for name, loaded in plugins.items()]
        groups = {"spinn_edge.exporters": found}
        monkeypatch.setattr(
            "spinn_edge.core.plugins.entry_points", lambda *, group: groups.get(group, [])
        )

    return install


@pytest.mark.parametrize("name", list(registry.EXPORTERS))
def test_every_line_names_a_function_and_a_runtime_that_exist(name):
    entry = registry.EXPORTERS[name]
    module, _, attribute = entry.exporter.partition(":")
    assert registry.load(entry) is getattr(importlib.import_module(module), attribute)
    assert entry.runtime in runtimes.RUNTIMES
    assert entry.needs in ("", *registry.EXPORTERS)


def names(formats, precisions=("fp32",)):
    return [step.name for step in registry.in_order(formats, precisions)]


def test_what_is_needed_comes_first_and_once():
    assert names(["trt", "onnx"]) == ["onnx", "trt"]
    assert names(["pt2", "trt", "pt2"]) == ["pt2", "onnx", "trt"]
    assert names([]) == []


def test_fp16_is_made_from_the_float32_onnx_file_and_engines_from_their_own():
    assert names(["onnx"], ["fp16"]) == ["onnx", "fp16 onnx"]
    assert names(["trt"], ["fp16"]) == ["onnx", "fp16 onnx", "fp16 trt"]
    assert names(["trt"], ["fp16", "fp32"]) == ["onnx", "trt", "fp16 onnx", "fp16 trt"]
    assert names(["onnx", "trt"], ["fp32"]) == ["onnx", "trt"]


def test_a_precision_that_a_format_has_not_is_left_out_and_told():
    formats, precisions = ["pt2", "onnx", "torchscript"], ["fp32", "int8"]
    assert names(formats, precisions) == ["pt2", "onnx", "int8 onnx", "torchscript"]
    assert registry.lacking(formats, precisions) == (("pt2", "int8"), ("torchscript", "int8"))
    assert names(formats, ["int8"]) == ["onnx", "int8 onnx"]
    assert registry.lacking(["onnx", "trt"], precisions) == ()
    assert registry.lacking(formats, ["fp32", "fp16"]) == ()


def test_int8_is_made_from_float32_and_engines_from_their_own_graph():
    assert names(["trt"], ["int8"]) == ["onnx", "int8 onnx", "int8 trt"]
    assert names(["onnx"], ["int8", "fp16"]) == ["onnx", "fp16 onnx", "int8 onnx"]


def test_what_can_be_exported_can_be_opened():
    for name, entry in registry.EXPORTERS.items():
        assert entry.precisions == PRECISIONS_OF[name]


def test_a_precision_that_no_format_has_lists_those_that_do():
    with pytest.raises(UsageError, match=r"--precision int8: pt2 has .*formats that do: onnx, trt"):
        registry.in_order(["pt2"], ["int8"])


def test_an_unknown_precision_lists_the_known_ones():
    with pytest.raises(
        UsageError, match="--precision fp8: unknown, expected one of fp32, fp16, int8"
    ):
        registry.in_order(["onnx"], ["fp32", "fp8"])
    with pytest.raises(UsageError, match="--precision names nothing"):
        registry.in_order(["onnx"], [])


def test_an_unknown_format_lists_the_known_ones():
    with pytest.raises(UsageError, match="unknown format 'tflite'; known: torchscript, pt2, onnx"):
        registry.in_order(["tflite"])


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="unknown format"):
        write_bundle(load_mlp(), tmp_path / "out", ExportRequest(formats=("tflite",)))
    assert list(tmp_path.iterdir()) == []


def test_a_plugin_adds_a_format_that_is_written_and_proved(install, tmp_path, monkeypatch):
    line = RuntimeEntry(
        format="theirs",
        opener="tests.unit.export.test_registry:open_theirs",
        probe="spinn_edge.runtimes.pytorch.probe:probe",
    )
    monkeypatch.setitem(runtimes.RUNTIMES, "theirs", line)
    install(
        theirs=ExporterEntry(
            exporter="tests.unit.export.test_registry:export_theirs", runtime="theirs"
        )
    )
    assert list(registry.entries()) == [*registry.EXPORTERS, "theirs"]
    request = ExportRequest(formats=("theirs",), max_batch=4)
    bundle = write_bundle(load_mlp(), tmp_path / "out", request)
    (entry,) = bundle.manifest.files_of("theirs")
    assert [point.batch for point in entry.proof] == [1, 2, 4]


def export_theirs(job):
    """Write TorchScript under another name."""
    from dataclasses import replace

    from spinn_edge.export.torchscript import export_torchscript

    (entry,) = export_torchscript(job)
    return (replace(entry, format="theirs"),)


def open_theirs(bundle, options):
    """Open it."""
    from spinn_edge.models.torchscript_file import load_torchscript
    from spinn_edge.runtimes.base import only_file
    from spinn_edge.runtimes.pytorch.module import TorchRuntime

    module = load_torchscript(bundle.path_of(only_file(bundle, "theirs")))
    return TorchRuntime(module, bundle.manifest, threads=1)


def test_a_plugin_that_claims_a_built_in_format_is_refused(install):
    install(onnx=THEIRS)
    with pytest.raises(UsageError, match=r"'onnx' is claimed twice \(their_package.onnx:entry\)"):
        registry.entries()


@pytest.mark.parametrize("loaded", [None, "spinn_edge.export.pt2:export_pt2", ExporterEntry])
def test_a_plugin_that_names_something_else_is_refused(install, loaded):
    install(theirs=loaded)
    with pytest.raises(UsageError, match=r"'theirs' .*is no ExporterEntry"):
        registry.entries()


def test_a_plugin_that_cannot_be_imported_is_named(install):
    install(theirs=ModuleNotFoundError("No module named 'their_package'"))
    with pytest.raises(UsageError, match=r"'theirs' \(their_package.theirs:entry\)"):
        registry.entries()
