import pytest

from spinn_edge.bench.machine.footprint import (
    FIRST_INFERENCE,
    IMPORT,
    LOAD,
    Footprint,
    StageClock,
    peak_resident_bytes,
    process_age_s,
    resident_bytes,
)
from spinn_edge.core.decode import decode, encode
from tests.fakes.machine import FakeClock, FakeMachine

STATUS = "Name:\tpython\nVmPeak:\t 9999999 kB\nVmHWM:\t {} kB\nVmRSS:\t {} kB\nThreads:\t1"


@pytest.fixture
def machine(tmp_path):
    return FakeMachine(tmp_path)


# --- memory


def test_the_peak_is_that_of_resident_memory_not_of_address_space(machine):
    machine.put("proc/self/status", STATUS.format(300, 200))
    assert peak_resident_bytes(machine.root) == 300 * 1024
    assert resident_bytes(machine.root) == 200 * 1024


@pytest.mark.parametrize("content", [None, "Name: python", "VmHWM: many kB\nVmRSS:  kB"])
def test_without_proc_memory_is_not_known(machine, content):
    if content is not None:
        machine.put("proc/self/status", content)
    assert peak_resident_bytes(machine.root) is None
    assert resident_bytes(machine.root) is None


def test_the_peak_of_this_process_is_at_least_what_it_holds():
    peak = peak_resident_bytes()
    assert peak is None or peak >= 1 << 20


# --- the start of the process


def stat(start_ticks, name="python"):
    return f"4073 ({name}) R " + " ".join(str(n) for n in range(4, 22)) + f" {start_ticks} 3133440"


@pytest.mark.parametrize("name", ["python", "a) b (c d)", ""])
def test_the_age_of_the_process_is_uptime_less_its_start(machine, name):
    machine.put("proc/self/stat", stat(1000, name))
    machine.put("proc/uptime", "10.75 20.00")
    assert process_age_s(machine.root, 100) == pytest.approx(0.75)


def test_a_start_in_the_same_tick_is_an_age_of_zero(machine):
    machine.put("proc/self/stat", stat(1000))
    machine.put("proc/uptime", "9.99 20.00")
    assert process_age_s(machine.root, 100) == 0.0


def test_an_uptime_of_another_machine_gives_no_age(machine):
    machine.put("proc/self/stat", stat(1_000_000))
    machine.put("proc/uptime", "10.75 20.00")
    assert process_age_s(machine.root, 100) is None


@pytest.mark.parametrize(
    ("own", "uptime"), [(None, "1 1"), (stat(1), None), ("4073 (x) R 1", "1 1"), (stat(1), "soon")]
)
def test_an_age_that_cannot_be_read_is_none(machine, own, uptime):
    if own is not None:
        machine.put("proc/self/stat", own)
    if uptime is not None:
        machine.put("proc/uptime", uptime)
    assert process_age_s(machine.root, 100) is None


# --- stages


def test_each_stage_has_its_own_time_and_what_lies_between_counts_for_none(machine):
    machine.put("proc/self/stat", stat(0))
    machine.put("proc/uptime", "0.00 0.00")
    machine.put("proc/self/status", STATUS.format(100, 100))
    clock = FakeClock()
    stages = StageClock(clock=clock, root=machine.root)
    clock.now_s += 1000
    with stages.stage(IMPORT):
        clock.now_s += 2
    clock.now_s += 1000
    with stages.stage(LOAD):
        clock.now_s += 0.5
        machine.put("proc/self/status", STATUS.format(400, 300))
    with stages.stage(FIRST_INFERENCE):
        clock.now_s += 0.25
        machine.put("proc/self/status", STATUS.format(800, 500))
    machine.put("proc/self/status", STATUS.format(900, 50))
    assert stages.footprint(device_bytes=7) == Footprint(
        start_s=0.0,
        import_s=2.0,
        load_s=0.5,
        first_inference_s=0.25,
        peak_resident_bytes=900 * 1024,
        resident_after_load_bytes=300 * 1024,
        device_bytes=7,
    )


def test_the_start_is_read_when_the_clock_is_made(machine):
    machine.put("proc/self/stat", stat(0))
    machine.put("proc/uptime", "0.50 0.00")
    stages = StageClock(clock=FakeClock(), root=machine.root)
    machine.put("proc/uptime", "99.00 0.00")
    assert stages.footprint().start_s == 0.5


def test_a_stage_that_raises_has_no_time_and_those_before_it_do(machine):
    clock = FakeClock()
    stages = StageClock(clock=clock, root=machine.root)
    with stages.stage(IMPORT):
        clock.now_s += 2

    def load():
        with stages.stage(LOAD):
            clock.now_s += 2
            raise ValueError("no such file")

    with pytest.raises(ValueError, match="no such file"):
        load()
    assert stages.footprint() == Footprint(import_s=2.0)


def test_a_stage_is_not_timed_twice(machine):
    stages = StageClock(clock=FakeClock(), root=machine.root)
    with stages.stage(LOAD):
        pass
    with pytest.raises(AssertionError, match="load was timed before"), stages.stage(LOAD):
        pass


def test_a_footprint_survives_a_result_file():
    footprint = Footprint(start_s=1.0, import_s=2.0, load_s=None, peak_resident_bytes=7)
    assert decode(Footprint, encode(footprint), where="worker") == footprint
