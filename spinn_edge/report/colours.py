"""Colours of models and series, in one order for the charts of a page and for figures.

Source: Okabe and Ito (2008), "Color universal design": colours that the colour-blind tell apart.
"""

from __future__ import annotations

COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    "#8C8C8C",
)
"""In the order of use: the first model, which is the baseline where there is one, is blue.

A grey instead of black, which a dark page would hide, and no yellow, which a white one would."""

COLOURS_ON_DARK = (
    *("#56B4E9", "#FF9248", "#2FBF91", "#E0A3C6", "#F0E442", "#A9D6F5"),
    "#A8A8A8",
)
"""The same hues, light enough to be read on a dark page."""
