import importlib

import numpy as np
import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.export import registry as exporters
from spinn_edge.report.runtime_status import runtime_statuses
from spinn_edge.runtimes import open_runtime, registry
from spinn_edge.runtimes.base import RuntimeEntry
from tests.fakes.runtime import ENTRY, doubling_bundle


class FakeEntryPoint:
    """What ``importlib.metadata.entry_points`` gives; ``load`` raises what it is told to."""

    def __init__(self, name, loaded):
        self.name, self.value, self._loaded = name, f"their_package.{name}:entry", loaded

    def load(self):
        if isinstance(self._loaded, Exception):
            raise self._loaded
        return self._loaded


@pytest.fixture
def install(monkeypatch):
    """Install plug-ins into the group of runtimes."""

    def install(**plugins):
        found = [FakeEntryPoint(name, loaded) for name, loaded in plugins.items()]
        groups = {"spinn_edge.runtimes": found}
        monkeypatch.setattr(
            "spinn_edge.core.plugins.entry_points", lambda *, group: groups.get(group, [])
        )

    return install


@pytest.mark.parametrize("name", list(registry.RUNTIMES))
def test_every_line_names_functions_that_exist(name):
    for reference in (registry.RUNTIMES[name].opener, registry.RUNTIMES[name].probe):
        module, _, attribute = reference.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))


def test_every_exporter_is_proved_by_a_runtime_of_its_format():
    for format_name, entry in exporters.EXPORTERS.items():
        assert registry.find(entry.runtime).format == format_name


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown runtime 'onnx'; known: eager, compile, .*trt"):
        registry.find("onnx")


def test_a_plugin_adds_a_runtime_after_the_built_in_ones(install, tmp_path):
    install(doubler=ENTRY)
    assert list(registry.entries()) == [*registry.RUNTIMES, "doubler"]
    bundle = doubling_bundle(tmp_path / "bundle")
    with open_runtime(bundle, runtime="doubler") as model:
        np.testing.assert_array_equal(
            model(np.ones((2, 3), np.float32)), np.full((2, 3), 2, np.float32)
        )


def test_a_plugin_is_probed_and_listed(install):
    install(doubler=ENTRY)
    assert registry.probe("doubler").version == "1.0"
    assert "doubler" in {status.name for status in runtime_statuses()}


def test_a_plugin_does_not_stay_after_it_is_removed(install):
    install(doubler=ENTRY)
    registry.entries()
    install()
    assert list(registry.entries()) == list(registry.RUNTIMES)


def test_a_plugin_that_claims_a_built_in_name_is_refused(install):
    install(eager=ENTRY)
    with pytest.raises(UsageError, match=r"'eager' is claimed twice \(their_package.eager:entry\)"):
        registry.entries()


def test_two_plugins_of_one_name_are_refused(monkeypatch):
    twice = [FakeEntryPoint("doubler", ENTRY)] * 2
    monkeypatch.setattr("spinn_edge.core.plugins.entry_points", lambda *, group: twice)
    with pytest.raises(UsageError, match="claimed twice"):
        registry.entries()


@pytest.mark.parametrize("loaded", [None, RuntimeEntry, {"format": "onnx"}])
def test_a_plugin_that_names_something_else_is_refused(install, loaded):
    install(doubler=loaded)
    with pytest.raises(UsageError, match=r"'doubler' .*is no RuntimeEntry"):
        registry.entries()


def test_a_plugin_that_cannot_be_imported_is_named(install):
    install(doubler=ModuleNotFoundError("No module named 'their_package'"))
    with pytest.raises(UsageError, match=r"'doubler' \(their_package.doubler:entry\)") as caught:
        registry.entries()
    assert "No module named" in str(caught.value)


def test_the_built_in_table_is_not_changed_by_plugins(install):
    before = dict(registry.RUNTIMES)
    install(doubler=ENTRY)
    registry.entries()
    assert before == registry.RUNTIMES
