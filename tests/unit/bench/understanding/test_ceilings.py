"""Rates from fake clocks; real processes that crash, hang and babble."""

import json
import sys

import numpy as np
import pytest

from spinn_edge.bench.processes.exchange import exchange
from spinn_edge.bench.understanding.ceiling_launch import (
    CeilingJob,
    CeilingLaunch,
    Rate,
    run_job,
    time_calls,
)
from spinn_edge.bench.understanding.ceilings import (
    MEMORY_FACTOR,
    WORKING_SETS_BYTES,
    cache_sizes,
    measure_ceilings,
)
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import InferenceError, UsageError
from tests.fakes.ceilings import CACHE_BYTES, MEMORY_BYTES, ceilings, launch
from tests.fakes.machine import FakeMachine

PATIENCE_S = 120.0
SMALL = CeilingJob(
    threads=1, gemm_sizes=(8,), working_sets_bytes=(4096,), memory_bytes=8192, sample_s=1e-9
)
ANSWER = json.dumps(encode(launch()))


class Hardware:
    """A clock that only calls move, each by as much as the next entry says."""

    def __init__(self, *call_ns):
        self.call_ns = list(call_ns)
        self.now_ns = 0
        self.counts = []

    def clock(self):
        return self.now_ns

    def repeat(self, count):
        self.counts.append(count)
        one = self.call_ns.pop(0) if len(self.call_ns) > 1 else self.call_ns[0]
        self.now_ns += count * one


def program(code):
    return (sys.executable, "-c", f"import json, os, sys, time\njob = json.load(sys.stdin)\n{code}")


def measured(tmp_path, code, **options):
    """Measure with a program in the place of the real one, on a machine of one mebibyte cache."""
    machine = FakeMachine(tmp_path)
    put_cache(machine, 3, "Unified", "1024K")
    return measure_ceilings(
        timeout_s=PATIENCE_S, root=tmp_path, command=program(code), **{"launches": 1, **options}
    )


def put_cache(machine, level, kind, size):
    folder = f"sys/devices/system/cpu/cpu0/cache/index{level}{kind}"
    machine.put(f"{folder}/level", level)
    machine.put(f"{folder}/type", kind)
    machine.put(f"{folder}/size", size)


# --- the pure loop


def test_calls_are_doubled_until_they_fill_a_sample_and_only_then_count():
    hardware = Hardware(1000)
    job = CeilingJob(
        threads=1, gemm_sizes=(), working_sets_bytes=(), memory_bytes=0, sample_s=6e-6, repeats=3
    )
    assert time_calls(hardware.repeat, job, hardware.clock) == pytest.approx((1e-6,) * 3)
    assert hardware.counts == [1, 2, 4, 8, 8, 8, 8]


def test_a_slow_first_call_is_no_sample():
    hardware = Hardware(50_000, 1000, 2000, 4000)
    job = CeilingJob(
        threads=1, gemm_sizes=(), working_sets_bytes=(), memory_bytes=0, sample_s=5e-5, repeats=3
    )
    samples = time_calls(hardware.repeat, job, hardware.clock)
    assert samples == pytest.approx((1e-6, 2e-6, 4e-6))


def test_a_rate_is_that_of_the_median_sample():
    assert Rate(size=1, work=6.0, samples_s=(1.0, 2.0, 60.0)).per_s == 3.0


@pytest.fixture
def ticking(monkeypatch):
    """Let every product and every copy take a second; remember what was copied."""
    clock = Hardware(1_000_000_000)
    copied = []
    product, copy = np.matmul, np.copyto

    def matmul(left, right, out):
        clock.repeat(1)
        return product(left, right, out=out)

    def copyto(target, source):
        clock.repeat(1)
        copied.append((target.nbytes, source.nbytes, target.ctypes.data))
        copy(target, source)

    monkeypatch.setattr(np, "matmul", matmul)
    monkeypatch.setattr(np, "copyto", copyto)
    return clock, copied


def test_a_product_counts_two_flops_a_multiply_add_and_a_copy_both_arrays(ticking):
    clock, copied = ticking
    found = run_job(SMALL, clock.clock)
    assert [(rate.size, rate.per_s) for rate in found.gemms] == [(8, 2 * 8**3)]
    assert [(rate.size, rate.per_s) for rate in found.copies] == [(4096, 4096), (8192, 8192)]
    assert {sizes[:2] for sizes in copied} == {(2048, 2048), (4096, 4096)}
    assert found.blas


def test_threads_share_the_working_set_and_copy_their_own_parts(ticking):
    clock, copied = ticking
    job = CeilingJob(
        threads=4, gemm_sizes=(), working_sets_bytes=(4096,), memory_bytes=8192, sample_s=1e-9
    )
    found = run_job(job, clock.clock)
    assert {sizes[:2] for sizes in copied} == {(512, 512), (1024, 1024)}
    assert len({target for size, _, target in copied if size == 512}) == 4
    assert [rate.work for rate in found.copies] == [4096, 8192]
    # every call of a sample copies all four parts: 1 call to calibrate, 7 samples, 2 sets
    assert len(copied) == 4 * 8 * 2


# --- what follows from the samples


def test_the_fastest_size_of_the_fastest_launch_is_the_ceiling():
    sizes = tuple(
        Rate(size=size, work=work, samples_s=(1.0,)) for size, work in ((256, 3e9), (512, 1e9))
    )
    fastest = CeilingLaunch(blas="", gemms=sizes, copies=launch().copies)
    found = ceilings(fastest, launch(flops_per_s=2e9), launch(flops_per_s=1e9))
    assert found.flops_per_s == 3e9
    assert found.flops_interval.low < 2e9 < found.flops_interval.high <= 3e9 * (1 + 1e-9)


def test_fewer_than_three_launches_give_no_interval():
    assert ceilings(launch(), launch()).flops_interval is None
    assert ceilings(launch(), launch()).memory_interval is None


def test_the_ceiling_of_a_copy_depends_on_its_size():
    found = ceilings()
    assert found.cache_bytes_per_s == pytest.approx(1e11)
    assert found.memory_bytes_per_s == pytest.approx(1e10)
    middle = (CACHE_BYTES * MEMORY_BYTES) ** 0.5
    assert found.copy_bytes_per_s(middle) == pytest.approx(1e10 * 10**0.5)
    assert found.copy_bytes_per_s(64) == pytest.approx(1e11)
    assert found.copy_bytes_per_s(1e15) == pytest.approx(1e10)


def test_a_smaller_set_is_never_held_to_be_slower_than_a_larger_one():
    found = ceilings(launch(cache_bytes_per_s=1e9, memory_bytes_per_s=1e10))
    assert found.copy_bytes_per_s(CACHE_BYTES) == pytest.approx(1e10)


def test_arrays_that_fit_into_the_cache_are_no_memory():
    assert ceilings(cache_bytes=MEMORY_BYTES // MEMORY_FACTOR).memory_is_memory
    assert not ceilings(cache_bytes=MEMORY_BYTES // MEMORY_FACTOR + 1).memory_is_memory


def test_the_document_holds_figures_and_raw_samples():
    data = json.loads(json.dumps(encode(ceilings())))
    assert data["flops_per_s"] == 1e11
    assert data["memory_bytes_per_s"] == pytest.approx(1e10)
    assert data["cache_bytes_per_s"] == pytest.approx(1e11)
    assert data["launches"][0]["gemms"][0]["samples_s"] == [1.0]
    assert decode(CeilingLaunch, data["launches"][0], where="test") == launch()


# --- the machine's caches


def test_instruction_caches_and_unknown_sizes_are_no_caches(tmp_path):
    machine = FakeMachine(tmp_path)
    put_cache(machine, 1, "Data", "48K")
    put_cache(machine, 1, "Instruction", "64K")
    put_cache(machine, 2, "Unified", "2048K")
    put_cache(machine, 3, "Unified", "")
    machine.put("sys/devices/system/cpu/cpu1/cache/index3/size", "9K")
    assert cache_sizes(tmp_path) == {1: 48 * 1024, 2: 2048 * 1024}


def plan_of(tmp_path, **options):
    """Return the job that a launch would get."""
    path = tmp_path / "job"
    measure_ceilings(
        timeout_s=PATIENCE_S,
        root=tmp_path,
        launches=1,
        command=program(f"json.dump(job, open({str(path)!r}, 'w')); print({ANSWER!r})"),
        **options,
    )
    return decode(CeilingJob, json.loads(path.read_text()), where="test")


def test_arrays_for_memory_are_four_times_the_last_level_cache(tmp_path):
    machine = FakeMachine(tmp_path)
    put_cache(machine, 2, "Unified", "2048K")
    put_cache(machine, 3, "Unified", "65536K")
    machine.put("proc/meminfo", "MemAvailable: 64000000 kB")
    job = plan_of(tmp_path)
    assert job.memory_bytes == 4 * 64 * 2**20
    assert set(job.working_sets_bytes) == {*WORKING_SETS_BYTES, 2**20}


def test_arrays_for_memory_take_a_quarter_of_what_is_free_at_most(tmp_path):
    machine = FakeMachine(tmp_path)
    put_cache(machine, 3, "Unified", "1048576K")
    machine.put("proc/meminfo", "MemAvailable: 2097152 kB")
    assert plan_of(tmp_path).memory_bytes == 2**29


def test_the_working_set_that_was_asked_for_is_copied_as_it_is(tmp_path):
    job = plan_of(tmp_path, working_set_bytes=840_000, threads=3)
    assert 840_000 in job.working_sets_bytes
    assert list(job.working_sets_bytes) == sorted(job.working_sets_bytes)
    assert job.threads == 3


# --- processes


def test_each_launch_is_a_process_of_its_own(tmp_path):
    found = measured(
        tmp_path,
        f"answer = json.loads({ANSWER!r}); answer['blas'] = str(os.getpid()); "
        "print(json.dumps(answer))",
        launches=3,
    )
    assert len({launched.blas for launched in found.launches}) == 3
    assert found.cache_bytes == 2**20


def test_a_launch_gets_the_thread_limits_of_a_worker(tmp_path):
    names = "OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS"
    found = measured(
        tmp_path,
        f"answer = json.loads({ANSWER!r}); "
        f"answer['blas'] = ' '.join(os.environ[n] for n in '{names}'.split()); "
        "print(json.dumps(answer))",
        threads=3,
    )
    assert found.launches[0].blas == "3 3 3"
    assert found.threads == 3


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os.kill(os.getpid(), 11)", "ended by SIGSEGV"),
        ("print('why', file=sys.stderr); sys.exit(7)", "exit code 7: why"),
        ("print('{')", "exit code 0"),
        ("print('[]')", "exit code 0"),
    ],
)
def test_what_is_no_result_becomes_words(tmp_path, code, words):
    with pytest.raises(InferenceError, match="ceilings were not measured") as caught:
        measured(tmp_path, code)
    assert words in str(caught.value)


def test_a_launch_that_hangs_is_killed(tmp_path):
    with pytest.raises(InferenceError, match="it hung: nothing for 1 s"):
        measure_ceilings(timeout_s=1.0, root=tmp_path, command=program("time.sleep(600)"))


def test_an_exchange_tells_a_whole_answer_from_a_torn_one():
    def run(code):
        return exchange("{}", command=program(code), threads=1, timeout_s=PATIENCE_S)

    whole = run("print('x')")
    assert (whole.output, whole.returncode) == ("x\n", 0)
    torn = run("print('x', flush=True); os.abort()")
    assert (torn.output, torn.returncode) == ("x\n", -6)
    assert torn.ending.startswith("the runtime's process was ended by SIGABRT")


def test_a_program_leads_a_group_of_its_own_so_that_its_children_can_be_ended():
    code = "print(os.getpgrp() == os.getpid())"
    ended = exchange("{}", command=program(code), threads=1, timeout_s=PATIENCE_S)
    assert ended.output == "True\n"


@pytest.mark.parametrize("option", ["threads", "working_set_bytes", "launches"])
def test_a_number_below_one_is_refused(tmp_path, option):
    with pytest.raises(UsageError, match=f"{option} must be at least 1, got 0"):
        measured(tmp_path, "", **{option: 0})


NOISY = """
import os
from spinn_edge.bench.understanding import ceilings
measure = ceilings.run_job
def run_job(job):
    print("noise", flush=True)
    os.system("echo from a child")
    return measure(job)
ceilings.run_job = run_job
ceilings.main()
"""


@pytest.mark.parametrize(
    "given", [("-m", "spinn_edge.bench.understanding.ceilings"), ("-c", NOISY)]
)
def test_the_program_serves_a_job_whatever_a_library_prints(given):
    ended = exchange(
        json.dumps(encode(SMALL)),
        command=(sys.executable, *given),
        threads=1,
        timeout_s=PATIENCE_S,
    )
    found = decode(CeilingLaunch, json.loads(ended.output), where="test")
    assert [rate.size for rate in found.gemms] == [8]
    assert [rate.size for rate in found.copies] == [4096, 8192]
    assert all(len(rate.samples_s) == SMALL.repeats for rate in (*found.gemms, *found.copies))
