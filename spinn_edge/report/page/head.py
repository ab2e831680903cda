"""What stands at the top: what was measured, when, and where."""

from __future__ import annotations

import base64
import hashlib

from spinn_edge import __version__
from spinn_edge.report import formatting as f
from spinn_edge.report.page.markup import Html, join, tag
from spinn_edge.report.sources import NamedResult, ReportSources


def policy(script: str, others: str) -> Html:
    """Return the rule that only the scripts of the page run and that nothing is asked for.

    Args:
        script: text of the page's own script.
        others: hashes of further ones, as the rule writes them.

    Source:
        Content Security Policy Level 3, W3C.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    content = (
        f"default-src 'none'; script-src 'sha256-{digest}' {others}; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return tag("meta", http_equiv="Content-Security-Policy", content=Html(content))


def page_title(sources: ReportSources) -> str:
    """Return ``pruned beside dense: spinn-edge report``."""
    names = list(dict.fromkeys(b.name for n in sources.results for b in n.result.bundles))
    baseline = {b.name for n in sources.results for b in n.result.bundles if b.baseline}
    others = [name for name in names if name not in baseline]
    what = ", ".join(others or names)
    beside = f" beside {', '.join(name for name in names if name in baseline)}"
    return f"{what}{beside if baseline and others else ''}: spinn-edge report"


def masthead(sources: ReportSources) -> Html:
    """Return title, what is in it, and the switch of light and dark."""
    switch = tag("button", "Dark or light", type="button", id="theme", hidden=True)
    return tag(
        "header",
        tag(
            "div",
            tag("h1", page_title(sources).removesuffix(": spinn-edge report")),
            switch,
            class_="title",
        ),
        tag("dl", *_facts(sources)),
        role="banner",
    )


def _facts(sources: ReportSources) -> list[Html]:
    facts: list[tuple[str, Html]] = []
    several = len(sources.results) > 1
    for named in sources.results:
        what = _what(named)
        where = tag("span", f"{named.name}: ", class_="name") if several else Html("")
        facts.append(("machine" if not several else "result", join([where, named.machine])))
        facts.append(("measured", tag("time", named.result.created_utc)))
        facts.append(("timed", tag("span", what)))
    facts.append(("written by", tag("span", f"spinn-edge {__version__}")))
    return [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts]


def _what(named: NamedResult) -> str:
    rows = named.result.rows
    timed = [row for row in rows if row.samples_s]
    runtimes = dict.fromkeys(f.served(row.runtime, row.served_by) for row in timed)
    if not timed:
        return f"none of {len(rows)} rows"
    samples = sum(len(row.samples_s) for row in timed)
    return f"{len(timed)} of {len(rows)} rows, {samples:,} samples, on {', '.join(runtimes)}"
