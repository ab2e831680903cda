"""The figure's own facts; that it reads well was looked at."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from spinn_edge.accuracy import OutputComparator, visualize_diff
from spinn_edge.accuracy.validation.comparison import Comparison
from spinn_edge.core.errors import MissingDependencyError, UsageError

X = np.random.default_rng(0).standard_normal((30, 3)).astype(np.float32)


def compare(b: Any, x: Any = X, **options: Any) -> Comparison:
    return OutputComparator(lambda x: x, b, **options).compare(x)


def nudged(x: Any) -> Any:
    y = x + np.float32(1e-3) * np.sin(40 * x)
    y[17, 1] += 0.5
    return y


def words(figure: Any) -> list[str]:
    """Every text of the figure that is not empty, ticks aside."""
    texts = [text for text in figure.findobj(matplotlib.text.Text) if text.get_visible()]
    return [text.get_text() for text in texts if text.get_text()]


def boxes(figure: Any) -> list[tuple[str, Any]]:
    """Where each drawn text of the panels lies, in pixels; ticks beyond the limits left out."""
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()
    found = []
    for axes in figure.findobj(matplotlib.axes.Axes):
        around = axes.get_window_extent(renderer).padded(3)
        for text in axes.findobj(matplotlib.text.Text):
            box = text.get_window_extent(renderer)
            along_x = (
                text in axes.get_xticklabels()
                and not around.x0 <= (box.x0 + box.x1) / 2 <= around.x1
            )
            along_y = (
                text in axes.get_yticklabels()
                and not around.y0 <= (box.y0 + box.y1) / 2 <= around.y1
            )
            if text.get_visible() and text.get_text().strip() and not along_x and not along_y:
                found.append((text.get_text(), box.shrunk(0.98, 0.98)))
    return found


def test_figure_names_sample_channel_and_size(tmp_path: Path) -> None:
    figure = visualize_diff(compare(nudged, channels=("wear", "heat", "$load_1$")))
    assert isinstance(figure, Figure)
    text = words(figure)
    assert "second against first, 30 samples" in text
    share = 0.5 / np.abs(X[:, 1]).max()
    assert any(
        line.startswith(f"output: at most {share:.2g} of the scale, in heat, sample 17")
        for line in text
    )
    assert "sample 17" in text
    assert "Values of heat" in text
    assert {"wear", "heat", r"\$load_1\$"} <= set(text)
    assert any("(abs 0.5)" in line for line in text)
    assert "second, output units" in text


def test_file_has_300_dots_an_inch_and_a_white_background(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "new" / "diff.png"
    figure = visualize_diff(compare(nudged), path)
    with Image.open(path) as image:
        assert image.size[0] == pytest.approx(300 * figure.get_size_inches()[0], abs=1)
        assert image.convert("RGB").getpixel((2, image.size[1] - 3)) == (255, 255, 255)


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_every_suffix_is_written(tmp_path: Path, suffix: str) -> None:
    visualize_diff(compare(nudged), tmp_path / f"d.{suffix}")
    assert (tmp_path / f"d.{suffix}").stat().st_size > 1000


def test_style_and_state_of_the_caller_are_left_alone() -> None:
    with matplotlib.rc_context({"axes.facecolor": "black", "figure.facecolor": "black"}):
        figure = visualize_diff(compare(nudged))
        assert matplotlib.rcParams["axes.facecolor"] == "black"
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    for axes in figure.findobj(matplotlib.axes.Axes):
        assert axes.get_facecolor() == (1.0, 1.0, 1.0, 1.0)


def test_pyplot_is_never_imported(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "from spinn_edge.accuracy import OutputComparator, visualize_diff\n"
        "c = OutputComparator(lambda x: x, lambda x: x + 1).compare(np.ones((4, 2)))\n"
        "assert 'matplotlib' not in sys.modules and 'torch' not in sys.modules\n"
        f"visualize_diff(c, {str(tmp_path / 'd.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_equal_models_are_said_to_be_equal() -> None:
    text = words(visualize_diff(compare(lambda x: x.copy())))
    assert "output: equal in every sample" in text
    assert not any(line.startswith("sample 0") for line in text)


def test_nan_is_drawn_as_marks_and_words() -> None:
    def broken(x: Any) -> Any:
        y = x.copy()
        y[[4, 9], 0] = np.nan
        return y

    figure = visualize_diff(compare(broken))
    assert any("first in sample 4 (2 of 30 samples)" in line for line in words(figure))
    (axes,) = figure.findobj(matplotlib.axes.Axes)
    assert [line.get_xdata().tolist() for line in axes.lines] == [[4, 9], []]


@pytest.mark.parametrize(
    "b",
    [
        lambda x: x[:, :2],
        lambda x: x.astype(complex),
        lambda x: x.astype(np.float64),
        lambda x: (x, x),
        lambda x: x[:, 0],
        lambda x: np.zeros((len(x), 0), np.float32),
    ],
)
def test_every_fault_can_be_drawn(b: Any, tmp_path: Path) -> None:
    figure = visualize_diff(compare(b), tmp_path / "d.png")
    assert any("model" in line for line in words(figure))


@pytest.mark.parametrize(
    "shape", [(1,), (1, 1), (500, 1), (6000, 2), (5, 40), (3, 2, 7), (3, 2, 8, 9)]
)
def test_every_shape_can_be_drawn(shape: tuple[int, ...], tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal(shape)
    figure = visualize_diff(compare(lambda x: x * 1.01, x), tmp_path / "d.png")
    for axes in figure.findobj(matplotlib.axes.Axes):
        for line in axes.lines:
            assert len(line.get_xdata()) <= 4001


def test_values_beyond_float64_are_drawn_as_words() -> None:
    comparison = compare(lambda x: -x, np.full((3, 1), 1.7e308))
    assert any("too large for float64" in line for line in words(visualize_diff(comparison)))


def test_worst_outputs_are_kept_and_the_rest_counted() -> None:
    comparison = compare(lambda x: [x + i / 100 for i in range(9)])
    assert comparison.fault is not None  # one output against nine
    nine = OutputComparator(lambda x: [x] * 9, lambda x: [x + i / 100 for i in range(9)]).compare(X)
    text = words(visualize_diff(nine))
    assert (
        "second against first, 30 samples; 3 outputs with smaller differences are left out" in text
    )
    assert any(line.startswith("output_8: ") for line in text)
    assert not any(line.startswith("output_2: ") for line in text)


@pytest.mark.parametrize(
    "channels",
    [
        ("wear", "heat", "load"),
        ("flank_wear_of_the_first_edge_in_mm", "thermal_displacement_of_spindle", "x" * 60),
    ],
)
def test_no_text_covers_another(channels: tuple[str, ...]) -> None:
    figure = visualize_diff(compare(nudged, channels=channels))
    found = boxes(figure)
    for index, (text, box) in enumerate(found):
        for other, its_box in found[index + 1 :]:
            assert not box.overlaps(its_box), (text, other)


def test_files_that_cannot_be_written_are_refused(tmp_path: Path) -> None:
    for name in ("d", "d.csv"):
        with pytest.raises(UsageError, match=r"written as one of \.png, \.svg, \.pdf"):
            visualize_diff(compare(nudged), tmp_path / name)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        visualize_diff(compare(nudged), tmp_path / "file" / "d.png")


def test_missing_matplotlib_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    comparison = compare(nudged)
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    with pytest.raises(MissingDependencyError, match=r"spinn-edge\[report\]"):
        visualize_diff(comparison)
