"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from spinn_edge.core.manifest import DataRecipe
    from spinn_edge.models.loading import LoadOptions

INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 + SIGINT, as shells count."""

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Bundle folder, .safetensors or .pt state dict, package.module:factory, .pt2, "
        "TorchScript file, or .onnx.",
        show_default=False,
    ),
]
Out = Annotated[Path, typer.Option("--out", help="Bundle folder to write.", show_default=False)]
Force = Annotated[bool, typer.Option("--force", help="Replace a bundle that is at --out.")]
Activation = Annotated[
    str | None,
    typer.Option(help="Between the layers of a bare state dict: tanh, relu, gelu, silu or sin."),
]
Weights = Annotated[
    Path | None, typer.Option(help="State dict for package.module:factory.", show_default=False)
]
TrustPickle = Annotated[
    bool,
    typer.Option("--trust-pickle", help="Load a file that needs unpickling, which can run code."),
]
TrustFactory = Annotated[
    bool,
    typer.Option("--trust-factory", help="Import and call the factory that a bundle names."),
]
InputShape = Annotated[
    list[str] | None,
    typer.Option(
        help="Sizes of one sample, such as 18 or 3,32,32; name=18 for each of several inputs.",
        show_default=False,
    ),
]
Threads = Annotated[int, typer.Option(help="CPU threads inside one operator.", min=1)]
Json = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write JSON; - for standard output."),
]
OnMismatch = Annotated[
    str,
    typer.Option(
        "--on-mismatch",
        metavar="POLICY",
        help="An engine that does not fit this machine: error, rebuild it from the bundle's ONNX, "
        "or fallback to ort-cuda, then ort-cpu.",
    ),
]
Tf32 = Annotated[
    bool,
    typer.Option(
        "--tf32",
        help="Let a GPU round float32 products to TF32; engines decide that when they are built.",
    ),
]
ProviderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--provider-option",
        metavar="KEY=VALUE",
        help="For onnxruntime's CUDA provider; may be repeated.",
        show_default=False,
    ),
]
Tolerance = Annotated[
    list[str] | None,
    typer.Option(
        "--tolerance",
        metavar="OUTPUT=SHARE",
        help="Allow an output, a target column or * this share of its scale instead of the "
        "default; *@fp16=1e-2 for one precision; several with commas.",
        show_default=False,
    ),
]
TrustEngineCode = Annotated[
    bool,
    typer.Option(
        "--trust-engine-code",
        help="Load a version-compatible TensorRT engine, which carries host code.",
    ),
]
Data = Annotated[Path, typer.Option(help="CSV file with a header line.", show_default=False)]
MaybeData = Annotated[Path | None, typer.Option("--data", help="CSV file with a header line.")]
Loaders = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:FUNCTION",
        help="Gives (training batches, validation batches, loss) where rows are no CSV. It is "
        "imported and called.",
    ),
]
Validation = Annotated[
    Path | None,
    typer.Option(help="CSV whose rows choose the best epoch; else rows of --data are held out."),
]
Test = Annotated[
    Path | None,
    typer.Option(help="CSV whose rows are scored and used for nothing else."),
]
Targets = Annotated[
    str | None, typer.Option(help="Columns to predict, separated by commas.", show_default=False)
]
Features = Annotated[
    str | None, typer.Option(help="Columns to learn from; else all that are left.")
]
Ignore = Annotated[str | None, typer.Option(help="Columns to leave out.")]
Group = Annotated[
    str | None,
    typer.Option(help="Column (a tool, a machine) whose values stay on one side of the split."),
]
DropNa = Annotated[bool, typer.Option("--drop-na", help="Leave rows with missing values out.")]
Seed = Annotated[int, typer.Option(help="Of initial weights, batch order and split.")]
LearningRate = Annotated[float, typer.Option("--lr", help="Peak learning rate of AdamW.")]
Patience = Annotated[
    int | None, typer.Option(help="Stop after so many epochs without improvement.", min=1)
]


def load_options(
    *,
    activation: str | None = None,
    weights: Path | None = None,
    trust_pickle: bool = False,
    trust_factory: bool = False,
) -> LoadOptions:
    """Collect what goes with MODEL."""
    from spinn_edge.models.loading import LoadOptions

    return LoadOptions(
        activation=activation,
        weights=weights,
        trust_pickle=trust_pickle,
        trust_factory=trust_factory,
    )


def new_recipe(
    data: Path,
    *,
    targets: str | None,
    features: str | None,
    ignore: str | None,
    group: str | None,
    validation: Path | None,
    seed: int,
    drop_na: bool,
    held_out: float = 0.2,
) -> DataRecipe:
    """Read the columns of a CSV file and choose among them as the options say.

    Raises:
        UsageError: no such file or column, or nothing is left to learn from.
    """
    from spinn_edge.core.table import read_table
    from spinn_edge.training.dataset import make_recipe

    return make_recipe(
        read_table(data),
        targets=names(targets),
        features=names(features),
        ignore=names(ignore),
        group=group or "",
        validation=validation,
        held_out_fraction=held_out,
        split_seed=seed,
        drop_na=drop_na,
    )


def names(text: str | None) -> tuple[str, ...]:
    """Split ``a, b`` at its commas; empty names are dropped."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def whole_numbers(text: str, option: str, other: str = "") -> tuple[int, ...]:
    """Split ``1,1000`` into integers of at least 1.

    Args:
        text: what was typed.
        option: behind which name.
        other: what else may be typed, for the message.

    Raises:
        UsageError: a part is no such number.
    """
    from spinn_edge.core.errors import UsageError

    parts = names(text)
    if not parts or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise UsageError(f"{option} {text}: expected {other}whole numbers above 0, such as 1,1000")
    return tuple(map(int, parts))


def batch_sizes(text: str) -> tuple[int, ...]:
    """Read ``1,1000`` or ``sweep``.

    Raises:
        UsageError: a part is no whole number above 0.
    """
    from spinn_edge.bench.loops.sweep import SWEEP

    if text == "sweep":
        return SWEEP
    return tuple(dict.fromkeys(whole_numbers(text, "--batch", "sweep, or ")))


def rates_per_s(text: str | None) -> tuple[float, ...]:
    """Read ``1000,100``; whether such a rate can be timed is another matter.

    Raises:
        UsageError: a part is no number, or there is none.
    """
    from spinn_edge.core.errors import UsageError

    if text is None:
        return ()
    try:
        rates = tuple(dict.fromkeys(map(float, names(text))))
    except ValueError:
        rates = ()
    if not rates:
        raise UsageError(f"--rate {text}: expected inferences a second, such as 1000 or 1000,100")
    return rates


def runtime_names(text: str) -> tuple[str, ...]:
    """Read ``all`` or names separated by commas.

    Raises:
        UsageError: an unknown name, or none.
    """
    from spinn_edge.core.errors import UsageError
    from spinn_edge.runtimes import registry

    if text == "all":
        return tuple(registry.entries())
    chosen = tuple(dict.fromkeys(names(text)))
    if not chosen:
        raise UsageError("--runtime names nothing; expected all, or names such as ort-cpu,trt")
    for name in chosen:
        registry.find(name)
    return chosen


def precision_names(text: str) -> tuple[str, ...]:
    """Read ``fp32,fp16,int8``.

    Raises:
        UsageError: an unknown name, or none.
    """
    from spinn_edge.core.manifest import PRECISIONS

    return _known_names(text, "--precision", PRECISIONS)


def boundary_names(text: str) -> tuple[str, ...]:
    """Read ``main``, which is no name at all, ``all``, or names separated by commas.

    Raises:
        UsageError: an unknown name, or none.
    """
    from spinn_edge.bench.boundaries import BOUNDARIES
    from spinn_edge.bench.processes.worker import EVERY_BOUNDARY

    groups = {"main": (), "all": EVERY_BOUNDARY}
    if text in groups:
        return groups[text]
    return _known_names(text, "--boundary", BOUNDARIES, "main, all, or ")


def provider_options(pairs: list[str] | None) -> dict[str, str]:
    """Read ``KEY=VALUE`` as often as it was given.

    Raises:
        UsageError: a part is no such pair, or a key comes twice.
    """
    from spinn_edge.core.errors import UsageError

    chosen: dict[str, str] = {}
    for pair in pairs or []:
        key, mark, value = (part.strip() for part in pair.partition("="))
        if not key or not mark or key in chosen:
            raise UsageError(
                f"--provider-option {pair}: expected KEY=VALUE, each key once, such as "
                "cudnn_conv_algo_search=HEURISTIC"
            )
        chosen[key] = value
    return chosen


def _known_names(
    text: str, option: str, known: tuple[str, ...], other: str = ""
) -> tuple[str, ...]:
    from spinn_edge.core.errors import UsageError

    chosen = tuple(dict.fromkeys(names(text)))
    if not chosen or not set(chosen) <= set(known):
        raise UsageError(f"{option} {text}: expected {other}some of {', '.join(known)}")
    return chosen
