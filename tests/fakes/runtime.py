"""A clock and a runtime that take no time, and a bundle small enough to read.

The bundle's model is ``y = 2 x``; it needs neither torch nor onnxruntime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from spinn_edge.core.bundle import Bundle, describe_file, finish
from spinn_edge.core.golden import GOLDEN_NAME, Golden
from spinn_edge.core.manifest import (
    SCHEMA_VERSION,
    Architecture,
    Manifest,
    OutputTolerance,
    Training,
)
from spinn_edge.core.tensors import Array, Feeds, TensorSpec
from spinn_edge.runtimes.base import (
    Availability,
    DeviceStages,
    OpenOptions,
    RuntimeEntry,
    RuntimeFacts,
)

FLOAT32 = np.dtype(np.float32)
INPUTS = (TensorSpec("x", (None, 3), FLOAT32),)
OUTPUTS = (TensorSpec("y", (None, 3), FLOAT32),)
TOLERANCE = 1e-4
ROWS = 8
RUN_NS = 1_000_000
DEVICE_NS = 7_000_000
ENTRY = RuntimeEntry(
    format="doubling",
    opener="tests.fakes.runtime:open_fake",
    probe="tests.fakes.runtime:probe_fake",
)


class FakeClock:
    """Nanoseconds that stand still until something advances them."""

    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns

    def advance(self, ns: int) -> None:
        self.now_ns += ns


def double(feeds: Feeds) -> dict[str, Array]:
    """Return what the bundle's model computes."""
    return {"y": 2 * feeds["x"]}


class FakeRuntime:
    """Computes ``compute``; every run moves the clock by the next of ``durations_ns``.

    Attributes:
        calls: names of the methods that were called, in order.
        runs: inferences so far.
    """

    def __init__(
        self,
        compute: Callable[[Feeds], dict[str, Array]] = double,
        clock: FakeClock | None = None,
        durations_ns: Iterator[int] | None = None,
    ) -> None:
        self.inputs: tuple[TensorSpec, ...] = INPUTS
        self.outputs: tuple[TensorSpec, ...] = OUTPUTS
        self.facts = RuntimeFacts(file="model.txt")
        self.calls: list[str] = []
        self.runs = 0
        self._compute = compute
        self._clock = clock or FakeClock()
        self._durations_ns = durations_ns
        self._feeds: Feeds = {}
        self._result: dict[str, Array] = {}

    def bind(self, feeds: Feeds) -> None:
        self.calls.append("bind")
        self._feeds = feeds

    def run(self) -> None:
        self.calls.append("run")
        self.runs += 1
        self._result = self._compute(self._feeds)
        self._clock.advance(next(self._durations_ns) if self._durations_ns else RUN_NS)

    def sync(self) -> None:
        self.calls.append("sync")

    def fetch(self) -> dict[str, Array]:
        self.calls.append("fetch")
        return self._result

    def close(self) -> None:
        self.calls.append("close")


class FakeDeviceRuntime(FakeRuntime):
    """Starts in ``durations_ns``; the device then works for ``DEVICE_NS`` until it is waited for.

    Attributes:
        kernels: what one inference launches.
        stages: what ``time_stages`` returns, one after the other; the last one stays.
    """

    def __init__(
        self,
        compute: Callable[[Feeds], dict[str, Array]] = double,
        clock: FakeClock | None = None,
        durations_ns: Iterator[int] | None = None,
        *,
        kernels: int | None = 4,
        stages: tuple[DeviceStages, ...] = (
            DeviceStages(upload_s=1e-6, compute_s=20e-6, download_s=3e-6),
        ),
    ) -> None:
        super().__init__(compute, clock, durations_ns)
        self.facts = RuntimeFacts(file="model.txt", device="a GPU (SM86)", tf32=False)
        self.kernels = kernels
        self.stages = stages
        self._timed = 0

    def sync(self) -> None:
        super().sync()
        self._clock.advance(DEVICE_NS)

    def time_stages(self) -> DeviceStages:
        self.calls.append("time_stages")
        self._result = self._compute(self._feeds)
        self._clock.advance(DEVICE_NS)
        self._timed += 1
        return self.stages[min(self._timed, len(self.stages)) - 1]

    def count_launches(self) -> int | None:
        self.calls.append("count_launches")
        return self.kernels


def open_fake(bundle: Bundle, options: OpenOptions) -> FakeRuntime:
    """Open the fake; tests put their own function in this one's place."""
    return FakeRuntime()


def probe_fake() -> Availability:
    """Say that it can work anywhere."""
    return Availability(version="1.0")


def doubling_bundle(
    root: Path,
    *,
    training: Training | None = None,
    files: tuple[str, ...] = (),
    precisions: tuple[str, ...] = ("fp32",),
) -> Bundle:
    """Write a bundle of ``y = 2 x`` with eight golden samples and one file of format ``doubling``.

    Args:
        root: folder to make.
        training: for the manifest.
        files: names of further files of format ``other``.
        precisions: of its files of format ``doubling``; those after the first are called after
            their precision.
    """
    root.mkdir(parents=True)
    x = np.random.default_rng(0).standard_normal((ROWS, 3)).astype(FLOAT32)
    Golden(inputs={"x": x}, outputs={"y": 2 * x.astype(np.float64)}).save(root / GOLDEN_NAME)
    entries = [describe_file(root, GOLDEN_NAME, "golden")]
    for number, precision in enumerate(precisions):
        name = f"model.{precision}.txt" if number else "model.txt"
        (root / name).write_text("y = 2 x" + number * ";", encoding="utf-8")
        entries.append(describe_file(root, name, "doubling", precision=precision))
    for name in files:
        (root / name).write_text("y = 2 x", encoding="utf-8")
        entries.append(describe_file(root, name, "other"))
    channels = (1.0, 1.0, 1.0)
    limits = OutputTolerance(
        scale=channels, eager_error=(0.0, 0.0, 0.0), tolerance=(TOLERANCE,) * 3
    )
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        created_utc="2026-01-01T00:00:00+00:00",
        created_by="spinn-edge tests",
        architecture=Architecture(kind="mlp", widths=(3, 3), activation="tanh"),
        inputs=INPUTS,
        outputs=OUTPUTS,
        max_batch=ROWS,
        parameters=12,
        nonzero_parameters=12,
        flops_per_sample=18,
        golden_source="normal noise",
        parity={"y": limits},
        files=tuple(entries),
        training=training,
    )
    finish(root, manifest)
    return Bundle.load(root)
