"""When two workers may start at the same time."""

from dataclasses import replace

import pytest

from spinn_edge.bench.machine.footprint import Footprint
from spinn_edge.bench.processes.pairs import may_start_together
from spinn_edge.runtimes.base import RuntimeFacts
from tests.unit.bench.test_measurement import row

FREE_KB = 1_000_000


def launched(peak_bytes=50_000_000, device="cpu", **changes):
    held = Footprint(peak_resident_bytes=peak_bytes)
    return [row([1e-3], facts=RuntimeFacts(device=device), footprints=(held,), **changes)]


@pytest.fixture
def together(tmp_path):
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text(f"MemAvailable: {FREE_KB} kB\n")

    def ask(first, second, cores=2):
        return may_start_together(first, second, cores=cores, root=tmp_path)

    return ask


def test_two_that_ran_on_the_cpu_start_together(together):
    assert together(launched(), launched())


@pytest.mark.parametrize(
    "other",
    [
        [],
        [row([1e-3], facts=RuntimeFacts())],
        launched(peak_bytes=None),
        launched(device="a GPU (SM86)"),
        [replace(launched()[0], status="failed")],
        [replace(launched()[0], facts=None)],
    ],
    ids=["new", "not watched", "unknown", "on a GPU", "failed", "nothing loaded"],
)
def test_what_no_launch_has_shown_to_be_plain_starts_alone(together, other):
    assert not together(launched(), other)
    assert not together(other, launched())


def test_each_needs_cores_of_its_own(together):
    assert not together(launched(), launched(), cores=1)
    assert not together(launched(), launched(threads=2), cores=2)
    assert together(launched(), launched(threads=2), cores=3)


def test_both_fit_into_a_quarter_of_what_is_free(together):
    quarter = FREE_KB * 1024 // 4
    assert together(launched(quarter // 2), launched(quarter // 2))
    assert not together(launched(quarter // 2), launched(quarter // 2 + 1))


def test_a_system_that_does_not_say_what_is_free_starts_them_alone(tmp_path):
    assert not may_start_together(launched(), launched(), cores=2, root=tmp_path)
