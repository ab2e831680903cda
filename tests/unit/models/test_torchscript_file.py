from pathlib import Path

import pytest
import torch
from torch import nn

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, ExportError
from spinn_edge.models.modules import MLP
from spinn_edge.models.torchscript_file import load_torchscript, save_torchscript


def test_saved_module_is_loaded_and_computes_the_same(tmp_path: Path) -> None:
    mlp, x = MLP((3, 4, 2), "sin").eval(), torch.randn(5, 3)

    save_torchscript(mlp, (x[:2],), tmp_path / "m.ts")
    loaded = load_torchscript(tmp_path / "m.ts")

    torch.testing.assert_close(loaded(x), mlp(x))
    assert not loaded.training


def test_script_module_is_saved_as_it_is(tiny_bundle: Bundle, tmp_path: Path) -> None:
    (entry,) = tiny_bundle.manifest.files_of("torchscript")
    script = load_torchscript(tiny_bundle.path_of(entry))

    save_torchscript(script, (), tmp_path / "again.ts")

    x = torch.randn(4, 18)
    torch.testing.assert_close(load_torchscript(tmp_path / "again.ts")(x), script(x))


def test_module_that_cannot_be_traced_is_one_clear_error(tmp_path: Path) -> None:
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise KeyError("no such layer")

    with pytest.raises(ExportError, match="TorchScript tracing failed: 'no such layer'"):
        save_torchscript(Broken(), (torch.zeros(1, 3),), tmp_path / "m.ts")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_truncated_file_is_one_clear_error(
    tiny_bundle: Bundle, tmp_path: Path, share: float
) -> None:
    (entry,) = tiny_bundle.manifest.files_of("torchscript")
    content = tiny_bundle.path_of(entry).read_bytes()
    path = tmp_path / "cut.ts"
    path.write_bytes(content[: int(share * len(content))])

    with pytest.raises(BundleError, match=r"cannot be loaded as TorchScript .*export the model"):
        load_torchscript(path)


def test_state_dict_is_no_torchscript(tmp_path: Path) -> None:
    path = tmp_path / "state.ts"
    torch.save({"a": torch.zeros(1)}, path)

    with pytest.raises(BundleError, match=r"state\.ts cannot be loaded as TorchScript"):
        load_torchscript(path)
