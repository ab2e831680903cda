"""Does ``verify`` find what is wrong, and leave alone what is right?

``PYTHONPATH=. python benchmarks/accuracy_check.py``. Prints a Markdown table; needs no bundle, no
data and no GPU.

- *planted faults*: eight kinds of fault, each in a real file of a real bundle; found means that
  ``spinn-edge verify --search`` leaves with the exit code of that fault and its message names it.
- *false alarms*: 20 random MLPs and 5 random CNNs, each exported in float32 and float16 to ONNX,
  TorchScript and PT2 (which proves and searches every file), then verified and searched again.
- *derivatives*: of 10 random MLPs, exported to ONNX, against float64 automatic differentiation, at
  batch 1, 2, 7, 64 and 129.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import sys
import tempfile
from pathlib import Path

from spinn_edge.core.errors import ExportError
from tests.fakes.derivative_networks import ALLOWED, derivative_errors
from tests.fakes.planted_faults import FAULTS, write_sound_bundles
from tests.fakes.random_networks import write_random_bundle

MLPS, CNNS, DERIVATIVE_MLPS = 20, 5, 10
FORMATS = ("torchscript", "pt2", "onnx")
RUNTIMES = "eager,torchscript,pt2,ort-cpu"


def main() -> int:
    """Print the table; return 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--mlps", type=int, default=MLPS)
    parser.add_argument("--cnns", type=int, default=CNNS)
    options = parser.parse_args()
    print("| figure | wanted | measured |\n|---|---|---|", flush=True)
    missed = planted_faults()
    alarms = false_alarms(options.mlps, options.cnns)
    wrong = wrong_derivatives()
    for line in (*missed, *alarms, *wrong):
        print(f"\n{line}")
    return 1 if missed or alarms or wrong else 0


def planted_faults() -> list[str]:
    """Plant each fault and verify; print the figure, return those that were not found."""
    missed, kinds = [], 0
    with tempfile.TemporaryDirectory() as folder:
        write_sound_bundles(Path(folder))
        for bundle, faults in FAULTS.items():
            for fault in faults:
                kinds += 1
                root = Path(folder) / "planted"
                shutil.copytree(Path(folder) / bundle, root)
                fault.plant(root)
                code, said = verify(root, "ort-cpu")
                if code != fault.exit_code or not all(words in said for words in fault.named):
                    missed.append(f"not found: {fault.name}: exit {code}: {said}")
                shutil.rmtree(root)
    found = kinds - len(missed)
    print(
        f"| planted faults, found and named | {kinds} of {kinds} | {found} of {kinds} |", flush=True
    )
    return missed


def false_alarms(mlps: int, cnns: int) -> list[str]:
    """Export and verify random networks; print the figure, return what was alarmed about."""
    alarms, files = [], 0
    networks = [("mlp", number) for number in range(mlps)]
    networks += [("cnn", number) for number in range(cnns)]
    for kind, number in networks:
        with tempfile.TemporaryDirectory() as folder:
            try:
                bundle = write_random_bundle(kind, number, Path(folder), FORMATS)
            except ExportError as exc:
                alarms.append(f"{kind} {number}: export: {exc}")
                continue
            files += sum(1 for entry in bundle.manifest.files if entry.proof)
            code, said = verify(bundle.root, RUNTIMES)
            if code:
                alarms.append(f"{kind} {number}: verify: exit {code}: {said}")
    what = f"false alarms on {mlps} random MLPs and {cnns} CNNs, {files} files"
    print(f"| {what} | 0 | {len(alarms)} |", flush=True)
    return alarms


def wrong_derivatives() -> list[str]:
    """Export derivatives of random networks; print the figure, return what is beyond it."""
    worst = dict.fromkeys(ALLOWED, 0.0)
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(DERIVATIVE_MLPS):
            for order, error in derivative_errors(seed, Path(folder) / str(seed)).items():
                worst[order] = max(worst[order], error)
    for order, error in worst.items():
        what = f"derivatives of order {order}, {DERIVATIVE_MLPS} random MLPs: error over scale"
        print(f"| {what} | ≤ {ALLOWED[order]:g} | {error:.1e} |", flush=True)
    return [
        f"derivatives of order {order} are off by {error:.1e} of scale"
        for order, error in worst.items()
        if error > ALLOWED[order]
    ]


def verify(root: Path, runtimes: str) -> tuple[int, str]:
    """Type ``spinn-edge verify``; return the exit code and what it wrote to standard error."""
    from spinn_edge.cli.app import main as spinn_edge

    before, said = sys.argv, io.StringIO()
    sys.argv = ["spinn-edge", "verify", str(root), "--runtime", runtimes, "--search"]
    sys.argv += ["--trust-factory"]
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
            spinn_edge()
    except SystemExit as exc:
        return int(exc.code or 0), said.getvalue()
    finally:
        sys.argv = before
    return 0, said.getvalue()


if __name__ == "__main__":
    sys.exit(main())
