"""Us against others, in one run, on the same ONNX file with one thread.

``python benchmarks/peers.py BUNDLE [BUNDLE ...] --out benchmarks/results``, on a machine that does
nothing else. The others come with ``pip install -r benchmarks/requirements.txt``; one that is not
installed is a line that says so.

Every peer gets a fresh process for each launch, launches alternate over all of them, and each
proves its outputs against the bundle's golden ones first: a peer that computes something else gets
no number. The loop around the call, the warm-up, the feeds and the number of samples are the same
for all; see ``peer_worker.py`` and ``peer_loops.py``. Ratios are to the bare loop of the same
boundary, paired by launches. A second table holds what other harnesses report of a model beside
what ``spinn-edge bench`` does.

Prints Markdown; ``--out`` also writes ``peers-<machine>.json`` and ``.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from peer_harnesses import HARNESSES
from peer_loops import PEERS, REFERENCE
from peer_tables import PeerRow, harness_document, harness_table, peer_table, rows_document
from peer_worker import parse_samples
from recorded import machine_lines, machine_name, write_recorded

from spinn_edge.bench.boundaries import BOUND, HOST_TO_HOST
from spinn_edge.bench.machine.environment import WORKER_THREAD_VARIABLES, describe_environment
from spinn_edge.bench.machine.machine_load import LoadWatch
from spinn_edge.bench.machine.noise_advice import noise_advice
from spinn_edge.bench.session import BenchRequest, run_bench
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import encode
from spinn_edge.core.optional import installed_version
from spinn_edge.report.formatting import dashed

WORKER = Path(__file__).resolve().parent / "peer_worker.py"
SAMPLES = "1=5000,1000=250"
"""At a batch of 1000 five launches then hold the thousand that a 99th percentile needs."""
TIMEOUT_S = 300.0
INSTALL = "pip install -r benchmarks/requirements.txt"
OUR_RUNTIMES = ("ort-cpu", "eager")
DISTRIBUTIONS = {name: peer.distribution for name, peer in PEERS.items()} | {
    name: harness.distribution for name, harness in HARNESSES.items()
}
"""Packages behind everything that gets a process, in the order of the launches."""

Answer = dict[str, Any]


@dataclass(slots=True)
class Collected:
    """Answers on one bundle, launch after launch.

    Attributes:
        peers: by peer or harness and batch size.
        ours: of ``spinn-edge bench``, by runtime, boundary and batch size.
        ended: why a peer is not launched again.
    """

    peers: dict[tuple[str, int], list[Answer]] = field(default_factory=lambda: defaultdict(list))
    ours: dict[tuple[str, str, int], list[Answer]] = field(
        default_factory=lambda: defaultdict(list)
    )
    ended: dict[str, str] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write."""
    options = _parse(arguments)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    environment = describe_environment()
    bundles = {str(path): Bundle.load(path) for path in options.bundles}
    collected = {path: Collected() for path in bundles}
    started, watch = time.monotonic(), LoadWatch.start()
    for launch in range(1, options.launches + 1):
        for path, bundle in bundles.items():
            print(f"launch {launch} of {options.launches}, {bundle.name}", file=sys.stderr)
            _launch_all(bundle, options.samples, collected[path])
    load, wall_s = watch.stop(), round(time.monotonic() - started, 1)
    page = [f"# Peers on {machine_name(environment)}", ""]
    page += [f"`{_command(options)}`; launches: {options.launches}; {wall_s} s; {created}.", ""]
    measured = []
    for path, bundle in bundles.items():
        rows = _rows(collected[path], PEERS, options.samples)
        asked = _rows(collected[path], HARNESSES, options.samples)
        ours = [_ours_beside(row, collected[path]) for row in asked]
        widths = dashed(bundle.manifest.architecture.widths)
        page += [f"## {bundle.name}{f', {widths}' if widths else ''}", ""]
        for boundary in REFERENCE:
            page += peer_table(rows, boundary)
        page += harness_table(asked, ours)
        measured.append(
            {
                "bundle": bundle.name,
                "widths": list(bundle.manifest.architecture.widths),
                "onnx_sha256": bundle.manifest.files_of("onnx", "fp32")[0].sha256,
                "peers": rows_document(rows),
                "harnesses": harness_document(asked, ours),
            }
        )
    versions = _versions()
    page += machine_lines(environment, noise_advice(environment, load), versions)
    print("\n".join(page))
    if options.out is not None:
        document = {
            "created_utc": created,
            "command": _command(options),
            "wall_s": wall_s,
            "launches": options.launches,
            "samples": {str(batch): count for batch, count in options.samples.items()},
            "threads": 1,
            "environment": encode(environment),
            "versions": versions,
            "load": encode(load),
            "measured": measured,
        }
        write_recorded(options.out, "peers", machine_name(environment), document, page)
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("bundles", type=Path, nargs="+", help="each holds an ONNX file")
    parser.add_argument("--launches", type=int, default=5, help="processes for each peer")
    parser.add_argument(
        "--samples",
        type=parse_samples,
        default=parse_samples(SAMPLES),
        help=f"how many at which batch size, default {SAMPLES}",
    )
    parser.add_argument("--out", type=Path, help="folder to write the tables and the machine into")
    return parser.parse_args(arguments)


def _command(options: argparse.Namespace) -> str:
    names = " ".join(path.name for path in options.bundles)
    return f"python benchmarks/peers.py {names} --out benchmarks/results"


def _launch_all(bundle: Bundle, samples: Mapping[int, int], collected: Collected) -> None:
    """Launch every peer, every harness and ``spinn-edge bench`` once."""
    for name, distribution in DISTRIBUTIONS.items():
        if installed_version(distribution) is None:
            collected.ended[name] = f"not installed: {INSTALL}"
        if name in collected.ended:
            continue
        answers = _ask(name, bundle, samples)
        if isinstance(answers, str):
            collected.ended[name] = answers
            continue
        for batch in samples:
            collected.peers[name, batch].append(answers[str(batch)])
    request = BenchRequest(
        runtimes=OUR_RUNTIMES,
        batches=tuple(samples),
        boundaries=(HOST_TO_HOST, BOUND),
        launches=1,
    )
    for row in run_bench(bundle, request).rows:
        answer = {"refused": row.reason, "samples_s": row.samples_s}
        collected.ours[row.runtime, row.boundary, row.batch].append(answer)


def _ask(name: str, bundle: Bundle, samples: Mapping[int, int]) -> Answer | str:
    """Return what a fresh process answers, else why it does not."""
    wanted = ",".join(f"{batch}={count}" for batch, count in samples.items())
    try:
        done = subprocess.run(
            [sys.executable, str(WORKER), name, str(bundle.root), wanted],
            env=os.environ | dict.fromkeys(WORKER_THREAD_VARIABLES, "1"),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        return f"not finished in {TIMEOUT_S:g} s"
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    answers: Answer = json.loads(done.stdout.splitlines()[-1])
    return answers


def _rows(
    collected: Collected, names: Mapping[str, object], samples: Mapping[int, int]
) -> list[PeerRow]:
    return [_row(name, batch, collected) for batch in samples for name in names]


def _row(name: str, batch: int, collected: Collected) -> PeerRow:
    if (reason := collected.ended.get(name)) is not None:
        return PeerRow(name=name, batch=batch, reason=reason)
    return PeerRow.of(name, batch, collected.peers[name, batch])


def _ours_beside(row: PeerRow, collected: Collected) -> PeerRow:
    """Return what ``spinn-edge bench`` answered for the model that a harness timed."""
    harness = HARNESSES[row.name]
    answers = collected.ours[harness.runtime, harness.boundary, row.batch]
    return PeerRow.of("ours", row.batch, answers)


def _versions() -> dict[str, str]:
    """Return those of the peers that are installed."""
    names = dict.fromkeys(DISTRIBUTIONS.values())
    return {name: found for name in names if (found := installed_version(name)) is not None}


if __name__ == "__main__":
    sys.exit(main())
