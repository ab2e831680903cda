import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from spinn_edge.core.bundle import Bundle, describe_file, finish
from spinn_edge.core.errors import BundleError, UsageError
from spinn_edge.core.manifest import Architecture
from spinn_edge.models.loading import LoadOptions, load_model, module_of
from spinn_edge.models.modules import MLP

TANH = LoadOptions(activation="tanh")


class Touch:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def mlp() -> MLP:
    return MLP((18, 16, 16, 2), "tanh").eval()


def file_of(bundle: Bundle, format_name: str) -> Path:
    (entry,) = bundle.manifest.files_of(format_name)
    return bundle.path_of(entry)


def reshaped(bundle: Bundle, root: Path, formats: set[str], architecture: Architecture) -> Bundle:
    """Copy a bundle with some of its formats and another architecture."""
    shutil.copytree(bundle.root, root)
    files = tuple(entry for entry in bundle.manifest.files if entry.format in formats)
    finish(root, replace(bundle.manifest, files=files, architecture=architecture))
    return Bundle.load(root)


# Names


@pytest.mark.parametrize("text", ["nothing", "absent.pt", "absent/x.safetensors", "C:/absent.onnx"])
def test_name_of_nothing_is_refused_with_every_form(text: str) -> None:
    with pytest.raises(UsageError, match="there is no") as caught:
        load_model(text)

    assert f"'{text}'" in str(caught.value)
    for form in ("a bundle folder", "--activation", "--weights", ".pt2", "TorchScript", ".onnx"):
        assert form in str(caught.value)


def test_bare_engine_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.engine").touch()

    with pytest.raises(UsageError, match="a bare engine says nothing about its inputs"):
        load_model(tmp_path / "model.engine")


@pytest.mark.parametrize("content", [b"text", b""])
def test_unknown_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.h5").write_bytes(content)

    with pytest.raises(UsageError, match=r"model\.h5: unknown kind of file; MODEL is a bundle"):
        load_model(tmp_path / "model.h5")


def test_weights_beside_a_model_file_are_refused(tmp_path: Path, mlp: MLP) -> None:
    torch.save(mlp.state_dict(), tmp_path / "m.pt")

    with pytest.raises(UsageError, match=r"--weights goes with package\.module:factory"):
        load_model(tmp_path / "m.pt", LoadOptions(activation="tanh", weights=tmp_path / "m.pt"))


# State dicts


@pytest.mark.parametrize("suffix", ["pt", "pth", "ckpt", "bin", "safetensors"])
def test_state_dict_is_loaded_from_any_usual_file(tmp_path: Path, mlp: MLP, suffix: str) -> None:
    path = tmp_path / f"m.{suffix}"
    save_file(mlp.state_dict(), path) if suffix == "safetensors" else torch.save(
        mlp.state_dict(), path
    )

    loaded = load_model(path, TANH)

    x = torch.randn(4, 18)
    assert isinstance(loaded.module, MLP)
    torch.testing.assert_close(loaded.module(x), mlp(x))
    assert loaded.architecture == Architecture(
        kind="mlp", widths=(18, 16, 16, 2), activation="tanh"
    )
    assert (loaded.origin, loaded.file, loaded.bundle) == (str(path), None, None)


def test_old_file_format_of_torch_is_read(tmp_path: Path, mlp: MLP) -> None:
    torch.save(mlp.state_dict(), tmp_path / "m.pt", _use_new_zipfile_serialization=False)

    assert isinstance(load_model(tmp_path / "m.pt", TANH).module, MLP)


def test_training_checkpoint_is_unwrapped(tmp_path: Path, mlp: MLP) -> None:
    optimizer = torch.optim.AdamW(mlp.parameters())
    torch.save(
        {
            "epoch": 3,
            "model_state_dict": mlp.state_dict(),
            "optimizer_state_dict": optimizer.state_dict(),
        },
        tmp_path / "m.pt",
    )

    assert isinstance(load_model(tmp_path / "m.pt", TANH).module, MLP)


def test_state_dict_without_activation_is_refused_with_the_choices(
    tmp_path: Path, mlp: MLP
) -> None:
    torch.save(mlp.state_dict(), tmp_path / "m.pt")

    with pytest.raises(UsageError, match="--activation tanh, relu, gelu, silu or sin"):
        load_model(tmp_path / "m.pt")


@pytest.mark.parametrize("name", ["m.pt", "m.safetensors"])
@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_truncated_state_dict_is_one_clear_error(
    tmp_path: Path, mlp: MLP, name: str, share: float
) -> None:
    path = tmp_path / name
    torch.save(mlp.state_dict(), path) if name == "m.pt" else save_file(mlp.state_dict(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])

    with pytest.raises(UsageError, match="cannot be read as") as caught:
        load_model(path, TANH)
    assert str(path) in str(caught.value)
    assert "--trust-pickle" not in str(caught.value)


def test_text_with_the_suffix_of_a_checkpoint_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "m.pt").write_text("this is no checkpoint")

    with pytest.raises(UsageError, match=r"cannot be read as a PyTorch file .*is it complete"):
        load_model(tmp_path / "m.pt", TANH)


# Pickles


@pytest.mark.parametrize("zipped", [True, False])
def test_pickle_that_would_run_code_is_refused_and_not_run(tmp_path: Path, zipped: bool) -> None:
    path, mark = tmp_path / "evil.pt", tmp_path / "code_was_run"
    torch.save({"a": Touch(mark)}, path, _use_new_zipfile_serialization=zipped)

    with pytest.raises(UsageError, match=r"evil\.pt holds more than tensors") as caught:
        load_model(path, TANH)

    assert "can run any code that its author put in" in str(caught.value)
    assert "--trust-pickle" in str(caught.value)
    assert not mark.exists()


def test_trusted_pickle_is_run(tmp_path: Path, mlp: MLP) -> None:
    path, mark = tmp_path / "trusted.pt", tmp_path / "code_was_run"
    torch.save({"state_dict": mlp.state_dict(), "callback": Touch(mark)}, path)

    loaded = load_model(path, replace(TANH, trust_pickle=True))

    assert isinstance(loaded.module, MLP)
    assert mark.exists()


def test_pickled_module_is_refused_unless_trusted(tmp_path: Path) -> None:
    torch.save(nn.Sequential(nn.Linear(3, 2), nn.Dropout()), tmp_path / "module.pt")

    with pytest.raises(UsageError, match="holds more than tensors"):
        load_model(tmp_path / "module.pt")
    loaded = load_model(tmp_path / "module.pt", LoadOptions(trust_pickle=True))

    assert isinstance(loaded.module, nn.Sequential)
    assert not loaded.module.training
    assert loaded.architecture.kind == "file"


# Exported files


@pytest.mark.parametrize("format_name", ["pt2", "torchscript", "onnx"])
def test_exported_file_is_told_by_its_content(tiny_bundle: Bundle, format_name: str) -> None:
    path = file_of(tiny_bundle, format_name)

    loaded = load_model(path)

    assert (loaded.format, loaded.file) == (format_name, path)
    assert loaded.architecture == Architecture(kind="file")
    assert [spec.name for spec in loaded.inputs] == (["input"] if format_name == "pt2" else [])
    if format_name == "onnx":
        assert loaded.module is None
    else:
        assert loaded.module is not None
        assert loaded.module(torch.zeros(2, 18)).shape == (2, 2)


@pytest.mark.parametrize("format_name", ["pt2", "torchscript"])
def test_exported_archive_named_pt_is_not_taken_for_weights(
    tiny_bundle: Bundle, tmp_path: Path, format_name: str
) -> None:
    path = shutil.copy(file_of(tiny_bundle, format_name), tmp_path / "model.pt")

    assert load_model(path).format == format_name


def test_truncated_torchscript_is_one_clear_error(tiny_bundle: Bundle, tmp_path: Path) -> None:
    content = file_of(tiny_bundle, "torchscript").read_bytes()
    (tmp_path / "m.ts").write_bytes(content[: len(content) // 2])

    with pytest.raises(BundleError, match="cannot be loaded as TorchScript"):
        load_model(tmp_path / "m.ts")


def test_truncated_pt2_is_one_clear_error(tiny_bundle: Bundle, tmp_path: Path) -> None:
    content = file_of(tiny_bundle, "pt2").read_bytes()
    (tmp_path / "m.pt2").write_bytes(content[: len(content) // 2])

    with pytest.raises(BundleError, match="cannot be loaded as a PT2 program"):
        load_model(tmp_path / "m.pt2")


# Factories

FACTORIES = """
import torch
from torch import nn

class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.a(x) * self.b(x)

def make(): return Branches()
def other(): return nn.Linear(3, 2)
def needs(width): return nn.Linear(width, 2)
def fails(): raise FileNotFoundError('no config.yaml here')
def number(): return 42
"""


@pytest.fixture
def factories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a module into the working folder; give the reference of one of its functions."""
    name = f"factories_{tmp_path.name}".replace("-", "_").replace("[", "_").replace("]", "_")
    (tmp_path / f"{name}.py").write_text(FACTORIES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))  # loading puts the folder in front
    return lambda attribute: f"{name}:{attribute}"


@pytest.fixture
def branches() -> dict[str, torch.Tensor]:
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    return {f"{n}.{k}": t for n, m in (("a", a), ("b", b)) for k, t in m.state_dict().items()}


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_factory_in_the_working_folder_is_built_with_its_weights(
    tmp_path: Path,
    factories: Callable[[str], str],
    branches: dict[str, torch.Tensor],
    suffix: str,
) -> None:
    weights = tmp_path / f"w.{suffix}"
    save_file(branches, weights) if suffix == "safetensors" else torch.save(branches, weights)

    loaded = load_model(factories("make"), LoadOptions(weights=weights))

    assert loaded.module is not None
    assert not loaded.module.training
    assert loaded.architecture == Architecture(kind="factory", factory=factories("make"))
    torch.testing.assert_close(loaded.module.state_dict()["a.weight"], branches["a.weight"])


def test_factory_without_weights_is_refused(factories: Callable[[str], str]) -> None:
    with pytest.raises(UsageError, match="builds an untrained network; name its --weights FILE"):
        load_model(factories("make"))


def test_factory_with_absent_weights_is_refused(factories: Callable[[str], str]) -> None:
    with pytest.raises(UsageError, match=r"there is no weights file 'absent\.pt'"):
        load_model(factories("make"), LoadOptions(weights=Path("absent.pt")))


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("absent", "could not be imported and called without arguments .*AttributeError"),
        ("fails", "FileNotFoundError: no config.yaml here"),
        ("needs", "TypeError: .*missing 1 required positional argument: 'width'"),
        ("number", "returned a int, expected an nn.Module"),
        ("", "could not be imported"),
    ],
)
def test_factory_that_does_not_work_is_refused(
    tmp_path: Path,
    factories: Callable[[str], str],
    branches: dict[str, torch.Tensor],
    attribute: str,
    message: str,
) -> None:
    torch.save(branches, tmp_path / "w.pt")

    with pytest.raises(UsageError, match=message) as caught:
        load_model(factories(attribute), LoadOptions(weights=tmp_path / "w.pt"))
    assert f"'{factories(attribute)}'" in str(caught.value)


def test_absent_module_is_refused(tmp_path: Path, branches: dict[str, torch.Tensor]) -> None:
    torch.save(branches, tmp_path / "w.pt")

    with pytest.raises(UsageError, match="ModuleNotFoundError: No module named 'no_such_package'"):
        load_model("no_such_package.models:make", LoadOptions(weights=tmp_path / "w.pt"))


def test_weights_that_do_not_fit_the_factory_are_refused(
    tmp_path: Path, factories: Callable[[str], str], branches: dict[str, torch.Tensor]
) -> None:
    torch.save(branches, tmp_path / "w.pt")

    with pytest.raises(UsageError, match=r"w\.pt does not fit '.*:other'") as caught:
        load_model(factories("other"), LoadOptions(weights=tmp_path / "w.pt"))
    assert "weight" in str(caught.value)


def test_whole_module_as_factory_weights_is_refused(
    tmp_path: Path, factories: Callable[[str], str]
) -> None:
    torch.save(nn.Linear(3, 2), tmp_path / "w.pt")

    with pytest.raises(UsageError, match="holds a whole module; --weights takes a state dict"):
        load_model(factories("make"), LoadOptions(weights=tmp_path / "w.pt", trust_pickle=True))


# Bundles


def test_bundle_of_an_mlp_is_rebuilt_from_its_manifest(tiny_bundle: Bundle) -> None:
    loaded = load_model(tiny_bundle.root)

    assert loaded.bundle == tiny_bundle
    assert isinstance(loaded.module, MLP)
    assert not loaded.module.training
    golden = tiny_bundle.golden()
    got = loaded.module(torch.from_numpy(golden.inputs["input"]))
    torch.testing.assert_close(got.double(), torch.from_numpy(golden.outputs["output"]))


@pytest.mark.parametrize("format_name", ["pt2", "torchscript", "onnx"])
def test_bundle_of_a_foreign_file_gives_that_file(
    tiny_bundle: Bundle, tmp_path: Path, format_name: str
) -> None:
    bundle = reshaped(
        tiny_bundle, tmp_path / "b", {"golden", format_name}, Architecture(kind="file")
    )

    loaded = load_model(bundle.root)

    assert (loaded.format, loaded.file) == (format_name, file_of(bundle, format_name))
    assert loaded.bundle == bundle
    with pytest.raises(BundleError, match="has no eager form; give the state dict or factory"):
        module_of(bundle, trust_factory=False)


def test_bundle_without_a_model_file_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    bundle = reshaped(tiny_bundle, tmp_path / "b", {"golden"}, Architecture(kind="file"))

    with pytest.raises(BundleError, match="holds no model file"):
        load_model(bundle.root)


def test_bundle_whose_weights_do_not_fit_its_widths_is_refused(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    architecture = Architecture(kind="mlp", widths=(18, 16, 8, 2), activation="tanh")
    bundle = reshaped(tiny_bundle, tmp_path / "b", {"weights"}, architecture)

    with pytest.raises(BundleError, match="weights do not fit the manifest"):
        load_model(bundle.root)


def test_factory_of_a_bundle_is_called_only_if_trusted(
    tiny_bundle: Bundle,
    tmp_path: Path,
    factories: Callable[[str], str],
    branches: dict[str, torch.Tensor],
) -> None:
    architecture = Architecture(kind="factory", factory=factories("make"))
    root = reshaped(tiny_bundle, tmp_path / "b", {"golden"}, architecture).root
    save_file(branches, root / "model.safetensors")
    manifest = json.loads((root / "manifest.json").read_text())
    entry = describe_file(root, "model.safetensors", "weights")
    manifest["files"].append(
        {"path": entry.path, "format": "weights", "bytes": entry.bytes, "sha256": entry.sha256}
    )
    (root / "manifest.json").write_text(json.dumps(manifest))

    with pytest.raises(UsageError, match="if you trust it, repeat with --trust-factory") as caught:
        load_model(root)
    assert factories("make") in str(caught.value)
    loaded = load_model(root, LoadOptions(trust_factory=True))

    assert type(loaded.module).__name__ == "Branches"


def test_damaged_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        load_model(tmp_path)
