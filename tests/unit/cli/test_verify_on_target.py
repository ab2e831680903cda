"""``spinn-edge verify`` with numpy and onnxruntime only: in a process that can import no torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spinn_edge.core.bundle import Bundle

ABSENT = ("torch", "onnx", "onnxscript", "safetensors", "scipy", "pandas", "sklearn")
CODE = """
import json, sys
for name in {absent}:
    sys.modules[name] = None  # what importlib takes for "not installed"
from spinn_edge.cli.app import main
sys.argv = ["spinn-edge", *{arguments}]
try:
    main()
finally:
    print(json.dumps(sorted(n for n in sys.modules if sys.modules[n])), file=sys.stderr)
"""


def verify(*arguments: str) -> tuple[int, str, str, set[str]]:
    """Return exit code, standard output, standard error, and what was imported."""
    code = CODE.format(absent=ABSENT, arguments=["verify", *arguments])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    *said, modules = done.stderr.splitlines()
    found = modules if modules.startswith("[") else next(s for s in said if s.startswith("["))
    return done.returncode, done.stdout, done.stderr, set(json.loads(found))


def test_golden_vectors_are_checked_without_torch(tiny_bundle: Bundle) -> None:
    code, out, err, modules = verify(str(tiny_bundle.root), "--runtime", "ort-cpu", "--json", "-")
    assert code == 0, err
    document = json.loads(out)
    assert document["passed"] is True
    assert {check["batch"] for check in document["checks"]} == {1, 2, 7, 16}
    assert "onnxruntime" in modules
    assert not modules & set(ABSENT)


def test_nothing_that_makes_or_trains_models_is_imported(tiny_bundle: Bundle) -> None:
    *_, modules = verify(str(tiny_bundle.root), "--runtime", "ort-cpu")
    layers = ("spinn_edge.export", "spinn_edge.pruning", "spinn_edge.demo")
    assert not [name for name in modules if name.startswith(layers)]


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (lambda root: (root / "model.onnx").write_bytes(b"x"), 5, "sha256 differs"),
        (lambda root: (root / "golden.npz").unlink(), 5, "golden.npz is missing"),
    ],
)
def test_damage_is_found_without_torch(
    tiny_bundle: Bundle, tmp_path: Path, spoil: object, code: int, words: str
) -> None:
    shutil.copytree(tiny_bundle.root, tmp_path / "b")
    assert callable(spoil)
    spoil(tmp_path / "b")
    found, _, err, _ = verify(str(tmp_path / "b"), "--runtime", "ort-cpu")
    assert (found, words in err) == (code, True), err


def test_wrong_outputs_are_found_without_torch(tiny_bundle: Bundle, tmp_path: Path) -> None:
    from dataclasses import replace

    from spinn_edge.core.bundle import describe_file, finish
    from spinn_edge.core.golden import Golden

    root = tmp_path / "b"
    shutil.copytree(tiny_bundle.root, root)
    golden = tiny_bundle.golden()
    wrong = {name: array + np.eye(*array.shape) for name, array in golden.outputs.items()}
    Golden(inputs=golden.inputs, outputs=wrong).save(root / "golden.npz")
    files = tuple(
        describe_file(root, entry.path, entry.format) if entry.format == "golden" else entry
        for entry in tiny_bundle.manifest.files
    )
    finish(root, replace(tiny_bundle.manifest, files=files))
    code, out, err, _ = verify(str(root), "--runtime", "ort-cpu")
    assert code == 8, err
    assert "failed" in out


def test_locating_says_what_it_lacks(tiny_bundle: Bundle) -> None:
    code, _, err, _ = verify(str(tiny_bundle.root), "--locate")
    assert code == 3
    assert "pip install 'spinn-edge[export]'" in err
