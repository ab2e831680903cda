import pytest

from spinn_edge.report.page.markup import Html, escape, join, tag


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("<script>", "&lt;script&gt;"),
        ("\"'&", "&quot;&#x27;&amp;"),
        ("a\u202eb\u2066c\u200fd", "a\ufffdb\ufffdc\ufffdd"),
        ("a\x00b\ud800c", "a\ufffdb\ufffdc"),
        ("שלום µs →", "שלום µs →"),
        ("two\nlines\t", "two\nlines\t"),
    ],
)
def test_foreign_text_cannot_become_markup_nor_turn_its_surroundings(given, wanted):
    assert escape(given) == wanted
    assert escape(given).encode("utf-8")


def test_content_and_attributes_are_escaped_and_markup_is_kept():
    inner = tag("b", "<i>")
    assert tag("p", "<", inner, title='"') == '<p title="&quot;">&lt;<b>&lt;i&gt;</b></p>'


def test_attributes_take_names_that_python_reserves():
    made = tag("label", class_="a", aria_label="b", for_="c", hidden=True, id=None, open=False)
    assert made == '<label class="a" aria-label="b" for="c" hidden></label>'


def test_only_elements_of_html_that_hold_nothing_stay_open():
    assert tag("input", id="x") == '<input id="x">'
    assert tag("rect", width=3) == '<rect width="3"></rect>'


def test_markup_is_not_escaped_twice():
    assert escape(escape("<")) == "&lt;"
    assert join(["<", Html("<br>")]) == "&lt;<br>"


def test_text_made_of_markup_is_foreign_again():
    assert escape(Html("<b>") + "x") == "&lt;b&gt;x"
