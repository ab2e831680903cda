"""Tolerances that somebody chose by hand, as shares of an output's scale."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from spinn_edge.accuracy.parity import Parity
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import PRECISIONS, Manifest
from spinn_edge.core.tensors import Array

EVERY_OUTPUT = "*"


def parse_tolerances(texts: Sequence[str]) -> dict[str, float]:
    """Read ``NAME=SHARE`` or ``NAME@PRECISION=SHARE``, several with commas.

    Args:
        texts: as they were typed, such as ``["tool_wear=1e-4,*=1e-5", "*@fp16=1e-2"]``.

    Returns:
        Shares by ``NAME`` or ``NAME@PRECISION``.

    Raises:
        UsageError: no such pair, a name twice, an unknown precision, or a share that is not a
            finite number above 0.
    """
    shares: dict[str, float] = {}
    for part in (part.strip() for text in texts for part in text.split(",")):
        name, mark, number = (piece.strip() for piece in part.rpartition("="))
        if not name or not mark or name in shares:
            raise UsageError(
                f"--tolerance {part}: expected OUTPUT=SHARE, each output once, such as "
                "tool_wear=1e-4 or *=1e-5 or *@fp16=1e-2"
            )
        if "@" in name and name.rpartition("@")[2] not in PRECISIONS:
            raise UsageError(
                f"--tolerance {part}: after @ stands one of {', '.join(PRECISIONS)}, such as "
                "*@fp16=1e-2"
            )
        try:
            shares[name] = float(number)
        except ValueError:
            shares[name] = math.nan
        check_share(part, shares[name])
    return shares


def check_share(text: str, share: float) -> None:
    """Refuse a share that allows nothing, or anything.

    Raises:
        UsageError: it is not a finite number above 0.
    """
    if not (math.isfinite(share) and share > 0):
        raise UsageError(
            f"--tolerance {text}: expected a share of the output's scale, a finite number above "
            "0 such as 1e-4"
        )


def with_tolerances(manifest: Manifest, given: Mapping[str, float]) -> Manifest:
    """Return a manifest with shares chosen by hand beside those that it holds.

    Args:
        manifest: says outputs and scales.
        given: what :func:`parse_tolerances` returned; a name that the manifest has too is replaced.

    Raises:
        UsageError: a name that no output or channel has, or a share that is not a finite number
            above 0.
    """
    known = channels_by_name(manifest)
    for key, share in given.items():
        check_share(f"{key}={share}", share)
        name = key
        if key.rpartition("@")[2] in PRECISIONS:
            name = key.rpartition("@")[0]
        if name not in known:
            raise UsageError(
                f"--tolerance {key}={share:g}: the model has no output '{name}'; "
                f"known: {', '.join(_short(known))}"
            )
    return replace(manifest, tolerances_by_hand={**manifest.tolerances_by_hand, **given})


def shares_by_hand(manifest: Manifest, precision: str) -> dict[str, Array]:
    """Return each channel's share that was chosen by hand, NaN where the default holds.

    The most exact name wins: a channel's before its output's, that before ``*``; and of one name,
    the one with this precision.

    Args:
        manifest: says outputs, scales and what was chosen.
        precision: which of the bundle's files is compared.
    """
    chosen = manifest.tolerances_by_hand
    shares = {name: np.full(len(limit.scale), np.nan) for name, limit in manifest.parity.items()}
    if not chosen:
        return shares
    for name, places in reversed(channels_by_name(manifest).items()):
        for key in (name, f"{name}@{precision}"):
            if key in chosen:
                for output, channel in places:
                    shares[output][channel] = chosen[key]
    return shares


def chosen_share(shares: Mapping[str, Array], output: str, channel: int | None) -> float | None:
    """Return a channel's share that was chosen by hand; None where the default holds.

    Args:
        shares: what :func:`shares_by_hand` returned.
        output: its name.
        channel: its number; None for no channel.
    """
    if channel is None or output not in shares:
        return None
    share = float(shares[output][channel])
    return None if np.isnan(share) else share


def marked(parity: Parity, manifest: Manifest, precision: str) -> Parity:
    """Return a verdict that says whether its limit was chosen by hand.

    Args:
        parity: a verdict against limits of this manifest.
        manifest: says what was chosen.
        precision: which of the bundle's files was compared.
    """
    shares = shares_by_hand(manifest, precision)
    return replace(parity, share_by_hand=chosen_share(shares, parity.output, parity.channel))


def channels_by_name(manifest: Manifest) -> dict[str, tuple[tuple[str, int], ...]]:
    """Return what can be named, the most exact first, with the channels that each name stands for.

    Columns that the model was trained to predict, in their order; ``output[0]`` and so on; names of
    outputs; ``*`` for all.
    """
    named: dict[str, tuple[tuple[str, int], ...]] = {}
    outputs = {name: len(limit.scale) for name, limit in manifest.parity.items()}
    first = next(iter(outputs), "")
    targets = manifest.training.recipe.targets if manifest.training else ()
    if first and outputs[first] == len(targets):
        named |= {target: ((first, channel),) for channel, target in enumerate(targets)}
    for name, channels in outputs.items():
        named |= {f"{name}[{channel}]": ((name, channel),) for channel in range(channels)}
    for name, channels in outputs.items():
        named.setdefault(name, tuple((name, channel) for channel in range(channels)))
    named[EVERY_OUTPUT] = tuple(
        (name, channel) for name, channels in outputs.items() for channel in range(channels)
    )
    return named


def _short(known: Mapping[str, object]) -> list[str]:
    """Return the names, of many channels only the first ones."""
    names = list(known)
    return names if len(names) <= 12 else [*names[:10], "…", EVERY_OUTPUT]
