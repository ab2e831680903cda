"""The look of every table on a screen."""

from __future__ import annotations

from rich import box
from rich.table import Table


def screen_table(title: str, *columns: str) -> Table:
    """Return an empty table; long texts are folded, none is cut off.

    Args:
        title: above it, in rich's markup; empty for none.
        columns: their heads; one that begins with ``>`` holds numbers and is set to the right.
    """
    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        caption_justify="left",
        pad_edge=False,
    )
    for column in columns:
        table.add_column(
            column.removeprefix(">"),
            justify="right" if column[:1] == ">" else "left",
            overflow="fold",
        )
    return table
