import pytest

from spinn_edge.report import formatting as f


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.0, "0.00 µs"),
        (1e-12, "0.001 ns"),
        (3.2e-9, "3.20 ns"),
        (123.4e-9, "123 ns"),
        (999.6e-9, "1.00 µs"),
        (1.234e-6, "1.23 µs"),
        (31.24e-6, "31.2 µs"),
        (312.4e-6, "312 µs"),
        (9.996e-6, "10.0 µs"),
        (99.96e-6, "100 µs"),
        (999.6e-6, "1.00 ms"),
        (1e-3, "1.00 ms"),
        (-5.2e-3, "-5.20 ms"),
        (5.2e-3, "5.20 ms"),
        (0.9994, "999 ms"),
        (1.0, "1.00 s"),
        (75.25, "75.2 s"),
    ],
)
def test_seconds_are_shown_in_the_unit_that_fits(value, text):
    assert f.seconds(value) == text


@pytest.mark.parametrize("exponent", range(-15, 3))
def test_a_measured_time_never_reads_as_nothing(exponent):
    for digits in (1.0, 4.94, 9.9951):
        shown = f.seconds(digits * 10.0**exponent)
        assert float(shown.split()[0]) > 0, shown


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (839_432, "839 kB"),
        (2_667_528, "2.67 MB"),
        (12_300_000, "12.3 MB"),
        (999_600, "1.00 MB"),
        (999_400_000, "999 MB"),
        (1_200_000_000, "1.20 GB"),
        (139_000_000_000, "139 GB"),
        (4 * 10**12, "4.00 TB"),
    ],
)
def test_sizes_are_decimal(value, text):
    assert f.size(value) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (400, 100, "-75.0 %"),
        (100, 400, "+300.0 %"),
        (100, 100, "+0.0 %"),
        (666_882, 210_000, "-68.5 %"),
        (-4, -2, "+50.0 %"),
        (0, 5, "–"),
    ],
)
def test_a_change_is_negative_where_the_value_fell(before, after, text):
    assert f.change(before, after) == text


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (f.per_second(32_100.4), "32,100/s"),
        (f.per_second(None), "–"),
        (f.ratio(3.104), "3.10×"),
        (f.ratio(None), "–"),
        (f.whole(666_882), "666,882"),
        (f.whole(None), "–"),
        (f.whole(0), "0"),
        (f.score(0.98765), "0.9877"),
        (f.score(-1.5), "-1.5000"),
        (f.magnitude(3.256e-7), "3.26e-07"),
        (f.magnitude(0.0), "0"),
        (f.magnitude(None), "–"),
        (f.dashed((18, 285, 2)), "18-285-2"),
    ],
)
def test_other_numbers_have_their_units(shown, text):
    assert shown == text


@pytest.mark.parametrize(
    ("runtime", "served_by", "text"),
    [
        ("trt", "", "trt"),
        ("trt", "trt", "trt"),
        ("trt", "ort-cpu", "trt → ort-cpu"),
    ],
)
def test_a_stand_in_is_named_beside_the_one_that_was_asked_for(runtime, served_by, text):
    assert f.served(runtime, served_by) == text
