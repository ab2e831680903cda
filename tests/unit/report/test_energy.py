from dataclasses import replace

from spinn_edge.bench.loops.energy_timing import SpentEnergy
from spinn_edge.bench.machine.energy import PROCESSORS, Energy
from spinn_edge.report.energy import energy_remarks
from tests.unit.report.results import PRUNED, result, row

SPENT = SpentEnergy(inferences=1000, energy=Energy(joules=2.0, window_s=1.1, sources=(PROCESSORS,)))


def test_joules_are_told_for_an_inference_and_for_a_sample():
    timed = row("pruned", 1e-4, batch=10, energies=(SPENT,))
    (words,) = energy_remarks(replace(result((timed,), (PRUNED,)), energy_asked=True))
    assert words.startswith(
        "pruned, ort-cpu, fp32, batch 10: 2.00 mJ an inference, 200 µJ a sample (processors (RAPL);"
    )


def test_energy_that_cannot_be_read_was_not_measured():
    asked = replace(result((row("pruned", 1e-4),), (PRUNED,)), energy_asked=True)
    (words,) = energy_remarks(asked)
    assert words.startswith("energy: not measured: no counter can be read here")


def test_nothing_is_said_where_nobody_asked():
    assert energy_remarks(result((row("pruned", 1e-4),), (PRUNED,))) == []
