from dataclasses import replace

import pytest

from spinn_edge.bench.machine.environment import Environment
from spinn_edge.bench.machine.gpu_state import GpuState
from spinn_edge.bench.machine.machine_load import MachineLoad
from spinn_edge.bench.machine.noise_advice import (
    OTHERS_SHARE,
    PARENT_SHARE,
    SHORTEST_RUN_S,
    STEAL_SHARE,
    noise_advice,
)
from spinn_edge.bench.measurement import Row
from spinn_edge.runtimes.base import RuntimeFacts

QUIET = MachineLoad(
    duration_s=20.0,
    busy_share_others=OTHERS_SHARE,
    steal_share=STEAL_SHARE,
    parent_cpu_share=PARENT_SHARE,
    pressure_share=0.0,
    load_1min_before=0.1,
    load_1min_after=1.0,
    throttle_events=0,
)
TUNED = Environment(
    cpu="a CPU", cores=4, affinity=4, load_1min=0.1, gpu="none", system="Linux", python="3.11",
    packages={}, usable_processors=(0, 1, 2, 3), governors=("performance",),
    frequency_driver="intel_pstate", frequency_hz=3_000_000_000, frequency_limit_hz=3_000_000_000,
    max_frequency_hz=3_000_000_000, turbo=False, smt=False, memory_bytes=1 << 34,
    allocator="glibc 2.36", virtual_machine=False, container=False, on_battery=False,
)  # fmt: skip
UNREADABLE = Environment(
    cpu="a CPU", cores=4, affinity=0, load_1min=None, gpu="none", system="Linux", python="3.11",
    packages={},
)  # fmt: skip
COOL_GPU = GpuState(
    driver="580", clock_hz=1, max_clock_hz=2, memory_clock_hz=3, power_limit_w=70.0,
    persistence=True,
)  # fmt: skip


def row(threads=1, device="cpu"):
    return Row(
        bundle="b",
        runtime="ort-cpu",
        batch=1,
        status="ok",
        reason=None,
        threads=threads,
        facts=RuntimeFacts(device=device),
    )


def the_one(environment=TUNED, load=QUIET, rows=()):
    (sentence,) = noise_advice(environment, load, rows)
    return sentence


def test_a_quiet_and_tuned_machine_gets_no_advice():
    assert noise_advice(TUNED, QUIET, [row()]) == ()


@pytest.mark.parametrize("load", [None, MachineLoad(duration_s=1.0)])
def test_nothing_is_said_of_what_was_not_seen(load):
    assert noise_advice(UNREADABLE, load) == ()


# --- the run


@pytest.mark.parametrize(
    ("field", "threshold", "words"),
    [
        ("busy_share_others", OTHERS_SHARE, ("Other programs", "top -o %CPU")),
        ("steal_share", STEAL_SHARE, ("steal", "vmstat 1")),
        ("parent_cpu_share", PARENT_SHARE, ("started the workers", "spinn-edge bench")),
    ],
)
def test_a_share_is_told_above_its_threshold(field, threshold, words):
    sentence = the_one(load=replace(QUIET, **{field: threshold + 0.111}))
    assert f"{100 * threshold + 11.1:.1f} %" in sentence
    for word in words:
        assert word in sentence


def test_the_parent_s_share_of_a_short_run_is_not_told():
    load = replace(QUIET, parent_cpu_share=0.3, duration_s=SHORTEST_RUN_S)
    assert "started the workers" in the_one(load=load)
    assert noise_advice(TUNED, replace(load, duration_s=0.99 * SHORTEST_RUN_S)) == ()


def test_heat_during_the_run_is_told():
    sentence = the_one(load=replace(QUIET, throttle_events=3))
    assert "3 times" in sentence
    assert "cpupower frequency-set -u" in sentence


# --- the load before


@pytest.mark.parametrize(
    ("before", "threads", "told"),
    [(3.0, 1, False), (3.1, 1, True), (2.5, 2, True), (2.5, 1, False), (0.5, 4, False),
     (0.6, 4, True), (0.6, 9, True)],
)  # fmt: skip
def test_the_load_average_is_held_against_the_processors_to_spare(before, threads, told):
    load = replace(QUIET, load_1min_before=before)
    found = noise_advice(replace(TUNED, affinity=0), load, [row(1), row(threads)])
    assert [f"load average was {before:g}" in sentence for sentence in found] == [True] * told


def test_without_a_watch_the_load_is_that_of_the_environment():
    assert "load average was 7.5" in the_one(replace(TUNED, load_1min=7.5), None)
    assert noise_advice(replace(TUNED, load_1min=7.5), QUIET) == ()  # read later, nearer to the run


# --- threads


def test_more_threads_than_processors_are_told():
    sentence = the_one(replace(TUNED, affinity=2), rows=[row(3), row(1)])
    assert "3 threads" in sentence
    assert "--threads 2" in sentence
    assert noise_advice(replace(TUNED, affinity=2), QUIET, [row(2)]) == ()


def test_a_number_of_threads_that_the_workers_did_not_get_is_told():
    environment = replace(TUNED, thread_variables={"OMP_NUM_THREADS": "2"})
    sentence = the_one(environment, rows=[row(1)])
    assert "OMP_NUM_THREADS=2 is set, and was not used" in sentence
    assert sentence.endswith("unset OMP_NUM_THREADS")
    assert noise_advice(environment, QUIET, [row(2)]) == ()  # the same number: nothing changed


def test_a_thread_variable_that_the_workers_got_is_told():
    variables = {"KMP_BLOCKTIME": "0", "GOMP_CPU_AFFINITY": "0 1"}
    sentence = the_one(replace(TUNED, thread_variables=variables), rows=[row()])
    assert "KMP_BLOCKTIME=0 GOMP_CPU_AFFINITY='0 1' is set, and every worker got it" in sentence
    assert sentence.endswith("unset KMP_BLOCKTIME GOMP_CPU_AFFINITY")


# --- the clock


@pytest.mark.parametrize("governor", ["ondemand", "conservative", "schedutil"])
def test_a_governor_that_moves_the_clock_is_told_with_the_command(governor):
    sentence = the_one(replace(TUNED, governors=("performance", governor)))
    assert sentence.startswith(f"The CPU governor is {governor}: the clock follows the load")
    assert sentence.endswith("sudo cpupower frequency-set -g performance")


@pytest.mark.parametrize(
    ("driver", "effect"),
    [
        ("intel_pstate", "follows the load"),
        ("amd-pstate-epp", "follows the load"),
        ("intel_cpufreq", "held at its lowest"),
        ("acpi-cpufreq", "held at its lowest"),
        (None, "held at its lowest"),
    ],
)
def test_what_powersave_does_depends_on_the_driver(driver, effect):
    assert effect in the_one(replace(TUNED, governors=("powersave",), frequency_driver=driver))


@pytest.mark.parametrize(
    ("driver", "command"),
    [
        ("intel_pstate", "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"),
        ("intel_cpufreq", "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"),
        ("acpi-cpufreq", "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"),
        (None, "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost"),
    ],
)
def test_turbo_is_told_with_the_command_of_its_driver(driver, command):
    assert the_one(replace(TUNED, turbo=True, frequency_driver=driver)).endswith(command)


def test_a_capped_clock_is_told():
    capped = replace(TUNED, turbo=None, frequency_limit_hz=2_000_000_000)
    sentence = the_one(capped)
    assert "capped at 2.00 of 3.00 GHz" in sentence
    assert sentence.endswith("cpupower frequency-set -u 3000000")
    assert noise_advice(replace(capped, frequency_limit_hz=2_900_000_000), QUIET) == ()
    assert noise_advice(replace(capped, turbo=False), QUIET) == ()  # the range of turbo


def test_a_battery_is_told():
    assert "battery" in the_one(replace(TUNED, on_battery=True))


# --- what is shared


def test_smt_is_told():
    assert "echo off | sudo tee /sys/devices/system/cpu/smt/control" in the_one(
        replace(TUNED, smt=True)
    )


def test_a_virtual_machine_that_hides_its_clock_is_told_to_trust_ratios():
    hidden = replace(TUNED, virtual_machine=True, governors=None, frequency_hz=None)
    assert "--baseline" in the_one(hidden)
    assert noise_advice(replace(hidden, virtual_machine=None), QUIET) == ()
    assert noise_advice(replace(hidden, frequency_hz=1), QUIET) == ()


# --- the GPU


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"persistence": False}, "sudo nvidia-smi -pm 1"),
        ({"slowed_by": ("heat (hardware)", "its power limit")},
         "held down by heat (hardware) and its power limit"),
    ],
)  # fmt: skip
def test_a_gpu_s_state_is_told_only_where_a_gpu_was_timed(change, words):
    environment = replace(TUNED, gpu_state=replace(COOL_GPU, **change))
    assert words in the_one(environment, rows=[row(), row(device="RTX (SM86)")])
    assert noise_advice(environment, QUIET, [row()]) == ()


def test_a_gpu_that_tells_nothing_gets_no_advice():
    silent = replace(COOL_GPU, persistence=None)
    for state in (None, silent, COOL_GPU):
        assert noise_advice(replace(TUNED, gpu_state=state), QUIET, [row(device="RTX")]) == ()


def test_what_happened_in_this_run_comes_first():
    found = noise_advice(
        replace(TUNED, smt=True, turbo=True), replace(QUIET, steal_share=0.5), [row()]
    )
    assert [sentence.split()[0] for sentence in found] == ["The", "Turbo", "SMT"]
