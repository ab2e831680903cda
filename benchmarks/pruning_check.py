"""Is pruning what it says, and does the score hold? Thirty cases, and runs as a user types them.

``PYTHONPATH=. python benchmarks/pruning_check.py``, on a machine that does nothing else. Prints a
Markdown table; ``--only NAMES`` takes some sections of it; ``--out benchmarks/results`` also writes
``pruning-<machine>.json`` and ``.md``. The exit code is 1 when a figure was missed.

- *cases*: six architectures at two sizes, five targets: parameters counted, and the smaller network
  run beside the masked one, by code of this folder.
- *demo*: R² of the demo's network at 68.5 % and 90 %, and the time that training and pruning take.
- *real*: R² of wear on the NASA milling data, in the folder ``--milling`` or
  ``SPINN_EDGE_MILLING_DIR``.
- *latency*: pruned to 0.6 × the dense latency on ort-cpu, timed again by ``spinn-edge bench``.
- *masked*: the zeros of masks after each stage.
- *step*: compiled against eager training steps, by ``spinn-edge bench-train``.
- *determinism*: the weights of two runs with one seed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from pruning_cases import CASES_HEAD, all_cases, case_figures
from pruning_masks import masked
from pruning_real import real
from pruning_runs import demo, determinism
from pruning_shop import (
    MILLING_VARIABLE,
    CommandFailedError,
    Section,
    Workshop,
    commands_list,
    unmeasured,
)
from pruning_speed import latency, step
from recorded import (
    FIGURES_HEAD,
    figures_table,
    machine_lines,
    machine_name,
    write_recorded,
)

from spinn_edge.bench.machine.environment import describe_environment
from spinn_edge.bench.machine.machine_load import LoadWatch
from spinn_edge.bench.machine.noise_advice import noise_advice
from spinn_edge.core.decode import encode


def cases(shop: Workshop) -> Section:
    """Prune each of six architectures to each of five targets, at two sizes."""
    found = all_cases()
    return Section(
        figures=tuple(case_figures(found)), lines=(*CASES_HEAD, *(case.line for case in found))
    )


SECTIONS: Mapping[str, Callable[[Workshop], Section]] = {
    "cases": cases,
    "demo": demo,
    "real": real,
    "latency": latency,
    "masked": masked,
    "step": step,
    "determinism": determinism,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; the exit code is 1 when a figure was missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--only", type=_names, default=tuple(SECTIONS), help="names, with commas")
    parser.add_argument("--seed", type=int, default=0, help="of data, weights and splits")
    parser.add_argument(
        "--milling",
        type=Path,
        default=os.environ.get(MILLING_VARIABLE) or None,
        help=f"folder with the NASA milling data; else {MILLING_VARIABLE}",
    )
    parser.add_argument("--out", type=Path, help="folder to write the tables and the machine into")
    options = parser.parse_args(arguments)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    environment, watch = describe_environment(), LoadWatch.start()
    found: dict[str, Section] = {}
    with tempfile.TemporaryDirectory(prefix="pruning-check-") as folder:
        shop = Workshop(Path(folder), seed=options.seed, milling=options.milling)
        print("\n".join(FIGURES_HEAD), flush=True)
        for name in options.only:
            found[name] = run_section(name, shop)
            for figure in found[name].figures:
                print(figure.line, flush=True)
    advice = noise_advice(environment, watch.stop())
    figures = [figure for section in found.values() for figure in section.figures]
    details = detail_lines(found, shop)
    print("\n".join(["", *details]))
    if options.out is not None:
        machine = machine_name(environment)
        typed = f"PYTHONPATH=. python benchmarks/pruning_check.py --only {','.join(found)}"
        page = [
            f"# Pruning on {machine}",
            "",
            f"`{typed} --seed {shop.seed} --out benchmarks/results`, {created}.",
            "",
            *figures_table(figures),
            "",
            *machine_lines(environment, advice),
            "",
            *details,
        ]
        document = {
            "created_utc": created,
            "seed": shop.seed,
            "environment": encode(environment),
            "sections": encode(found),
            "commands": [
                {"line": command.line, "wall_s": command.wall_s, "code": command.code}
                for command in shop.commands
            ],
        }
        write_recorded(options.out, "pruning", machine, document, page)
    return 1 if any(figure.met is False for figure in figures) else 0


def run_section(name: str, shop: Workshop) -> Section:
    """Run one section; a command that fails is a missed figure, not the end of the others."""
    try:
        return SECTIONS[name](shop)
    except CommandFailedError as exc:
        return Section(figures=(unmeasured(name, "its commands run", str(exc)),))


def detail_lines(found: Mapping[str, Section], shop: Workshop) -> list[str]:
    """Return what stands below the figures, in Markdown."""
    lines: list[str] = []
    for name, section in found.items():
        if section.lines:
            lines += [f"## {name}", "", *section.lines, ""]
    if shop.commands:
        lines += ["## What was typed", "", *commands_list(shop.commands), ""]
    return lines


def _names(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if unknown := [name for name in names if name not in SECTIONS]:
        raise argparse.ArgumentTypeError(
            f"unknown section '{unknown[0]}'; expected some of {','.join(SECTIONS)}"
        )
    if not names:
        raise argparse.ArgumentTypeError(f"names nothing; expected {','.join(SECTIONS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
