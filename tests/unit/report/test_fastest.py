from typing import Any

from spinn_edge.bench.measurement import Row
from spinn_edge.report.fastest import fastest_remarks
from tests.unit.report.results import PRUNED, result, row, unavailable


def timed(runtime: str, *medians_us: float, **changes: Any) -> Row:
    """Return a row whose launches had these medians."""
    samples = tuple(us * 1e-6 for us in medians_us for _ in range(3))
    launches = (3,) * len(medians_us)
    return row(
        "pruned", 1.0, runtime=runtime, samples_s=samples, launch_samples=launches, **changes
    )


def said(*rows: Row) -> list[str]:
    return fastest_remarks(result(rows, (PRUNED,)))


ORT = timed("ort-cpu", 10.0, 10.1, 9.9, 10.0, 10.1)
EAGER = timed("eager", 40.0, 40.8, 39.2, 40.4, 40.0)


def test_the_fastest_is_named_with_how_far_it_is_ahead():
    (words,) = said(EAGER, ORT)
    assert words.startswith("pruned, batch 1: ort-cpu is the fastest of 2, 4.00× (3.9")
    assert words.endswith(" ahead of eager")


def test_the_distance_is_to_the_next_and_not_to_the_last():
    (words,) = said(timed("pt2", *[80.0] * 5), EAGER, ORT)
    assert "fastest of 3, 4.00×" in words
    assert words.endswith("ahead of eager")


def test_two_that_cannot_be_told_apart_are_both_named():
    near = timed("torchscript", 10.1, 9.9, 10.2, 10.0, 9.9)
    assert said(ORT, near) == [
        "pruned, batch 1: no difference seen between ort-cpu and torchscript"
    ]
    (words,) = said(ORT, near, EAGER)
    assert "ort-cpu and torchscript are the fastest, no difference seen between them; 4.0" in words
    assert words.endswith("ahead of eager")


def test_each_batch_size_has_its_own():
    words = said(
        ORT, EAGER, timed("ort-cpu", *[900.0] * 5, batch=7), timed("eager", 1, 1, 1, batch=7)
    )
    assert [line.split(":")[1].split()[0] for line in words] == ["ort-cpu", "eager"]


def test_a_precision_is_named_where_there_are_two():
    (words,) = said(ORT, timed("ort-cpu", *[20.0] * 5, precision="fp16"))
    assert "ort-cpu fp32 is the fastest of 2" in words
    assert words.endswith("ahead of ort-cpu fp16")


def test_nothing_is_said_of_one_alone_of_few_launches_or_of_other_boundaries():
    assert said(ORT) == []
    assert said(ORT, unavailable("pruned")) == []
    assert said(timed("ort-cpu", 10.0), timed("eager", 40.0)) == []
    assert said(ORT, timed("eager", *[40.0] * 5, boundary="bound")) == []
