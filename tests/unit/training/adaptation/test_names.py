import subprocess
import sys

import pytest

from spinn_edge import export, training
from spinn_edge.export.adapted import adapt_bundle
from spinn_edge.training.adaptation.adapter import OnlineAdapter


def test_public_names_are_loaded_when_they_are_asked_for() -> None:
    assert training.OnlineAdapter is OnlineAdapter
    assert export.adapt_bundle is adapt_bundle


@pytest.mark.parametrize("room", [training, export])
def test_unknown_name_is_an_attribute_error(room: object) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'adapt_everything'"):
        room.adapt_everything  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("room", ["training", "export"])
def test_room_is_imported_without_torch(room: str) -> None:
    code = f"import sys, spinn_edge.{room}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
