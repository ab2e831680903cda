"""Every figure of every kind of source: what is drawn, what is not, how it looks, which bytes."""

import functools
import io
import itertools
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib
import matplotlib.pyplot as plt
import pytest
from PIL import Image

from spinn_edge.core.errors import BundleError, MissingDependencyError, UsageError
from spinn_edge.report.figures import drawing
from spinn_edge.report.figures.drawing import draw_figures, figures_words, lay_out, rendered
from spinn_edge.report.figures.sketch import Sketch
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    SINGLE_IN,
    SMALL_PT,
    TALLEST_IN,
    drawing_style,
)
from spinn_edge.report.sources import NamedDocument
from tests.unit.report.figures.cases import CASES, HOSTILE, alone, named, whole
from tests.unit.report.figures.layout import outside, overlaps, texts
from tests.unit.report.results import result, unavailable

pytestmark = pytest.mark.filterwarnings("ignore:Glyph .* missing:UserWarning")

COARSE = 50
"""Dots an inch where a test looks at no picture: a thirty-sixth of the dots."""

EVERY = {
    "pruning-progression",
    "predicted-against-measured",
    "summary-bars",
    "architecture",
    "latency-distribution",
    "pareto",
    "error-waterfall",
    "footprint-ladder",
    "roofline",
    "throughput",
}


def sketches(sources, pages=None):
    """Draw in the style, without writing; of each kind so many pages, or all."""
    with drawing_style():
        for draw in drawing._FIGURES:
            for found in itertools.islice(draw(sources), pages):
                if isinstance(found, Sketch):
                    yield found


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return what :func:`draw_figures` wrote of a case, and its figures: each is drawn once."""

    @functools.cache
    def write(case, formats):
        figures = []

        def kept(figure, kind, dpi):
            figures.append(figure)
            lay_out(figure)  # as for print, whatever the dots
            return rendered(figure, kind, dpi)

        folder = tmp_path_factory.mktemp(case) / "new" / "figures"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(drawing, "rendered", kept)
            report = draw_figures(CASES[case](), folder, formats=formats, dpi=COARSE)
        named = zip(report.drawn, figures, strict=True)
        return report, {path.stem: figure for path, figure in named}

    return write


@pytest.mark.parametrize("case", CASES)
def test_no_text_covers_another_or_leaves_the_figure_and_all_can_be_read(case, written):
    seen = set()
    shared = {"whole": ("png", "svg"), "hostile": ("svg",)}
    if case in shared:
        _, figures = written(case, shared[case])
        drawings = [Sketch(name=name, figure=figure) for name, figure in figures.items()]
    else:
        # further pages of a sweep look like the first
        drawings = sketches(CASES[case](), pages=1 if case == "swept" else None)
    for sketch in drawings:
        seen.add(sketch.name)
        assert overlaps(sketch.figure) == [], sketch.name
        assert outside(sketch.figure) == [], sketch.name
        assert min(text.get_fontsize() for text in texts(sketch.figure)) >= SMALL_PT == 7
        width, height = sketch.figure.get_size_inches()
        assert width in (SINGLE_IN, DOUBLE_IN)
        assert height <= TALLEST_IN
    assert seen


def test_all_figures_are_drawn_from_a_whole_set_and_the_rest_has_a_reason(written):
    report, _ = written("whole", ("png", "svg"))
    stems = {path.stem for path in report.drawn}
    assert {name.rstrip("-12") for name in stems} == EVERY - {"throughput"}
    assert {path.suffix for path in report.drawn} == {".png", ".svg"}
    assert len(report.drawn) == 2 * len(stems)
    assert all(path.stat().st_size > 1000 for path in report.drawn)
    ((name, reason),) = report.left_out
    assert name == "throughput"
    assert "--batch sweep" in reason


def test_pngs_have_300_dots_an_inch_and_svgs_text_that_is_text(tmp_path):
    report = draw_figures(alone(), tmp_path)
    for path in report.drawn:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert [round(float(d)) for d in image.info["dpi"]] == [300, 300]
                assert image.width in (1050, 2160)
                assert "Software" not in image.info
        else:
            root = ElementTree.parse(path).getroot()
            assert any("".join(one.itertext()).strip() for one in root.iter(f"{SVG}text"))
            assert "date" not in path.read_text(encoding="utf-8").lower()


SVG = "{http://www.w3.org/2000/svg}"


def test_the_order_of_formats_moves_nothing_and_dots_an_inch_scale(tmp_path):
    fine = draw_figures(alone(), tmp_path / "fine", dpi=2 * COARSE).drawn
    draw_figures(alone(), tmp_path / "turned", formats=("svg", "png"), dpi=2 * COARSE)
    draw_figures(alone(), tmp_path / "coarse", formats=("png",), dpi=COARSE)
    for path in fine:
        turned = tmp_path / "turned" / path.name
        if path.suffix == ".svg":
            assert _places(path) == _places(turned), path.name
            continue
        assert path.read_bytes() == turned.read_bytes()
        with Image.open(path) as large, Image.open(tmp_path / "coarse" / path.name) as small:
            assert large.width == 2 * small.width


def _places(path):
    """Return what an SVG says, and where."""
    texts = ElementTree.parse(path).getroot().iter(f"{SVG}text")
    return [("".join(one.itertext()), one.get("x"), one.get("transform")) for one in texts]


def test_the_same_sources_give_the_same_bytes(tmp_path):
    sources = replace(alone(), predictions=whole().predictions, explanations=whole().explanations)
    first = draw_figures(sources, tmp_path / "first", dpi=COARSE).drawn
    again = draw_figures(sources, tmp_path / "again", dpi=COARSE).drawn
    assert [path.name for path in first] == [path.name for path in again]
    for one, other in zip(first, again, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_what_was_not_measured_is_not_drawn_and_each_has_its_reason(tmp_path):
    report = draw_figures(alone(), tmp_path, formats=("svg",))
    drawn = {path.stem for path in report.drawn}
    reasons = dict(report.left_out)
    assert drawn | set(reasons) == EVERY
    assert not drawn & set(reasons)
    assert "--bundle" in reasons["pruning-progression"]
    assert "--data" in reasons["predicted-against-measured"]
    assert "spinn-edge waterfall" in reasons["error-waterfall"]
    assert "spinn-edge explain" in reasons["roofline"]
    words = figures_words(report)
    assert words[0].startswith("figures drawn: summary-bars, ")
    assert f"not drawn: roofline: {reasons['roofline']}" in words


def test_where_nothing_was_timed_no_latency_is_drawn(tmp_path):
    sources = replace(alone(), results=(named(result((unavailable("dense"),))),))
    reasons = dict(draw_figures(sources, tmp_path, formats=("svg",)).left_out)
    assert {"summary-bars", "latency-distribution", "pareto", "footprint-ladder"} <= set(reasons)


def test_machines_have_figures_of_their_own(tmp_path):
    one = alone().results[0]
    sources = replace(alone(), results=(replace(one, name="a"), replace(one, name="b")))
    drawn = [path.stem for path in draw_figures(sources, tmp_path, formats=("svg",)).drawn]
    assert [name for name in drawn if name.startswith("pareto")] == ["pareto-a", "pareto-b"]


def test_names_alike_in_letters_do_not_overwrite_each_other(tmp_path):
    one = alone().results[0]
    sources = replace(alone(), results=(replace(one, name="a b"), replace(one, name="a/b")))
    drawn = draw_figures(sources, tmp_path, formats=("svg",)).drawn
    assert len({path.name for path in drawn}) == len(drawn)
    assert {"pareto-a-b", "pareto-a-b-2"} <= {path.stem for path in drawn}


def test_hostile_names_stay_text_and_inside_the_folder(written):
    report, _ = written("hostile", ("svg",))
    (folder,) = {path.parent for path in report.drawn}
    assert folder.name == "figures"
    assert list(folder.parent.iterdir()) == [folder]
    assert set(folder.iterdir()) == set(report.drawn)
    everything = ""
    for path in report.drawn:
        root = ElementTree.parse(path).getroot()
        assert not [one for one in root.iter() if one.tag.endswith("script")]
        everything += "\n".join("".join(one.itertext()) for one in root.iter(f"{SVG}text"))
    assert HOSTILE[0] in everything  # a formula would have become something else
    assert "<script>aler" in everything
    assert "עברית" in everything
    assert "\u202e" not in everything
    assert "m" * 100 not in everything


def test_the_users_own_style_and_figures_are_left_alone(tmp_path):
    plt.switch_backend("agg")
    with matplotlib.rc_context({"font.size": 31.0, "text.parse_math": True}):
        before = dict(matplotlib.rcParams)
        draw_figures(alone(), tmp_path, dpi=COARSE)
        assert dict(matplotlib.rcParams) == before
        assert plt.get_fignums() == []


def test_the_users_style_changes_no_byte(tmp_path):
    plain = draw_figures(alone(), tmp_path / "plain", dpi=COARSE).drawn
    with matplotlib.rc_context({"font.size": 31.0, "lines.linewidth": 9, "svg.fonttype": "path"}):
        styled = draw_figures(alone(), tmp_path / "styled", dpi=COARSE).drawn
    assert [one.read_bytes() for one in plain] == [one.read_bytes() for one in styled]


def test_another_format_or_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="figures as gif: expected png or svg"):
        draw_figures(alone(), tmp_path, formats=("png", "gif"))
    with pytest.raises(UsageError, match="figures as nothing"):
        draw_figures(alone(), tmp_path, formats=())
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="name another folder"):
        draw_figures(alone(), tmp_path / "file", formats=("svg",))
    with pytest.raises(UsageError, match="0 dots an inch: expected 1 or more"):
        draw_figures(alone(), tmp_path, dpi=0)


def test_a_damaged_document_is_named(tmp_path):
    sources = replace(alone(), waterfalls=(NamedDocument(name="bad", raw={"steps": 3}),))
    with pytest.raises(BundleError, match="bad"):
        draw_figures(sources, tmp_path, formats=("svg",))


def test_without_matplotlib_the_extra_is_named(tmp_path, monkeypatch):
    def absent(module, *, extra):
        raise MissingDependencyError(module, extra, "ImportError")

    monkeypatch.setattr(drawing, "require", absent)
    with pytest.raises(MissingDependencyError, match="report"):
        draw_figures(alone(), tmp_path)


def test_panels_keep_their_place_in_every_format():
    with drawing_style():
        figure = next(iter(sketches(alone()))).figure
        png, svg = rendered(figure, "png"), rendered(figure, "svg")
    assert figure.get_layout_engine() is None  # with one, every file is drawn twice
    with Image.open(io.BytesIO(png)) as image:
        wide, high = image.size
    root = ElementTree.fromstring(svg)
    assert root.get("width") == f"{wide / 300 * 72:g}pt"
    assert float(root.get("height", "0").removesuffix("pt")) == pytest.approx(high * 0.24, abs=0.3)
