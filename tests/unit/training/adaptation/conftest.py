from pathlib import Path

import pytest

from spinn_edge.core.bundle import Bundle
from tests.fakes.drifting_streams import factory_bundle, learned_bundle


@pytest.fixture(scope="package")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A trained 3-12-8-2 network; never change its folder."""
    return learned_bundle(tmp_path_factory.mktemp("learned") / "v1")


@pytest.fixture(scope="package")
def factory_made(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A network of a factory that reads out through softplus."""
    return factory_bundle(Path(tmp_path_factory.mktemp("factory")) / "v1")
