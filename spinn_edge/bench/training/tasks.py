"""From a subject's name to a network, a loss and the points of every step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spinn_edge.bench.training.job import Subject
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.words import dashed
from spinn_edge.models.loading import module_of
from spinn_edge.models.modules import MLP
from spinn_edge.training.dataset import Rows, load_rows
from spinn_edge.training.equations import demo, registry
from spinn_edge.training.equations.problem import Points
from spinn_edge.training.pinn_step import Loss
from spinn_edge.training.scaling import standardise, unfold


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a step needs.

    Attributes:
        network: float32, on the CPU.
        loss: of one step.
        batches: points of each step of an epoch, float32, on the CPU; all of the same shapes.
        facts: network and points in words.
    """

    network: nn.Module
    loss: Loss
    batches: tuple[Points, ...]
    facts: dict[str, str]


def make_task(subject: Subject, seed: int) -> Task:
    """Build a network and draw its points; a seed gives the same ones everywhere.

    Args:
        subject: an equation or a bundle.
        seed: of weights and points; of a bundle, of the order of its rows.

    Raises:
        UsageError: no such equation, the bundle has no table as its input, or the CSV does not fit.
        BundleError: the bundle is damaged.
    """
    generator = torch.Generator().manual_seed(seed)
    if subject.bundle:
        return _of_bundle(subject, generator)
    problem = registry.find(subject.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MLP(problem.widths, "tanh")
    batches = problem.sample(generator)
    facts = {"network": f"{dashed(problem.widths)} tanh", "problem": problem.formula}
    return _task(network, problem.loss, batches, facts)


def _of_bundle(subject: Subject, generator: torch.Generator) -> Task:
    bundle = Bundle.load(Path(subject.bundle))
    network = module_of(bundle, trust_factory=subject.trust_factory)
    rows, source = _rows_of(bundle, subject)
    training = bundle.manifest.training
    if training is not None and isinstance(network, MLP):
        # as fine-tuning does: on standardised values, the scaling folded in afterwards
        network, rows = unfold(network, training.scaling), standardise(rows, training.scaling)
    widths = bundle.manifest.architecture.widths
    facts = {
        "network": f"{dashed(widths) or bundle.manifest.architecture.kind}, weights of the bundle",
        "problem": f"{demo.PROBLEM.formula}; {source}",
    }
    features, targets = torch.from_numpy(rows.features), torch.from_numpy(rows.targets)
    return _task(network, demo.loss, demo.batches(features, targets, generator), facts)


def _rows_of(bundle: Bundle, subject: Subject) -> tuple[Rows, str]:
    training = bundle.manifest.training
    if subject.data:
        if training is None:
            raise UsageError(
                f"{bundle.root} does not say which columns it learnt from; leave out --data, and "
                "its golden inputs are taken"
            )
        rows = load_rows(Path(subject.data), training.recipe)
        return rows, f"{len(rows)} rows of {Path(subject.data).name}"
    golden = bundle.golden()
    tables = (*golden.inputs.values(), *golden.outputs.values())
    if len(golden.inputs) != 1 or len(golden.outputs) != 1 or any(t.ndim != 2 for t in tables):
        raise UsageError(
            f"{bundle.root}: a training step with derivatives needs one input and one output of "
            "shape [batch, columns]"
        )
    features, targets = (np.asarray(table, np.float64) for table in tables)
    rows = Rows(features=features, targets=targets)
    return rows, f"{len(rows)} golden inputs, their own outputs as targets"


def _task(
    network: nn.Module, loss: Loss, batches: tuple[Points, ...], facts: dict[str, str]
) -> Task:
    shapes = ", ".join(f"{name} {len(tensor)}" for name, tensor in batches[0].items())
    parameters = sum(parameter.numel() for parameter in network.parameters())
    return Task(
        network=network.train(),
        loss=loss,
        batches=tuple({name: x.float() for name, x in batch.items()} for batch in batches),
        facts=facts
        | {
            "parameters": str(parameters),
            "rows_of_a_step": shapes,
            "an_epoch": f"{len(batches)} steps" if len(batches) > 1 else "1 step on all points",
        },
    )
