import pytest

from spinn_edge.bench.machine.machine_load import LoadWatch, MachineLoad, Probes
from spinn_edge.core.decode import decode, encode
from tests.fakes.machine import FakeClock, FakeMachine

TICKS_PER_S = 100


class Watched(FakeMachine):
    """A machine of two processors whose counters a test moves."""

    def __init__(self, root):
        super().__init__(root)
        self.clock, self.own, self.children = FakeClock(50.0), FakeClock(3.0), FakeClock(7.0)
        self.ticks = dict.fromkeys(
            ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest"), 1000
        )
        self.write()
        self.probes = Probes(
            root=root,
            clock=self.clock,
            own_cpu_s=self.own,
            children_cpu_s=self.children,
            ticks_per_s=TICKS_PER_S,
        )

    def write(self):
        values = " ".join(str(value) for value in self.ticks.values())
        self.put("proc/stat", f"cpu  {values} 0\ncpu0 9 9 9 9 9 9 9 9 9 9\nctxt 500\nbtime 1")

    def run(self, seconds, *, own=0.0, children=0.0, **spent_s):
        """Let time pass: on the clocks, and in seconds of CPU time by column."""
        self.clock.now_s += seconds
        self.own.now_s += own
        self.children.now_s += children
        for name, value in spent_s.items():
            self.ticks[name] += round(value * TICKS_PER_S)
        self.write()


@pytest.fixture
def machine(tmp_path):
    return Watched(tmp_path)


def test_an_idle_machine_has_no_share_of_others(machine):
    watch = LoadWatch.start(machine.probes)
    machine.run(10.0, idle=20.0)
    found = watch.stop()
    assert found.duration_s == pytest.approx(10.0)
    assert (found.busy_share_others, found.steal_share) == (0.0, 0.0)
    assert found.parent_cpu_share == 0.0


def test_what_we_and_our_children_took_is_not_others(machine):
    watch = LoadWatch.start(machine.probes)
    machine.run(10.0, own=1.0, children=9.0, user=8.0, system=2.0, idle=10.0)
    assert watch.stop().busy_share_others == pytest.approx(0.0)


def test_the_rest_is_others_share_of_all_processors(machine):
    watch = LoadWatch.start(machine.probes)
    # 20 s of processors; 11 s busy, of which 6 are ours
    machine.run(
        10.0, own=1.0, children=5.0,
        user=6.0, nice=2.0, system=1.0, irq=1.0, softirq=1.0, idle=6.5, iowait=0.5, steal=2.0,
    )  # fmt: skip
    found = watch.stop()
    assert found.busy_share_others == pytest.approx(5 / 20)
    assert found.steal_share == pytest.approx(2 / 20)
    assert found.parent_cpu_share == pytest.approx(0.1)


def test_guests_are_counted_once(machine):
    watch = LoadWatch.start(machine.probes)
    machine.run(10.0, user=5.0, guest=5.0, idle=15.0)
    assert watch.stop().busy_share_others == pytest.approx(5 / 20)


def test_counting_errors_of_a_tick_are_no_negative_share(machine):
    watch = LoadWatch.start(machine.probes)
    machine.run(1.0, own=0.5, children=0.51, user=1.0, idle=1.0)
    assert watch.stop().busy_share_others == 0.0


def test_an_idle_counter_that_runs_backwards_takes_no_time_away(machine):
    watch = LoadWatch.start(machine.probes)
    machine.run(1.0, user=1.0, idle=1.0, iowait=-0.5)
    assert watch.stop().busy_share_others == pytest.approx(1 / 2)


def test_load_averages_stand_before_and_after(machine):
    machine.put("proc/loadavg", "0.25 0.5 0.7 1/83 4064")
    watch = LoadWatch.start(machine.probes)
    machine.put("proc/loadavg", "1.75 0.5 0.7 1/83 4064")
    machine.run(1.0)
    found = watch.stop()
    assert (found.load_1min_before, found.load_1min_after) == (0.25, 1.75)


def test_pressure_is_the_share_of_time_in_which_something_waited(machine):
    pressure = "some avg10=0.0 avg60=0.1 avg300=0.7 total={}\nfull avg10=0 avg60=0 avg300=0 total=0"
    machine.put("proc/pressure/cpu", pressure.format(1_000_000))
    watch = LoadWatch.start(machine.probes)
    machine.put("proc/pressure/cpu", pressure.format(3_500_000))
    machine.run(10.0)
    assert watch.stop().pressure_share == pytest.approx(0.25)


def test_context_switches_are_those_in_between(machine):
    watch = LoadWatch.start(machine.probes)
    machine.put("proc/stat", "cpu 1 1 1 1 1 1 1 1\nctxt 740")
    assert watch.stop().context_switches == 240


def test_throttling_is_added_up_over_the_processors(machine):
    path = "sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    machine.put(path.format(0), 5)
    machine.put(path.format(1), 10)
    watch = LoadWatch.start(machine.probes)
    machine.put(path.format(0), 6)
    machine.put(path.format(1), 12)
    assert watch.stop().throttle_events == 3


@pytest.mark.parametrize(
    "stat", [None, "", "cpu 1 2 3", "cpu 1 2 3 4 5 6 7 many"], ids=["none", "empty", "short", "odd"]
)
def test_what_cannot_be_read_is_none_and_nothing_fails(tmp_path, stat):
    machine = FakeMachine(tmp_path)
    if stat is not None:
        machine.put("proc/stat", stat)
        machine.put("proc/loadavg", "soon")
        machine.put("proc/pressure/cpu", "nothing")
    clock = FakeClock()
    watch = LoadWatch.start(
        Probes(root=tmp_path, clock=clock, own_cpu_s=lambda: 0.0, children_cpu_s=lambda: 0.0)
    )
    clock.now_s += 4.0
    assert watch.stop() == MachineLoad(duration_s=4.0, parent_cpu_share=0.0)


def test_no_time_between_the_readings_gives_no_shares(machine):
    machine.put("proc/pressure/cpu", "some avg10=0 avg60=0 avg300=0 total=1")
    found = LoadWatch.start(machine.probes).stop()
    assert found.busy_share_others is None
    assert found.parent_cpu_share is None
    assert found.pressure_share is None


def test_this_machine_can_be_watched():
    found = LoadWatch.start().stop()
    assert found.duration_s >= 0.0


def test_a_load_survives_a_result_file():
    load = MachineLoad(
        duration_s=1.0,
        busy_share_others=0.5,
        steal_share=0.25,
        parent_cpu_share=None,
        pressure_share=0.125,
        load_1min_before=1.0,
        load_1min_after=2.0,
        context_switches=3,
        throttle_events=0,
    )
    assert decode(MachineLoad, encode(load), where="results") == load
