"""Noise turned into advice: what was seen, what it does to the numbers, what to type.

Nothing is said of what could not be read.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from spinn_edge.bench.machine.environment import WORKER_THREAD_VARIABLES, Environment
from spinn_edge.bench.machine.machine_load import MachineLoad
from spinn_edge.bench.measurement import Row

STEAL_SHARE = 0.01
"""A median does not see one sample in a hundred; a p99 is made of it."""

OTHERS_SHARE = 0.05
"""Clock, daemons and a terminal stay below; on two processors it is a tenth of one of them."""

PARENT_SHARE = 0.01
"""A parent that blocks on a pipe needs next to nothing: more than this says that it works."""

SHORTEST_RUN_S = 5.0
"""Run from which on the parent's share is told: starting a worker and reading its rows takes it up
to 20 ms, which is much of a short run and happens while nothing is timed."""

QUIET_LOAD = 0.5
"""Load average below which a machine counts as idle, though none of its processors is to spare."""

CAPPED_SHARE = 0.95
"""An allowed clock below this share of the highest one is a cap; drivers round by a few percent."""

_CLOCK_FOLLOWS_LOAD = (
    "the clock follows the load, so that the first runs, and runs behind a pause, are slower than "
    "those in a loop"
)
_LOWEST_CLOCK = "the clock is held at its lowest, so that nothing is as fast as it can be"
_MOVING_GOVERNORS = ("conservative", "ondemand", "schedutil")
_POWERSAVE_MOVES = ("intel_pstate", "amd-pstate-epp", "amd_pstate_epp")
"""Drivers whose ``powersave`` follows the load; all others' holds the lowest clock.

Source: Linux kernel, intel_pstate and amd-pstate CPU Performance Scaling Driver.
"""


def noise_advice(
    environment: Environment, load: MachineLoad | None, rows: Sequence[Row] = ()
) -> tuple[str, ...]:
    """Say what made the numbers of a run noisy, and what to change.

    Args:
        environment: the machine, as it was before the run.
        load: what else it did during the run; None where nobody watched.
        rows: what was timed: how many threads it wanted, and whether a GPU took part.

    Returns:
        Sentences, those about this run first; empty when nothing was seen.
    """
    threads = max((row.threads for row in rows), default=1)
    return (
        *(_of_run(load) if load is not None else ()),
        *_load_average(environment, load, threads),
        *_threads(environment, rows),
        *_clock(environment),
        *_sharing(environment),
        *(_gpu(environment) if any(_on_gpu(row) for row in rows) else ()),
    )


def _of_run(load: MachineLoad) -> Iterator[str]:
    if load.busy_share_others is not None and load.busy_share_others > OTHERS_SHARE:
        yield (
            f"Other programs took {_percent(load.busy_share_others)} of all processors' time "
            "during the run: they lengthen the tail, and the median once they share a core. Look "
            "for them with: top -o %CPU; then end them and measure again"
        )
    if load.steal_share is not None and load.steal_share > STEAL_SHARE:
        yield (
            f"The hypervisor gave {_percent(load.steal_share)} of the processors' time to other "
            "machines (steal): p99 and above show the neighbours, not the model. Watch it with: "
            "vmstat 1; measure again when the column st is 0, or on a machine of your own"
        )
    parent_share = load.parent_cpu_share if load.duration_s >= SHORTEST_RUN_S else None
    if parent_share is not None and parent_share > PARENT_SHARE:
        yield (
            f"The process that started the workers took {_percent(parent_share)} of a "
            "processor itself: it should sleep meanwhile, and competes with what it measures. "
            "Start the measurement from a terminal (spinn-edge bench), not inside a program that "
            "is at work"
        )
    if load.throttle_events:
        yield (
            f"Heat cut the processors' clock {load.throttle_events} times during the run: what "
            "was timed late is slower than what was timed early. Cool the machine, or measure "
            "below the limit with: sudo cpupower frequency-set -u FREQUENCY"
        )


def _load_average(
    environment: Environment, load: MachineLoad | None, threads: int
) -> Iterator[str]:
    before = environment.load_1min
    if load is not None and load.load_1min_before is not None:
        before = load.load_1min_before
    free = max(0, environment.cores - threads)
    if before is not None and before > max(free, QUIET_LOAD):
        yield (
            f"The load average was {before:g} before the start, and {free} of {environment.cores} "
            f"processors were to spare beside {threads} for the model: it had to share. Wait "
            "until uptime shows less, or end what top shows"
        )


def _threads(environment: Environment, rows: Sequence[Row]) -> Iterator[str]:
    wanted = {row.threads for row in rows}
    usable = environment.affinity
    if usable and wanted and max(wanted) > usable:
        yield (
            f"{max(wanted)} threads were wanted where {usable} processors may be used: threads "
            f"wait for each other, and the tail grows. Type: --threads {usable}, or allow more "
            "processors with: taskset"
        )
    found = environment.thread_variables
    ignored = {
        name: value
        for name, value in found.items()
        if name in WORKER_THREAD_VARIABLES and {value} != {str(number) for number in wanted}
    }
    if ignored:
        yield (
            f"{_assignments(ignored)} is set, and was not used: every worker gets the number of "
            "--threads, so that an application which keeps it runs with other threads than were "
            f"timed. Name that number with --threads, or type: unset {' '.join(ignored)}"
        )
    inherited = {n: value for n, value in found.items() if n not in WORKER_THREAD_VARIABLES}
    if inherited:
        yield (
            f"{_assignments(inherited)} is set, and every worker got it: it places threads or "
            "makes them wait in another way than by default, so that the figures hold only where "
            f"it is set too. Type: unset {' '.join(inherited)}"
        )


def _clock(environment: Environment) -> Iterator[str]:
    driver = environment.frequency_driver or ""
    for governor in environment.governors or ():
        if effect := _governor_effect(governor, driver):
            yield (
                f"The CPU governor is {governor}: {effect}. Type: sudo cpupower frequency-set -g "
                "performance"
            )
    if environment.turbo:
        intel = driver.startswith("intel")  # intel_pstate, and intel_cpufreq, its passive mode
        switch = "1", "intel_pstate/no_turbo"
        value, file = switch if intel else ("0", "cpufreq/boost")
        yield (
            "Turbo is on: the clock is above its nominal value until heat or power end that, so "
            "that a short measurement is faster than a long one, and one busy core faster than "
            f"many. Type: echo {value} | sudo tee /sys/devices/system/cpu/{file}"
        )
    limit, highest = environment.frequency_limit_hz, environment.max_frequency_hz
    # without turbo the two may differ by the turbo range, which is no cap
    if limit and highest and environment.turbo is not False and limit < CAPPED_SHARE * highest:
        yield (
            f"The clock is capped at {limit / 1e9:.2f} of {highest / 1e9:.2f} GHz: everything is "
            "slower than this processor can be. Type: sudo cpupower frequency-set -u "
            f"{highest // 1000}"
        )
    if environment.on_battery:
        yield (
            "The machine runs on its battery: firmware lowers clock and power as it likes, and the "
            "figures do not hold for the mains. Plug it in and measure again"
        )


def _governor_effect(governor: str, driver: str) -> str:
    if governor == "powersave":
        return _CLOCK_FOLLOWS_LOAD if driver in _POWERSAVE_MOVES else _LOWEST_CLOCK
    return _CLOCK_FOLLOWS_LOAD if governor in _MOVING_GOVERNORS else ""


def _sharing(environment: Environment) -> Iterator[str]:
    if environment.smt:
        yield (
            "SMT (hyper-threading) is on: two processors are one core, and a neighbour's work on "
            "the other one slows this one down. Pin the run to one processor of each core (see "
            "lscpu -e) with taskset, or type: echo off | sudo tee "
            "/sys/devices/system/cpu/smt/control"
        )
    clock_unknown = environment.governors is None and environment.frequency_hz is None
    if environment.virtual_machine and clock_unknown:
        yield (
            "This is a virtual machine that does not show its clock: the host may change its speed "
            "by a factor between two runs, and nothing here would show it. Trust ratios of things "
            "measured side by side (--baseline, --launches 5), not seconds of different days"
        )


def _gpu(environment: Environment) -> Iterator[str]:
    state = environment.gpu_state
    if state is None:
        return
    if state.persistence is False:
        yield (
            "The GPU's persistence mode is off: the driver lets it go between two processes, which "
            "is part of every load and first inference. Type: sudo nvidia-smi -pm 1"
        )
    if state.slowed_by:
        yield (
            f"The GPU's clock was held down by {' and '.join(state.slowed_by)}: it is slower than "
            "it can be, and will change when that ends. Look with: nvidia-smi -q -d PERFORMANCE"
        )


def _on_gpu(row: Row) -> bool:
    return row.facts is not None and row.facts.device != "cpu"


def _assignments(variables: dict[str, str]) -> str:
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
