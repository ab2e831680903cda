"""Six architectures, five targets each: what went is counted, what stays is run, all by ourselves.

Nothing of the program's own audit is asked: parameters are the elements of the tensors that came
out, and the smaller network runs beside :func:`masked_twin` on inputs that pruning never saw.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from pruning_networks import LARGE
from recorded import Figure
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.graph.exactness import masked_twin
from spinn_edge.pruning.request import PruningRequest
from spinn_edge.pruning.rounds import prune_in_rounds
from spinn_edge.report.markdown_text import cell
from tests.fakes.prunable_networks import FAMILY, SIX, Prunable

TARGETS = (0.2, 0.375, 0.55, 0.725, 0.9)
TOLERANCE = 0.005
EXACT = 1e-5
SAMPLES, SEED = 64, 20260
SIZES: Mapping[str, Mapping[str, Prunable]] = {
    "small": {name: FAMILY[name] for name in SIX},
    "large": LARGE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One network, one target.

    Attributes:
        size: ``small`` or ``large``.
        network: which of the six.
        target: share of the parameters to remove.
        before: parameters.
        after: parameters that were left; None where it was refused.
        exactness: largest difference of the small from the masked network, over the scale of the
            masked one's outputs; None where it was refused.
        unmasked: the same against the network as it was: by how much pruning changed it.
        refusal: in words of the program's own error; empty where there was none.
        crash: any other error; empty where there was none.
    """

    size: str
    network: str
    target: float
    before: int
    after: int | None = None
    exactness: float | None = None
    unmasked: float | None = None
    refusal: str = ""
    crash: str = ""

    @property
    def off(self) -> float | None:
        """Share removed less share asked for."""
        return None if self.after is None else 1 - self.after / self.before - self.target

    @property
    def verdict(self) -> str:
        """``reached``, ``refused``, or what is wrong."""
        if self.crash:
            return f"CRASHED: {cell(self.crash)}"
        if self.off is None:
            return f"refused: {cell(self.refusal)}" if self.refusal else "NO REASON"
        if not abs(self.off) <= TOLERANCE:
            return "SILENTLY OFF"
        assert self.exactness is not None
        if not self.exactness <= EXACT:  # NaN too
            return "ANOTHER FUNCTION"
        return "reached"

    @property
    def line(self) -> str:
        """The table's line in Markdown."""
        cells = [self.size, self.network, f"{self.before:,}", f"{self.target:.1%}"]
        if self.off is None:
            cells += ["–", "–", "–", "–", self.verdict]
        else:
            cells += [
                f"{self.after:,}",
                f"{100 * self.off:+.2f}",
                f"{self.exactness:.1e}",
                f"{self.unmasked:.2g}",
                self.verdict,
            ]
        return f"| {' | '.join(cells)} |"


CASES_HEAD = (
    "| networks | architecture | parameters | target | left | points off | small − masked | "
    "small − full | |",
    "|---|---|---|---|---|---|---|---|---|",
)


def run_case(size: str, name: str, network: Prunable, target: float) -> Case:
    """Prune one network once, in one round, without fine-tuning."""
    module = network.make().eval()
    case = Case(size=size, network=name, target=target, before=count(module))
    try:
        pruned = prune_in_rounds(
            module,
            PruningRequest(target=target, rounds=1, tolerance=TOLERANCE),
            example=network.example(),
        )
    except PruningError as refusal:
        return replace(case, refusal=str(refusal))
    except Exception as crash:  # a figure of its own: no refusal in words
        return replace(case, crash=f"{type(crash).__name__}: {crash}")
    inputs = fresh_inputs(network)
    small = outputs(pruned.module, inputs)
    masked = outputs(masked_twin(module, pruned.audit.plan).eval(), inputs)
    return replace(
        case,
        after=count(pruned.module),
        exactness=distance(small, masked),
        unmasked=distance(small, outputs(module, inputs)),
    )


def all_cases(sizes: Mapping[str, Mapping[str, Prunable]] = SIZES) -> list[Case]:
    """Run every network of every size to every target."""
    return [
        run_case(size, name, network, target)
        for size, networks in sizes.items()
        for name, network in networks.items()
        for target in TARGETS
    ]


def case_figures(cases: Sequence[Case]) -> list[Figure]:
    """Return both figures for each size of networks."""
    figures = []
    for size in dict.fromkeys(case.size for case in cases):
        mine = [case for case in cases if case.size == size]
        done = [case for case in mine if case.off is not None]
        offs = [abs(case.off or 0.0) for case in done]
        near = sum(off <= TOLERANCE for off in offs)
        refused = sum(bool(case.refusal) for case in mine)
        what = f"{size} networks ({_between([case.before for case in mine])} parameters)"
        figures.append(
            Figure(
                name=f"{what}: achieved against requested, {len(mine)} cases",
                wanted="within 0.5 points, or a clear refusal",
                measured=f"{near} within, {refused} refused, {len(done) - near} silently off, "
                f"{len(mine) - len(done) - refused} crashed; farthest "
                f"{100 * largest(offs):.2f} points",
                met=near + refused == len(mine),
            )
        )
        error = largest([case.exactness for case in done if case.exactness is not None])
        figures.append(
            Figure(
                name=f"{what}: small against masked, float32, {len(done)} cases",
                wanted=f"≤ {EXACT:g} of scale",
                measured=f"{error:.1e}",
                met=error <= EXACT,
            )
        )
    return figures


def count(module: nn.Module) -> int:
    """Return the elements of all parameters, each tensor once."""
    return sum(tensor.numel() for tensor in {id(p): p for p in module.parameters()}.values())


def fresh_inputs(network: Prunable) -> tuple[Tensor, ...]:
    """Return float32 inputs that no one else draws."""
    generator = torch.Generator().manual_seed(SEED)
    return tuple(torch.randn(SAMPLES, *shape, generator=generator) for shape in network.shapes)


@torch.no_grad()
def outputs(module: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    """Return a network's only output."""
    return torch.as_tensor(module(*inputs))


def distance(small: Tensor, other: Tensor) -> float:
    """Return the largest absolute difference over the largest output of ``other``; NaN stays."""
    return float((small - other).abs().max() / other.abs().max())


def largest(values: Sequence[float]) -> float:
    """Return the largest; NaN where one is NaN or there is none."""
    broken = not values or any(math.isnan(value) for value in values)
    return math.nan if broken else max(values)


def _between(numbers: Sequence[int]) -> str:
    return f"{min(numbers):,} to {max(numbers):,}"
