"""A network taken apart into steps that derivatives can be carried through.

``torch.fx`` follows the network's ``forward`` once; every node of its graph must be known here.
What is not known is refused by name, since a derivative that is wrong is worse than none.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from spinn_edge.core.errors import ExportError, first_line
from spinn_edge.models.tangents import ACTIVATIONS

KNOWN = (
    f"Linear, {', '.join(name for name in ACTIVATIONS if name != 'gelu_tanh')}, sums, "
    "differences and products, division by a constant, columns side by side (cat on axis 1), "
    "slices of columns, and dropout in evaluation mode"
)


@dataclass(frozen=True, slots=True)
class Ref:
    """The result of another step, by name."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One node of the network.

    Attributes:
        name: of its result, as ``torch.fx`` calls it.
        kind: ``input``, ``constant``, ``layer`` (a Linear module), ``linear`` (the function),
            ``activation``, ``same``, ``add``, ``subtract``, ``negate``, ``multiply``, ``divide``,
            ``cat`` or ``slice``.
        target: of a constant or layer, its dotted name in the network; of an activation, its name.
        args: what goes in: references, numbers, or a slice of columns.
        options: further arguments of an activation.
    """

    name: str
    kind: str
    target: str = ""
    args: tuple[Any, ...] = ()
    options: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepGraph:
    """The steps of a network.

    Attributes:
        steps: in order of evaluation.
        result: a reference, or a tuple, list or dict of them, as ``forward`` returns them.
    """

    steps: tuple[Step, ...]
    result: Any

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the steps that are inputs, in order."""
        return tuple(step.name for step in self.steps if step.kind == "input")


_FUNCTIONS: dict[Callable[..., Any], str] = {
    **dict.fromkeys((operator.add, operator.iadd, torch.add), "add"),
    **dict.fromkeys((operator.sub, operator.isub, torch.sub), "subtract"),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul), "multiply"),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div), "divide"),
    **dict.fromkeys((operator.neg, torch.neg), "negate"),
    **dict.fromkeys((torch.cat, torch.concat), "cat"),
    operator.getitem: "slice",
    functional.linear: "linear",
}
_ACTIVATION_FUNCTIONS: dict[Callable[..., Any], str] = {
    **dict.fromkeys((torch.tanh, functional.tanh), "tanh"),
    **dict.fromkeys((torch.sigmoid, functional.sigmoid), "sigmoid"),
    **dict.fromkeys((torch.relu, functional.relu), "relu"),
    torch.sin: "sin",
    torch.cos: "cos",
    functional.silu: "silu",
    functional.gelu: "gelu",
    functional.softplus: "softplus",
}
_METHODS = {
    **{name: name for name in ("tanh", "sigmoid", "relu", "sin", "cos")},
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "div": "divide",
    "neg": "negate",
    "contiguous": "same",
    "clone": "same",
}


def step_graph(network: nn.Module, *, order: int) -> StepGraph:
    """Take a network apart.

    Args:
        network: in evaluation mode.
        order: highest derivative that will be asked for.

    Raises:
        ExportError: ``torch.fx`` cannot follow it, a node is not known, or one has no derivative
            of that order; names the node.
    """
    tracer = fx.Tracer()
    try:
        graph = tracer.trace(network)
    except Exception as exc:  # the user's own forward runs with stand-ins for tensors
        raise ExportError(
            "the network cannot be taken apart for derivatives: torch.fx cannot follow its forward "
            f"({type(exc).__name__}: {first_line(exc)}); known are {KNOWN}"
        ) from exc
    steps: list[Step] = []
    varying: set[str] = set()  # what depends on the inputs
    result: Any = None
    for node in graph.nodes:
        if node.op == "output":
            result = _refs(node.args[0])
        else:
            step = _step(node, network)
            _check_order(step, order)
            read = {arg.name for arg in step.args if isinstance(arg, Ref)}
            fixed = {arg.name for arg in step.args[1:] if isinstance(arg, Ref)}
            if step.kind in ("linear", "divide") and fixed & varying:
                raise _unknown(node, f"{_called(node)}, by what depends on the inputs")
            if step.kind == "input" or read & varying:
                varying.add(step.name)
            steps.append(step)
    return StepGraph(steps=tuple(steps), result=result)


def _step(node: fx.Node, network: nn.Module) -> Step:
    if node.op == "placeholder":
        return Step(name=node.name, kind="input")
    if node.op == "get_attr":
        return Step(name=node.name, kind="constant", target=str(node.target))
    if node.op == "call_module":
        return _module_step(node, network.get_submodule(str(node.target)))
    if node.op == "call_method":
        kind = _METHODS.get(str(node.target), "")
        return _checked(node, kind, dict(node.kwargs))
    function: Any = node.target
    if function is functional.dropout and not _argument(node, 2, "training", True):
        return Step(name=node.name, kind="same", args=(_refs(node.args[0]),))
    kind = _FUNCTIONS.get(function) or _ACTIVATION_FUNCTIONS.get(function, "")
    return _checked(node, kind, dict(node.kwargs))


def _module_step(node: fx.Node, module: nn.Module) -> Step:
    args = _refs(tuple(node.args))
    if isinstance(module, nn.Linear):
        return Step(name=node.name, kind="layer", target=str(node.target), args=args)
    if isinstance(module, nn.Identity | nn.Dropout):
        return Step(name=node.name, kind="same", args=args)
    options: dict[str, float] = {}
    if isinstance(module, nn.GELU):
        name = "gelu_tanh" if module.approximate == "tanh" else "gelu"
    elif isinstance(module, nn.Softplus):
        name, options = "softplus", {"beta": module.beta, "threshold": module.threshold}
    else:
        plain = {nn.Tanh: "tanh", nn.Sigmoid: "sigmoid", nn.SiLU: "silu", nn.ReLU: "relu"}
        name = plain.get(type(module), "")
    if not name or getattr(module, "inplace", False):
        raise _unknown(node, type(module).__name__, inplace=bool(name))
    return Step(name=node.name, kind="activation", target=name, args=args, options=options)


def _checked(node: fx.Node, kind: str, options: dict[str, Any]) -> Step:
    """Return the step of a function or method whose arguments are understood."""
    args = _refs(tuple(node.args))
    called = _called(node)
    if kind in ACTIVATIONS:
        if options.get("inplace") is False:
            del options["inplace"]
        if kind == "gelu" and options.pop("approximate", "none") == "tanh":
            kind = "gelu_tanh"
        allowed = {"beta", "threshold"} if kind == "softplus" else set()
        if kind == "softplus":
            options |= dict(zip(("beta", "threshold"), args[1:], strict=False))
            args = args[:1]
        if len(args) == 1 and set(options) <= allowed:
            return Step(name=node.name, kind="activation", target=kind, args=args, options=options)
    elif kind == "cat":
        axis = _argument(node, 1, "dim", 0)
        if axis in (1, -1) and set(options) <= {"dim"}:
            return Step(name=node.name, kind="cat", args=tuple(args[0]))
    elif kind == "slice":
        if _keeps_rows(args[1]):
            return Step(name=node.name, kind="slice", args=args)
    elif kind == "linear":
        tensors = (*args, *(_refs(options[key]) for key in ("weight", "bias") if key in options))
        if len(tensors) in (2, 3):
            return Step(name=node.name, kind="linear", args=tensors)
    elif kind and not options:
        wanted = 1 if kind in ("negate", "same") else 2
        if len(args) == wanted:
            return Step(name=node.name, kind=kind, args=args)
    raise _unknown(node, called)


def _keeps_rows(index: Any) -> bool:
    """Tell a slice of columns, ``x[:, 1:3]``."""
    return (
        isinstance(index, tuple)
        and len(index) == 2
        and all(isinstance(part, slice) for part in index)
        and index[0] == slice(None)
        and all(isinstance(edge, int | None) for edge in (index[1].start, index[1].stop))
    )


def _check_order(step: Step, order: int) -> None:
    if step.kind == "activation" and order > ACTIVATIONS[step.target].orders:
        raise ExportError(
            f"the network has {step.target} at '{step.name}': its second derivative is 0 wherever "
            "it exists, so that of the network says nothing; ask for first derivatives only, or "
            "train with tanh, sin, silu, gelu or softplus"
        )


def _unknown(node: fx.Node, called: str, *, inplace: bool = False) -> ExportError:
    how = f"{called} that writes over its input" if inplace else called
    return ExportError(
        f"derivatives cannot be carried through node '{node.name}' ({how}); known are {KNOWN}"
    )


def _called(node: fx.Node) -> str:
    arguments = ", ".join(map(str, (*node.args, *(f"{k}={v}" for k, v in node.kwargs.items()))))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "?")
    return f"{name}({arguments})"


def _argument(node: fx.Node, place: int, name: str, default: Any) -> Any:
    if len(node.args) > place:
        return node.args[place]
    return node.kwargs.get(name, default)


def _refs(value: Any) -> Any:
    if isinstance(value, fx.Node):
        return Ref(value.name)
    if isinstance(value, tuple | list):
        return tuple(map(_refs, value))
    if isinstance(value, dict):
        return {key: _refs(item) for key, item in value.items()}
    return value
