import pytest

from spinn_edge.report.charts.drawing import charts_of
from spinn_edge.report.charts.names import LONGEST, short_name
from spinn_edge.report.sources import ReportSources
from tests.unit.report.sources import HOSTILE, hostile, named


def test_a_plain_name_stays():
    assert short_name("pruned, ort-cpu fp16") == "pruned, ort-cpu fp16"
    assert short_name("שלום") == "שלום"


@pytest.mark.parametrize("name", ["x" * 10_000, "a\u202eb", "a\nb", "\ud800", "", "a\x00"])
def test_a_cut_name_is_short_visible_and_its_own(name):
    short = short_name(name)
    assert len(short) <= LONGEST
    assert all(character.isprintable() for character in short)
    assert short_name(name + "x" * LONGEST) != short


def test_names_that_look_alike_stay_unlike():
    assert short_name("a\u202eb") != short_name("a\u202db") != short_name("ab")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_cut_name_is_whole_in_the_tooltip(name):
    for chart in charts_of(ReportSources(results=(named(hostile(name)),))):
        if chart.spec is not None and chart.id.startswith(("latency", "speed-up", "pareto")):
            names = chart.spec["usermeta"]["names"]
            assert (short_name(name) in names) == (short_name(name) != name)
            assert all(short_name(whole) == short for short, whole in names.items())
            assert names.get(short_name(name), name) == name
