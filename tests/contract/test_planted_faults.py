"""Faults in real files are found by ``spinn-edge verify``, and its message names each."""

from __future__ import annotations

import shutil
import sys

import pytest

from spinn_edge.cli.app import main
from tests.fakes.planted_faults import FAULTS, write_sound_bundles


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    write_sound_bundles(folder)
    return folder


@pytest.fixture
def verify(monkeypatch, capsys):
    """Type ``spinn-edge verify``; return the exit code and the message."""

    def verify(root, *options):
        command = ("spinn-edge", "verify", str(root), "--runtime", "ort-cpu", "--search")
        monkeypatch.setattr(sys, "argv", [*command, "--trust-factory", *options])
        code = 0
        try:
            main()
        except SystemExit as exc:
            code = int(exc.code or 0)
        return code, capsys.readouterr().err

    return verify


@pytest.mark.parametrize("name", FAULTS)
def test_the_sound_bundle_passes(sound, verify, name):
    code, said = verify(sound / name)
    assert (code, "error" in said) == (0, False), said


@pytest.mark.parametrize(
    ("bundle", "fault"),
    [pytest.param(name, f, id=f.name) for name, faults in FAULTS.items() for f in faults],
)
def test_a_planted_fault_is_found_and_named(sound, verify, tmp_path, bundle, fault):
    root = tmp_path / "bundle"
    shutil.copytree(sound / bundle, root)
    fault.plant(root)
    code, said = verify(root)
    assert code == fault.exit_code, said
    (message,) = [line for line in said.splitlines() if line.startswith("error: ")]
    for words in fault.named:
        assert words in message
