"""Panels of the figure of two models' outputs, each drawn on axes that it is given."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np

from spinn_edge.accuracy.metrics.faults import bad_samples
from spinn_edge.accuracy.metrics.outputs import ChannelMetrics, OutputMetrics
from spinn_edge.accuracy.metrics.similarity import channel_columns
from spinn_edge.accuracy.validation.comparison import OutputDifference
from spinn_edge.core.tensors import Array

MOST_CHANNELS = 16
MOST_POINTS = 4000
TRACED = 3
"""Channels whose samples are shown one by one."""

COLOURS = ("#0072B2", "#E69F00", "#009E73")
ALARM = "#D55E00"
MARKERS = ("o", "^", "s")
"""Each channel has a colour and a marker, so that the figure reads without colours too.

Source: Okabe and Ito (2008), "Color universal design": colours that the colour-blind tell apart.
"""


def draw_channels(axes: Any, metrics: OutputMetrics) -> None:
    """Draw each channel's largest and root mean square (RMS) difference, on a log scale."""
    ranked = sorted(metrics.channels, key=lambda channel: -channel.over_scale)[:MOST_CHANNELS]
    channels = [channel for channel in metrics.channels if channel in ranked]
    left_out = len(metrics.channels) - len(channels)
    axes.set_title(
        "By channel" + (f" (worst {len(channels)} of {left_out + len(channels)})") * bool(left_out),
        fontsize=9.5,
        loc="left",
    )
    axes.set_xlabel("difference / scale of the channel (abs: output units)", fontsize=8.5)
    places = np.arange(len(channels))[::-1]
    axes.set_yticks(places, [plain(_label(channel.channel)) for channel in channels], fontsize=8.5)
    axes.set_ylim(-0.7, len(channels) - 0.3)
    shares = [channel.over_scale for channel in channels if channel.over_scale > 0]
    if not shares:
        axes.set_xticks([])
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.text(0.5, 0.5, "equal in every sample", transform=axes.transAxes, ha="center")
        return
    rms = [channel.rms / channel.scale for channel in channels]
    least = min([*shares, *(value for value in rms if value > 0)]) / 3
    axes.set_xscale("log")
    decades = np.log10(max(shares) / least)
    axes.set_xlim(least, max(shares) * 10 ** max(0.7 * decades, 1.0))  # room for the numbers
    for place, channel, mean in zip(places, channels, rms, strict=True):
        if channel.over_scale == 0:
            axes.text(least, place, " equal", va="center", fontsize=8)
            continue
        axes.plot([least, channel.over_scale], [place, place], color="#BBBBBB", lw=1, zorder=1)
        axes.plot(channel.over_scale, place, "o", color=COLOURS[0], ms=6, label="largest")
        axes.plot(mean, place, "|", color="black", ms=10, mew=1.6, label="RMS")
        axes.annotate(
            f"{channel.over_scale:.2g} (abs {channel.max_abs:.2g})",
            (channel.over_scale, place),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
        )
    handles, labels = axes.get_legend_handles_labels()
    _legend(axes, list(dict(zip(labels, handles, strict=True)).items()), "lower right")
    _tidy(axes, grid="x")


def draw_samples(axes: Any, output: OutputDifference, metrics: OutputMetrics) -> None:
    """Draw each sample's largest difference, with its sign, in the worst channels."""
    axes.set_xlabel("sample (counted from 0)", fontsize=8.5)
    axes.set_ylabel("difference / scale, signed", fontsize=8.5)
    axes.axhline(0, color="#888888", lw=0.8, zorder=1)
    ranked = sorted(
        range(len(metrics.channels)), key=lambda index: -metrics.channels[index].over_scale
    )[:TRACED]
    handles: list[tuple[str, Any]] = []
    for index, colour, marker in reversed(list(zip(ranked, COLOURS, MARKERS, strict=False))):
        channel = metrics.channels[index]
        signed = _signed_largest(output, index) / channel.scale
        kept = _thinned(len(signed), channel.worst_sample)
        (points,) = axes.plot(
            kept,
            signed[kept],
            marker,
            color=colour,
            ms=3,
            mew=0,
            alpha=0.75,
            rasterized=True,
        )
        handles.append((plain(_label(channel.channel, 44 // len(ranked))), points))
    worst = metrics.worst
    place = signed[worst.worst_sample]  # the worst channel is the last one drawn
    if worst.over_scale > 0:
        axes.plot(worst.worst_sample, place, "o", mfc="none", mec=ALARM, ms=10, mew=1.6)
        right = worst.worst_sample > 0.7 * len(output.first)
        axes.annotate(
            f"sample {worst.worst_sample}",
            (worst.worst_sample, place),
            xytext=(-9 if right else 9, 0),
            textcoords="offset points",
            ha="right" if right else "left",
            va="center",
            color=ALARM,
            fontsize=8.5,
        )
    axes.margins(x=0.03, y=0.12)
    axes.locator_params(axis="x", integer=True)
    _legend(axes, handles[::-1], "lower left")  # in the place of a title
    _tidy(axes, grid="y")


def draw_values(
    axes: Any, output: OutputDifference, worst: ChannelMetrics, names: tuple[str, str]
) -> None:
    """Draw the second model's values against the first's in the worst channel."""
    index = _index_of(output, worst)
    first = channel_columns(output.first)[:, index]
    second = channel_columns(output.second)[:, index]
    kept = _thinned(len(first), int(np.argmax(np.abs(second - first))))
    axes.set_title(plain(f"Values of {_label(worst.channel)}"), fontsize=9.5, loc="left")
    axes.set_xlabel(plain(f"{names[0]}, output units (line: equal)"), fontsize=8.5)
    axes.set_ylabel(plain(f"{names[1]}, output units"), fontsize=8.5)
    low, high = min(first.min(), second.min()), max(first.max(), second.max())
    axes.plot([low, high], [low, high], color="#888888", lw=0.8, zorder=1)
    axes.plot(
        first[kept],
        second[kept],
        MARKERS[0],
        color=COLOURS[0],
        ms=3,
        mew=0,
        alpha=0.6,
        rasterized=True,
    )
    at = int(np.argmax(np.abs(second - first)))
    if worst.max_abs > 0:
        axes.plot(first[at], second[at], "o", mfc="none", mec=ALARM, ms=10, mew=1.6)
    axes.margins(0.06)
    axes.locator_params(axis="x", nbins=4)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, place: f"{value:.5g}")
    _tidy(axes, grid="both")


def draw_map(row: Any, axes: Any, output: OutputDifference, worst: ChannelMetrics) -> None:
    """Draw the worst sample's absolute difference as an image."""
    index, sample = _index_of(output, worst), worst.worst_sample
    second = np.asarray(output.second[sample, index], np.float64)
    difference = np.abs(second - np.asarray(output.first[sample, index], np.float64))
    image = axes.imshow(difference, cmap="cividis", vmin=0, interpolation="nearest")
    axes.set_title(plain(f"Sample {sample}, {_label(worst.channel)}"), fontsize=9.5, loc="left")
    axes.set_xlabel("column", fontsize=8.5)
    axes.set_ylabel("row", fontsize=8.5)
    axes.tick_params(labelsize=8)
    bar = row.colorbar(image, ax=axes)
    bar.set_label("absolute difference, output units", fontsize=8.5)
    bar.ax.tick_params(labelsize=8)


def draw_fault(row: Any, output: OutputDifference, names: tuple[str, str]) -> None:
    """Say why there is no number, and mark the samples that hold NaN or Inf."""
    reason = output.fault.reason if output.fault else "it was not measured"
    row.suptitle(
        plain("\n".join(textwrap.wrap(f"{output.output}: {reason}", 130))),
        fontsize=10.5,
        x=0.01,
        ha="left",
        color=ALARM,
    )
    axes = row.subplots()
    arrays = (output.second, output.first)
    if any(array.dtype.kind not in "biuf" or not array.size for array in arrays):
        say(axes, "no values to draw")
        return
    for place, array in enumerate(arrays):
        bad = np.flatnonzero(bad_samples(array))
        axes.plot(bad, np.full(len(bad), place), "|", color=ALARM, ms=18, mew=1.5)
    longest = max(map(len, arrays))
    axes.set_xlim(-0.03 * longest - 0.5, 1.03 * longest - 0.5)
    axes.set_ylim(-0.6, 1.6)
    axes.set_yticks([0, 1], [plain(name) for name in reversed(names)], fontsize=8.5)
    axes.set_xlabel("sample (counted from 0); a mark holds NaN or Inf", fontsize=8.5)
    _tidy(axes, grid="x")


def scale_words(worst: ChannelMetrics) -> str:
    """Return how large the largest difference of an output is, and where."""
    if worst.max_abs == 0:
        return "equal in every sample"
    return (
        f"at most {worst.over_scale:.2g} of the scale, in {_label(worst.channel)}, "
        f"sample {worst.worst_sample}"
    )


def say(axes: Any, words: str) -> None:
    axes.set_axis_off()
    axes.text(
        0.01,
        0.5,
        plain("\n".join(textwrap.wrap(words, 130))),
        transform=axes.transAxes,
        va="center",
        color=ALARM,
    )


def plain(text: str) -> str:
    """Return text that matplotlib does not read as a formula."""
    return text.replace("$", r"\$")


def _signed_largest(output: OutputDifference, index: int) -> Array:
    """Return each sample's difference of largest magnitude in one channel, with its sign."""
    samples = len(output.first)
    first = channel_columns(output.first)[:, index].reshape(samples, -1)
    difference = channel_columns(output.second)[:, index].reshape(samples, -1) - first
    at = np.argmax(np.abs(difference), axis=1)
    return np.asarray(difference[np.arange(samples), at])


def _thinned(count: int, keep: int) -> Array:
    """Return evenly spread indices, few enough to draw, one that must be seen among them."""
    chosen = np.linspace(0, count - 1, min(count, MOST_POINTS)).astype(int)
    return np.union1d(chosen, [keep])


def _index_of(output: OutputDifference, channel: ChannelMetrics) -> int:
    return output.channels.index(channel.channel)


def _legend(axes: Any, handles: Sequence[tuple[str, Any]], corner: str) -> None:
    """Put a legend above the plot, where it covers no point."""
    axes.legend(
        [handle for _, handle in handles],
        [label for label, _ in handles],
        loc=corner,
        bbox_to_anchor=(0.0 if corner.endswith("left") else 1.0, 0.995),
        ncols=len(handles),
        frameon=False,
        fontsize=8,
        borderpad=0.1,
        columnspacing=1.0,
        handletextpad=0.3,
        handlelength=1.2,
    )


def _tidy(axes: Any, grid: str) -> None:
    axes.grid(axis=grid, color="#E6E6E6", lw=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _label(name: str, most: int = 26) -> str:
    """Return a channel's name in at most so many letters; a number says what it counts."""
    if name.isdecimal():
        return f"channel {name}"
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"
