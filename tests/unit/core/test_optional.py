import subprocess
import sys
from pathlib import Path

import pytest

from spinn_edge.core.errors import MissingDependencyError
from spinn_edge.core.optional import installed_version, require


def test_require_returns_the_imported_module() -> None:
    assert require("json", extra="export") is sys.modules["json"]


def test_require_of_an_absent_module_names_the_extra_that_installs_it() -> None:
    with pytest.raises(MissingDependencyError) as caught:
        require("no_such_module_at_all", extra="ort")

    assert "'no_such_module_at_all' cannot be imported" in str(caught.value)
    assert "ModuleNotFoundError" in str(caught.value)
    assert "pip install 'spinn-edge[ort]'" in str(caught.value)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_require_reports_a_missing_shared_library_as_missing_dependency(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_without_its_library.py").write_text(
        "raise OSError('libnvinfer.so.10: cannot open shared object file')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(MissingDependencyError, match=r"libnvinfer\.so\.10"):
        require("module_without_its_library", extra="trt")


def test_require_lets_other_failures_of_a_module_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "module_with_a_bug.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ZeroDivisionError):
        require("module_with_a_bug", extra="trt")


def test_installed_version_takes_the_first_that_is_installed() -> None:
    import numpy

    assert installed_version("no-such-distribution", "numpy") == numpy.__version__


def test_installed_version_of_nothing_installed_is_none() -> None:
    assert installed_version("no-such-distribution") is None


def test_core_imports_neither_torch_nor_a_runtime() -> None:
    modules = ["bundle", "decode", "errors", "golden", "manifest", "optional", "table", "tensors"]
    code = (
        f"import sys\nfor name in {modules!r}: __import__('spinn_edge.core.' + name)\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'tensorrt', 'safetensors'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
