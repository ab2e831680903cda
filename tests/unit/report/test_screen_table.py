import io
import re

import pytest
from rich.console import Console
from rich.markup import escape

from spinn_edge.report.screen_table import harmless, screen_table

NUMBERS = ("5,472", "39.79%", "83,232", "0.0265", "209,186", "100.00%", "18-288-288-128-2")


def drawn(table, width):
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=False).print(table)
    return stream.getvalue()


def layers():
    table = screen_table(
        "Layers", "layer", "widths", ">parameters", ">share", ">not 0", ">weight", "remark"
    )
    table.caption = "below"
    table.add_row("first", "18-288-288-128-2", "5,472", "39.79%", "83,232", "0.0265", "a b c " * 6)
    table.add_row("all", "", "209,186", "100.00%", "", "", "")
    return table


@pytest.mark.parametrize("width", [160, 100, 80, 60, 40, 31])
def test_no_number_is_broken_and_no_line_is_too_long(width):
    text = drawn(layers(), width)
    assert max(map(len, text.splitlines())) <= width
    for number in NUMBERS:
        assert re.search(rf"(?<![\d.,-]){re.escape(number)}(?![\d.,-])", text), number


def test_texts_give_way_before_the_layout_does():
    wide, narrow = drawn(layers(), 160), drawn(layers(), 80)
    assert len(narrow.splitlines()) > len(wide.splitlines())
    assert "─" in narrow


def test_too_narrow_a_screen_gets_every_cell_behind_its_head():
    text = drawn(layers(), 40)
    assert "─" not in text
    lines = [line.strip() for line in text.splitlines()]
    assert lines[:2] == ["Layers", "layer first"]
    assert "parameters  5,472" in lines
    assert lines[-1] == "below"
    assert "not 0" not in text.partition("layer all")[2]


def test_words_are_broken_only_where_nothing_else_helps():
    table = screen_table("", "name", "why")
    table.add_row("compile-cuda-reduce-overhead", "torch is a CPU build of some kind " * 2)
    assert "compile-cuda-reduce-overhead" in drawn(table, 60)
    table.add_row("x" * 300, "y")
    assert drawn(table, 60).replace(" ", "").count("x") == 300


def test_a_table_is_drawn_alike_twice_and_at_another_width_between():
    table = layers()
    first = drawn(table, 80)
    drawn(table, 40)
    assert drawn(table, 80) == first


def test_names_cannot_command_the_terminal():
    table = screen_table(escape("\x1b]0;title\x07"), "name")
    table.add_row(escape("\x1b[31mred\x07\x9b2J"))
    text = drawn(table, 80)
    assert not set(text) & set("\x1b\x07\x9b")
    assert "�[31mred��2J" in text


def test_half_a_surrogate_pair_is_shown_as_what_it_is():
    table = screen_table("of \ud800", "name")
    table.add_row("a\udfffb")
    text = drawn(table, 80)
    text.encode("utf-8")
    assert "of �" in text
    assert "a�b" in text
    assert harmless("\U0001f600 ok\n") == "\U0001f600 ok\n"


@pytest.mark.parametrize("width", [45, 40, 36, 34])
def test_a_number_stays_on_one_line_with_its_unit_and_interval(width):
    table = screen_table("", "what", ">median", ">speed-up")
    table.add_row("one two three four", "148 µs", "4.06× (4.00 to 4.12)")
    assert "148 µs" in drawn(table, width)
    text = drawn(table, width)
    assert "4.06×" in text
    assert "(4.00 to 4.12)" in text


def test_an_interval_goes_below_its_number_before_cells_are_listed():
    table = screen_table("", "what", ">median", ">speed-up")
    table.add_row("one", "148 µs", "4.06× (4.00 to 4.12)")
    assert "4.06× (4.00 to 4.12)" in drawn(table, 60)
    narrow = drawn(table, 36)
    assert "─" in narrow
    first, second = narrow.splitlines()[-3:-1]
    assert (first.split(), second.split()) == (
        ["one", "148", "µs", "4.06×"],
        ["(4.00", "to", "4.12)"],
    )
    assert "4.06× (4.00 to 4.12)" in drawn(table, 60)
