"""Masked training: zeros counted by ourselves after every stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from pruning_runs import DEMO_DENSE, demo_dense
from pruning_shop import Section, Workshop
from recorded import Figure
from safetensors.torch import load_file
from torch import Tensor, nn

from spinn_edge.models.modules import MLP
from spinn_edge.pruning.masks.stages import StageState, mask_in_stages
from spinn_edge.pruning.schedule import Stage
from spinn_edge.training.fitting import Fit

RATIOS = (0.3, 0.3, 0.2, 0.2)
REACHES = (0.3, 0.51, 0.608, 0.6864)
"""Of the weights, by hand: 1 - 0.7, 1 - 0.7², 1 - 0.7² · 0.8, 1 - 0.7² · 0.8²."""
WITHIN = 0.001
TARGET = 0.685
SCHEDULE = "0.3:10:1e-3,0.3:10:5e-4,0.2:10:2e-4,0.2:15:1e-4"
MASKED = "demo-masked"
WIDTHS = (18, 256, 256, 128, 2)
STEPS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What was counted after one stage.

    Attributes:
        zero_share: weights that are exactly 0, of all that can be masked.
        regrown: weights that were 0 after an earlier stage and are not now.
    """

    zero_share: float
    regrown: int


def masked(shop: Workshop) -> Section:
    """Mask the demo's network as a user does, and one by hand with an unkind optimiser."""
    demo_dense(shop)
    shop.once(
        MASKED,
        *("mask", DEMO_DENSE, "--data", "demo/train.csv", "--test", "demo/test.csv"),
        *("--schedule", SCHEDULE, "--target", f"{TARGET:g}", "--no-bench"),
        *("--json", "masked.json"),
    )
    stages = shop.document("masked.json")["masking"]["stages"]
    typed = [
        Counted(
            zero_share=1 - stage["nonzero_weights"] / stage["weights"], regrown=stage["regrown"]
        )
        for stage in stages
    ]
    folder = shop.folder / MASKED
    weights = load_file(folder / "model.safetensors")
    masks = load_file(folder / "masks.safetensors")
    last = count_zeros({name: weights[name] for name in masks}, masks)
    before, after = shop.scores(DEMO_DENSE), shop.scores(MASKED)
    scores = ", ".join(f"{key} {value:.4f} ({before[key]:.4f})" for key, value in after.items())
    return Section(
        figures=(
            masked_figure("mask, as its document says", typed, REACHES),
            masked_figure("mask, counted in the bundle it wrote", [last], REACHES[-1:]),
            masked_figure(
                f"AdamW with momentum and weight decay, {STEPS} steps a stage, counted after each",
                by_hand(shop.seed),
                REACHES,
            ),
        ),
        lines=(f"- R² of the masked network (dense): {scores}.",),
    )


def masked_figure(what: str, found: Sequence[Counted], reaches: Sequence[float]) -> Figure:
    """Hold what was counted against the schedule."""
    shares = [one.zero_share for one in found]
    regrown = sum(one.regrown for one in found)
    exact = len(shares) == len(reaches) and all(
        abs(share - reach) <= WITHIN for share, reach in zip(shares, reaches, strict=True)
    )
    return Figure(
        name=f"masked {TARGET:.1%}: {what}",
        wanted=f"{_listed(reaches)} zero, ± {100 * WITHIN:g} points, rising; 0 regrown",
        measured=f"{_listed(shares)}, {regrown} regrown",
        met=exact and shares == sorted(shares) and regrown == 0,
    )


def by_hand(seed: int) -> list[Counted]:
    """Mask a network in stages, trained by a loop that knows nothing of masks."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(256, WIDTHS[0], generator=generator)
    y = torch.randn(256, WIDTHS[-1], generator=generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MLP(WIDTHS, "tanh")
    found: list[Counted] = []
    earlier: dict[str, Tensor] = {}

    def tune(model: nn.Module, stage: Stage, number: int) -> Fit:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
        for _ in range(STEPS):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return Fit(history=(), interrupted=False)

    def look(state: StageState) -> None:
        if state.number == 0:  # nothing is masked yet
            return
        mine = {name: tensor for name, tensor in state.weights.items() if tensor.ndim == 2}
        found.append(count_zeros(mine, earlier))
        earlier.update({name: tensor != 0 for name, tensor in mine.items()})

    mask_in_stages(
        network,
        tune=tune,
        stages=[Stage(ratio, 1, 1e-2) for ratio in RATIOS],
        on_stage=look,
    )
    return found


def count_zeros(weights: Mapping[str, Tensor], stays: Mapping[str, Tensor]) -> Counted:
    """Count the weights that are exactly 0, and those that should be and are not.

    Args:
        weights: by name.
        stays: by name, False where a weight must be 0; a name that is missing must not.
    """
    total = sum(tensor.numel() for tensor in weights.values())
    nonzero = sum(int(torch.count_nonzero(tensor)) for tensor in weights.values())
    regrown = sum(int(torch.count_nonzero(weights[name][~stay])) for name, stay in stays.items())
    return Counted(zero_share=1 - nonzero / total, regrown=regrown)


def _listed(shares: Sequence[float]) -> str:
    return " / ".join(f"{share:.2%}" for share in shares)
