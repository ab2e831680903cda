"""The demo's scores and its time, and determinism, through the command line."""

from __future__ import annotations

from pruning_shop import Section, Workshop, removed_figure, score_figure
from recorded import Figure

from spinn_edge.demo.milling import GROUP, TARGETS, simulate, split_by_tool, write_csv
from spinn_edge.demo.tour import FULL

ALLOWED = {FULL.target: 0.01, 0.9: 0.03}
"""Share of the parameters to remove, and what R² may lose."""
DEMO_S = 90.0
DEMO_DENSE = "demo-dense"


def demo(shop: Workshop) -> Section:
    """Train the demo's network, prune it to both sparsities, and time the way to the first."""
    train = demo_dense(shop)
    figures: list[Figure] = []
    for target, allowed in ALLOWED.items():
        prune = demo_pruned(shop, target)
        what = f"demo, {target:.1%}"
        figures.append(
            removed_figure(
                shop, what=what, target=target, pruned=_demo_name(target), dense=DEMO_DENSE
            )
        )
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
    """Prune it as ``spinn-edge demo`` does; return seconds.

    Multiples of 16 are for speed: another target than the demo's is met exactly instead.
    """
    rounding = ("--round-to", str(FULL.round_to)) if target == FULL.target else ()
    return shop.once(
        _demo_name(target) + suffix,
        *("prune", DEMO_DENSE + suffix, "--data", "demo/train.csv", "--test", "demo/test.csv"),
        *("--target", f"{target:g}", "--rounds", str(FULL.rounds)),
        *("--finetune-epochs", str(FULL.finetune_epochs), *rounding),
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


def _demo_name(target: float) -> str:
    return f"demo-pruned-{1000 * target:.0f}"
