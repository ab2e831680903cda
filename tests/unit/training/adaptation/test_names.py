import subprocess
import sys

import pytest

import spinn_edge.training as training
from spinn_edge.export.adapted import adapt_bundle
from spinn_edge.training.adaptation.adapter import OnlineAdapter


def test_public_names_are_the_ones_defined_below():
    assert training.adapt_bundle is adapt_bundle
    assert training.OnlineAdapter is OnlineAdapter
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        training.nothing  # noqa: B018


def test_the_room_can_be_imported_without_torch():
    code = "import sys, spinn_edge.training as t; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
