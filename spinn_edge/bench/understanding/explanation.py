"""How near a model is to this machine's limits, and what would bring it nearer: all parts at once.

Each part is a measurement of its own with launches that alternate, so figures are compared within
a part; the same thing may come out a little different in another part.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spinn_edge.bench.machine.environment import Environment, describe_environment
from spinn_edge.bench.machine.machine_load import LoadWatch, MachineLoad
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.contenders import Contender, time_contenders
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.bench.understanding.ceilings import Ceilings, measure_ceilings
from spinn_edge.bench.understanding.dispatch_floor import (
    DispatchFloor,
    measure_dispatch_floors,
    scaled_widths,
)
from spinn_edge.bench.understanding.explain_obstacles import LeftOut, check_runtime, parts_left_out
from spinn_edge.bench.understanding.explain_request import (
    FLOOR,
    ROOFLINE,
    THREADS,
    WIDTHS,
    ExplainRequest,
)
from spinn_edge.bench.understanding.roofline import RooflineRow, rooflines
from spinn_edge.bench.understanding.thread_probe import ThreadProbe, probe_threads
from spinn_edge.bench.understanding.width_advice import WidthAdvice, advise_widths, roundings
from spinn_edge.bench.understanding.width_variants import WidthVariants
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import encode
from spinn_edge.core.errors import InferenceError
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.core.words import dashed

EXPLANATION_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything that was found out. A part that was not asked for, or was left out, is empty.

    Attributes:
        created_utc: ISO 8601 time of its start.
        environment: the machine.
        bundle: what was explained.
        runtime: on which runtime.
        launches: fresh processes for each thing that was timed.
        timed: the bundle's own row at each batch size, what the rooflines are of.
        ceilings: the machine's, in the same session; None without rooflines.
        rooflines: one for each of ``timed``.
        floors: one for each batch size.
        threads: likewise.
        widths: likewise.
        left_out: parts that were asked for only as parts of all.
        load: what else the machine did meanwhile.
    """

    created_utc: str
    environment: Environment
    bundle: BundleFacts
    runtime: str
    launches: int
    timed: tuple[Row, ...] = ()
    ceilings: Ceilings | None = None
    rooflines: tuple[RooflineRow, ...] = ()
    floors: tuple[DispatchFloor, ...] = ()
    threads: tuple[ThreadProbe, ...] = ()
    widths: tuple[WidthAdvice, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    load: MachineLoad | None = None

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every timing, in the order of the parts."""
        floors = (row for found in self.floors for row in (found.own, *_rows(found.points)))
        threads = (row for found in self.threads for row in _rows(found.trials))
        widths = (row for found in self.widths for row in (found.own, *_rows(found.trials)))
        parts = (self.timed, floors, threads, widths)
        return tuple(row for part in parts for row in part if row is not None)

    def to_json(self) -> dict[str, Any]:
        """Return the published document."""
        return {
            "schema_version": EXPLANATION_SCHEMA_VERSION,
            "created_utc": self.created_utc,
            "environment": encode(self.environment),
            "load": encode(self.load),
            "bundle": encode(self.bundle),
            "runtime": self.runtime,
            "launches": self.launches,
            ROOFLINE: {
                "ceilings": encode(self.ceilings),
                "rows": encode(self.rooflines),
                "timed": encode(self.timed),
            },
            FLOOR: encode(self.floors),
            THREADS: encode(self.threads),
            WIDTHS: encode(self.widths),
            "left_out": encode(self.left_out),
        }


def explain(
    bundle: Bundle,
    request: ExplainRequest | None = None,
    *,
    on_step: OnStep = unheard,
    describe: Callable[[], Environment] = describe_environment,
) -> Explanation:
    """Measure what a request asks for.

    Everything that must be written is written before anything is timed.

    Args:
        bundle: holds a file for the request's runtime.
        request: parts, runtime, batches; None for the defaults.
        on_step: called before each network is written and before each launch with a few words,
            and how many networks, or rounds of launches of this part, have ended, of how many.
        describe: reads the machine.

    Raises:
        UsageError: a part that was named says nothing of this model.
        RuntimeUnavailableError: the runtime cannot work here, or the bundle holds no file for it.
        ExportError: a network for the parts floor and widths could not be written.
        MissingDependencyError: a package that a named part needs is not installed.
        InferenceError: the roofline was named, and the machine's ceilings could not be measured.
    """
    request = request or ExplainRequest(every_part=True)
    check_runtime(bundle, request.runtime)
    left_out = parts_left_out(bundle, request)
    parts = [part for part in request.parts if part not in {item.part for item in left_out}]
    created = datetime.now(UTC).isoformat(timespec="seconds")
    environment = describe()
    found: dict[str, Any] = {}

    def listener(part: str) -> Callable[[Contender, int], None]:
        def say(contender: Contender, launch: int) -> None:
            words = f"{part}: launch {launch} of {request.launches}: {contender.label}"
            on_step(words, launch - 1, request.launches)

        return say

    with tempfile.TemporaryDirectory(prefix="spinn-edge-") as folder:
        variants = None
        if FLOOR in parts or WIDTHS in parts:
            variants = _written(bundle, request, parts, Path(folder), on_step)
        watch = LoadWatch.start()
        if FLOOR in parts and variants is not None:
            found["floors"] = measure_dispatch_floors(
                bundle,
                variants,
                request.schedule,
                runtime=request.runtime,
                options=request.options,
                on_launch=listener(FLOOR),
            )
        if ROOFLINE in parts:
            try:
                found |= _roofline(bundle, request, environment, found, listener, on_step)
            except InferenceError as exc:
                if not request.every_part:
                    raise
                left_out += (LeftOut.because(ROOFLINE, exc),)
        if THREADS in parts:
            found["threads"] = probe_threads(
                bundle,
                request.schedule,
                runtime=request.runtime,
                options=request.options,
                cores=environment.affinity or environment.cores,
                on_launch=listener(THREADS),
            )
        if WIDTHS in parts and variants is not None:
            found["widths"] = advise_widths(
                bundle.manifest,
                variants,
                request.schedule,
                runtime=request.runtime,
                options=request.options,
                on_launch=listener(WIDTHS),
            )
        load = watch.stop()
    return Explanation(
        created_utc=created,
        environment=environment,
        bundle=BundleFacts.of(bundle, bundle.name, baseline=False),
        runtime=request.runtime,
        launches=request.launches,
        left_out=left_out,
        load=load,
        **found,
    )


def _roofline(
    bundle: Bundle,
    request: ExplainRequest,
    environment: Environment,
    found: Mapping[str, Any],
    listener: Callable[[str], Callable[[Contender, int], None]],
    on_step: OnStep,
) -> dict[str, Any]:
    """Hold the bundle's latency against the machine; one that the floor measured is taken."""
    floors: Sequence[DispatchFloor] = found.get("floors", ())
    rows = [floor.own for floor in floors]
    if not rows:
        own = Contender(
            label=bundle.name, bundle=bundle, runtime=request.runtime, options=request.options
        )
        (rows,) = time_contenders([own], request.schedule, on_launch=listener(ROOFLINE))
    if not any(row.samples_s for row in rows):
        return {"timed": (*rows,)}
    on_step(f"{ROOFLINE}: products and copies of this machine", 0, 1)
    ceilings = measure_ceilings(threads=1, launches=request.launches, timeout_s=request.timeout_s)
    facts = BundleFacts.of(bundle, bundle.name, baseline=False)
    result = BenchResult(created_utc="", environment=environment, bundles=(facts,), rows=(*rows,))
    known = {floor.batch: floor.floor_s for floor in floors}
    held = rooflines(
        result,
        {1: ceilings},
        floor_of=lambda row: known.get(row.batch),
        manifests={bundle.name: bundle.manifest},
    )
    return {"timed": (*rows,), "ceilings": ceilings, "rooflines": (*held,)}


def _written(
    bundle: Bundle,
    request: ExplainRequest,
    parts: list[str],
    folder: Path,
    on_step: OnStep,
) -> WidthVariants:
    """Write every network that will be timed: an export beside a measurement would disturb it."""
    variants = WidthVariants(
        bundle, folder, runtime=request.runtime, max_batch=max(request.batches)
    )
    own = variants.widths[1:-1]
    wanted = [tuple(hidden) for hidden in scaled_widths(own)] if FLOOR in parts else []
    if WIDTHS in parts:
        others = {r.widths[1:-1] for r in roundings(bundle.manifest) if r.widths} - {own}
        wanted += sorted(others | {own}) if others else []
    wanted = list(dict.fromkeys(wanted))
    for number, hidden in enumerate(wanted):
        words = dashed((variants.widths[0], *hidden, variants.widths[-1]))
        on_step(f"writing {words} with random weights", number, len(wanted))
        variants.at(hidden)
    return variants


def _rows(items: Any) -> tuple[Row | None, ...]:
    return tuple(item.row for item in items)
