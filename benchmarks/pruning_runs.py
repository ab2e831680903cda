"""Scores, real signals and determinism, through the command line."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pruning_shop import (
    MILLING_VARIABLE,
    Section,
    Workshop,
    groups_of,
    score_figure,
    split_rows,
    unmeasured,
)
from recorded import Figure

from spinn_edge.demo.milling import GROUP, TARGETS, simulate, split_by_tool, write_csv
from spinn_edge.demo.tour import FULL

SPARSITIES = {0.685: 0.01, 0.9: 0.03}
"""Share of the parameters to remove, and what R² may lose."""
DEMO_S = 90.0
TOLERANCE = 0.005
DEMO_DENSE = "demo-dense"
REAL_TARGETS = "tool_wear,thermal_displacement"
WEAR = "tool_wear"
TEST_TOOLS = 3
REAL_SEEDS = 3


def demo(shop: Workshop) -> Section:
    """Train the demo's network, prune it to both sparsities, and time the way to the first."""
    train = demo_dense(shop)
    figures: list[Figure] = []
    for target, allowed in SPARSITIES.items():
        prune = demo_pruned(shop, target)
        what = f"demo, {target:.1%}"
        figures.append(_reached(shop, what, target, _demo_name(target), DEMO_DENSE))
        figures += [
            score_figure(
                shop,
                what=what,
                target=name,
                dense=DEMO_DENSE,
                pruned=_demo_name(target),
                allowed=allowed,
            )
            for name in (*TARGETS, "overall")
        ]
        if target == FULL.target:
            both_s = train + prune
            figures.append(
                Figure(
                    name=f"dense training and {FULL.rounds} pruning rounds of the demo, both "
                    "commands whole",
                    wanted=f"≤ {DEMO_S:g} s on two cores",
                    measured=f"{both_s:.1f} s ({train:.1f} and {prune:.1f})",
                    met=both_s <= DEMO_S,
                )
            )
    return Section(figures=tuple(figures))


def demo_dense(shop: Workshop, name: str = DEMO_DENSE) -> float:
    """Train the demo's network as ``spinn-edge demo`` does; return seconds."""
    write_demo_data(shop)
    return shop.once(
        name,
        *("train", "--data", "demo/train.csv", "--test", "demo/test.csv"),
        *("--targets", ",".join(TARGETS), "--group", GROUP),
        *("--hidden", ",".join(map(str, FULL.hidden)), "--epochs", str(FULL.epochs)),
    ).wall_s


def demo_pruned(shop: Workshop, target: float, *, suffix: str = "") -> float:
    """Prune it as ``spinn-edge demo`` does; return seconds. Only the target differs."""
    return shop.once(
        _demo_name(target) + suffix,
        *("prune", DEMO_DENSE + suffix, "--data", "demo/train.csv", "--test", "demo/test.csv"),
        *("--target", f"{target:g}", "--rounds", str(FULL.rounds)),
        *("--finetune-epochs", str(FULL.finetune_epochs), "--round-to", str(FULL.round_to)),
    ).wall_s


def write_demo_data(shop: Workshop) -> None:
    """Simulate the demo's tools."""
    folder = shop.folder / "demo"
    if folder.exists():
        return
    folder.mkdir()
    table = simulate(tools=FULL.tools, rows_per_tool=FULL.rows_per_tool, seed=shop.seed)
    for part, name in zip(split_by_tool(table, seed=shop.seed), ("train", "test"), strict=True):
        write_csv(part, folder / f"{name}.csv")


def determinism(shop: Workshop) -> Section:
    """Train and prune twice with one seed, and hash what came out."""
    target, again = FULL.target, "-again"
    for suffix in ("", again):
        demo_dense(shop, DEMO_DENSE + suffix)
        demo_pruned(shop, target, suffix=suffix)
    figures = []
    for what, name in (("trained", DEMO_DENSE), ("pruned", _demo_name(target))):
        first, second = (shop.weights_sha256(name + suffix) for suffix in ("", again))
        figures.append(
            Figure(
                name=f"same seed, same machine, {what} twice: sha256 of the weights",
                wanted="equal",
                measured=f"{first[:12]} and {second[:12]}",
                met=first == second,
            )
        )
    return Section(figures=tuple(figures))


def real(shop: Workshop) -> Section:
    """Prune what learnt real signals; scores on tools that are held out."""
    name = f"NASA milling: R² of {WEAR} at {FULL.target:.1%}"
    if shop.milling is None:
        reason = f"no data: name its folder with --milling or {MILLING_VARIABLE}"
        missing = unmeasured(name, "≥ -0.01", reason, met=None)
        return Section(figures=(missing,))
    source = shop.milling / "train.csv"
    data = shop.folder / "nasa"
    data.mkdir(exist_ok=True)
    if not (data / "train.csv").exists():
        (data / "train.csv").symlink_to(source.resolve())
    figures = [
        *_real_pair(shop, "nasa", "nasa/train.csv", (), "tools that also chose the best epoch")
    ]
    tools = groups_of(source, "experiment_id")
    for number in range(REAL_SEEDS):
        held_out = set(random.Random(number).sample(tools, TEST_TOOLS))
        fit, test = (f"nasa/{part}-{number}.csv" for part in ("fit", "test"))
        split_rows(source, "experiment_id", (shop.folder / fit, shop.folder / test), held_out)
        listed = ", ".join(sorted(held_out, key=float))
        what = f"tools {listed}, which chose nothing"
        figures += _real_pair(shop, f"nasa-{number}", fit, ("--test", test), what)
    return Section(figures=tuple(figures))


def _real_pair(
    shop: Workshop, name: str, data: str, test: Sequence[str], scored_on: str
) -> list[Figure]:
    dense, pruned = f"{name}-dense", f"{name}-pruned"
    shop.once(
        dense,
        *("train", "--data", data, *test, "--targets", REAL_TARGETS),
        *("--group", "experiment_id", "--epochs", str(FULL.epochs)),
    )
    shop.once(
        pruned,
        *("prune", dense, "--data", data, *test, "--target", f"{FULL.target:g}"),
        *("--rounds", str(FULL.rounds), "--finetune-epochs", str(FULL.finetune_epochs)),
    )
    what = f"NASA milling, {scored_on}"
    return [
        _reached(shop, what, FULL.target, pruned, dense),
        score_figure(shop, what=what, target=WEAR, dense=dense, pruned=pruned, allowed=0.01),
    ]


def _demo_name(target: float) -> str:
    return f"demo-pruned-{1000 * target:.0f}"


def _reached(shop: Workshop, what: str, target: float, pruned: str, dense: str) -> Figure:
    share = shop.removed(pruned, dense)
    return Figure(
        name=f"{what}: parameters removed, by the tensors in the file",
        wanted=f"{target:.1%} ± {100 * TOLERANCE:g} points",
        measured=f"{share:.2%}",
        met=abs(share - target) <= TOLERANCE,
    )
