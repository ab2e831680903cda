"""Sound exports of random networks pass every check: no false alarm.

The whole figure, 20 MLPs and 5 CNNs, is taken by ``benchmarks/accuracy_check.py``.
"""

from __future__ import annotations

import json
import sys

import pytest

from spinn_edge.cli.app import main
from tests.fakes.random_networks import ROWS, write_random_bundle


@pytest.mark.parametrize(("kind", "number"), [("mlp", 0), ("mlp", 1), ("mlp", 2), ("cnn", 0)])
def test_a_random_network_is_exported_verified_and_searched_without_alarm(
    kind, number, tmp_path, monkeypatch
):
    bundle = write_random_bundle(kind, number, tmp_path)
    for entry in bundle.manifest.files_of("onnx"):
        assert entry.batch_proof is not None
        assert entry.batch_proof.beyond == ROWS + 1
        assert entry.search is not None
        assert entry.search.passed
    document = tmp_path / "v.json"
    command = ["spinn-edge", "verify", str(bundle.root), "--runtime", "eager,ort-cpu", "--search"]
    monkeypatch.setattr(sys, "argv", [*command, "--trust-factory", "--json", str(document)])
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code
    verified = json.loads(document.read_text(encoding="utf-8"))
    assert verified["passed"]
    searched = [(found["runtime"], found["precision"]) for found in verified["searches"]]
    assert searched == [("eager", "fp32"), ("ort-cpu", "fp32"), ("ort-cpu", "fp16")]
