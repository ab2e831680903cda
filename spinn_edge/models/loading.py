"""MODEL, as typed on any command line, to a model in memory; safely."""

from __future__ import annotations

import importlib
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, UsageError, first_line
from spinn_edge.core.manifest import Architecture
from spinn_edge.core.optional import require
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.models.pt2_file import PICKLE_RISK, load_pt2, program_inputs
from spinn_edge.models.torchscript_file import load_torchscript

if TYPE_CHECKING:
    from torch import nn

FORMS = (
    "a bundle folder, a .safetensors or .pt state dict with --activation, "
    "package.module:factory with --weights, a .pt2, a TorchScript file, or an .onnx"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A trained model, wherever it came from.

    Attributes:
        origin: what the user typed.
        architecture: how its eager form is made again.
        module: the callable in evaluation mode; None for ONNX, which torch cannot run.
        file: the foreign file it is; None for weights of a known architecture.
        format: format of that file: ``pt2``, ``torchscript`` or ``onnx``; empty without one.
        inputs: what goes in, as far as the file says; empty where it does not.
        bundle: the bundle it came from, if it came from one.
    """

    origin: str
    architecture: Architecture
    module: nn.Module | None
    file: Path | None = None
    format: str = ""
    inputs: tuple[TensorSpec, ...] = ()
    bundle: Bundle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What the user said beside MODEL.

    Attributes:
        activation: function between the layers of a bare state dict.
        weights: state dict for a factory.
        trust_pickle: load files that need unpickling.
        trust_factory: call the factory that a bundle's manifest names.
    """

    activation: str | None = None
    weights: Path | None = None
    trust_pickle: bool = False
    trust_factory: bool = False


def load_model(model: str | Path, options: LoadOptions | None = None) -> LoadedModel:
    """Load any form of MODEL.

    Args:
        model: a bundle folder, a file, or ``package.module:factory``.
        options: what goes with it.

    Raises:
        UsageError: nothing of that name, a missing option, a state dict that is no MLP, a file
            that needs unpickling.
        BundleError: the bundle or file is damaged.
        MissingDependencyError: torch is not installed.
    """
    options = options or LoadOptions()
    text, path = str(model), Path(model)
    if path.is_dir():
        return _from_bundle(Bundle.load(path), text, options)
    if path.is_file():
        return _from_file(path, text, options)
    if ":" in text and not text.endswith((".pt", ".pth", ".safetensors", ".onnx", ".pt2")):
        return _from_factory(text, options)
    raise UsageError(f"there is no '{text}'; MODEL is {FORMS}")


def module_of(bundle: Bundle, *, trust_factory: bool) -> nn.Module:
    """Make a bundle's eager module from its weights.

    Raises:
        UsageError: the manifest names a factory and ``trust_factory`` is False.
        BundleError: the bundle has no weights, or they do not fit the architecture.
    """
    require("torch", extra="export")
    load_file = require("safetensors.torch", extra="export").load_file
    architecture = bundle.manifest.architecture
    entries = bundle.manifest.files_of("weights")
    if architecture.kind == "file" or not entries:
        raise BundleError(
            f"{bundle.root} was made from an exported file and has no eager form; "
            "give the state dict or factory that it was trained with"
        )
    if architecture.kind == "mlp":
        from spinn_edge.models.modules import MLP

        module: nn.Module = MLP(architecture.widths, architecture.activation)
    elif not trust_factory:
        raise UsageError(
            f"the eager form of {bundle.root} is built by '{architecture.factory}', code that is "
            "not in the bundle; if you trust it, repeat with --trust-factory"
        )
    else:
        module = _replayed(_call_factory(architecture.factory), bundle.manifest.pruning)
    try:
        module.load_state_dict(load_file(bundle.path_of(entries[0])))
    except Exception as exc:  # safetensors raises its own Rust error type
        raise BundleError(
            f"{bundle.root}: weights do not fit the manifest ({first_line(exc)}); "
            "export the model again"
        ) from exc
    if architecture.derivatives:
        from spinn_edge.models.derivative_module import with_derivatives

        return with_derivatives(module.eval(), bundle.manifest)
    return module.eval()


def _replayed(module: nn.Module, pruning: PruningAudit | None) -> nn.Module:
    """Cut what a factory builds to the sizes of a pruned bundle."""
    if pruning is None:
        return module
    from spinn_edge.models.cutting import cut

    for plan in (*pruning.earlier, pruning.plan):
        module = cut(module, plan)
    return module


def _from_bundle(bundle: Bundle, origin: str, options: LoadOptions) -> LoadedModel:
    architecture = bundle.manifest.architecture
    if architecture.kind != "file":
        module = module_of(bundle, trust_factory=options.trust_factory)
        return LoadedModel(origin=origin, architecture=architecture, module=module, bundle=bundle)
    for format_name in ("pt2", "torchscript", "onnx"):
        if entries := bundle.manifest.files_of(format_name):
            path = bundle.path_of(entries[0])
            loaded = _from_exported(path, format_name, origin, options)
            return LoadedModel(
                origin=origin,
                architecture=architecture,
                module=loaded.module,
                inputs=loaded.inputs,
                file=path,
                format=format_name,
                bundle=bundle,
            )
    raise BundleError(f"{bundle.root} holds no model file")


def _from_file(path: Path, origin: str, options: LoadOptions) -> LoadedModel:
    if options.weights is not None:
        raise UsageError("--weights goes with package.module:factory, not with a model file")
    format_name = _sniff(path)
    if format_name in ("onnx", "pt2", "torchscript"):
        return _from_exported(path, format_name, origin, options)
    tensors, in_file_order = _read_state_dict(path, options)
    if not isinstance(tensors, dict):  # an unpickled module
        return LoadedModel(origin=origin, architecture=Architecture(kind="file"), module=tensors)
    if options.activation is None:
        raise UsageError(
            f"{path} holds weights only and does not say which activation stands between its "
            "layers; name it with --activation tanh, relu, gelu, silu or sin"
        )
    from spinn_edge.models.state_dict import mlp_from_state_dict

    mlp = mlp_from_state_dict(
        tensors, activation=options.activation, where=str(path), in_file_order=in_file_order
    )
    architecture = Architecture(kind="mlp", widths=mlp.widths, activation=mlp.activation)
    return LoadedModel(origin=origin, architecture=architecture, module=mlp)


def _from_exported(path: Path, format_name: str, origin: str, options: LoadOptions) -> LoadedModel:
    module: Any = None
    inputs: tuple[TensorSpec, ...] = ()
    if format_name == "pt2":
        program = load_pt2(path, trust_pickle=options.trust_pickle)
        module, inputs = program.module(), program_inputs(program)
    elif format_name == "torchscript":
        module = load_torchscript(path)
    return LoadedModel(
        origin=origin,
        architecture=Architecture(kind="file"),
        module=module,
        file=path,
        format=format_name,
        inputs=inputs,
    )


def _from_factory(reference: str, options: LoadOptions) -> LoadedModel:
    if options.weights is None:
        raise UsageError(f"'{reference}' builds an untrained network; name its --weights FILE")
    if not options.weights.is_file():
        raise UsageError(f"there is no weights file '{options.weights}'")
    module = _call_factory(reference)
    tensors, _ = _read_state_dict(options.weights, options)
    if not isinstance(tensors, dict):
        raise UsageError(f"{options.weights} holds a whole module; --weights takes a state dict")
    try:
        module.load_state_dict(tensors)
    except RuntimeError as exc:
        raise UsageError(f"{options.weights} does not fit '{reference}': {exc}") from exc
    architecture = Architecture(kind="factory", factory=reference)
    return LoadedModel(origin=reference, architecture=architecture, module=module.eval())


def _call_factory(reference: str) -> nn.Module:
    require("torch", extra="export")
    from torch import nn

    name, _, attribute = reference.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # as `python -m` does, so that the user's own package is found
    try:
        module = getattr(importlib.import_module(name), attribute)()
    except Exception as exc:  # the user's own code may raise anything
        raise UsageError(
            f"'{reference}' could not be imported and called without arguments "
            f"({type(exc).__name__}: {first_line(exc)})"
        ) from exc
    if not isinstance(module, nn.Module):
        raise UsageError(f"'{reference}' returned a {type(module).__name__}, expected an nn.Module")
    return module


def _sniff(path: Path) -> str:
    """Tell the format by the suffix, and a zip archive by what is in it."""
    suffix = path.suffix.lower()
    if suffix in (".onnx", ".pt2", ".safetensors"):
        return suffix[1:]
    if suffix == ".engine":
        raise UsageError(f"{path}: a bare engine says nothing about its inputs; MODEL is {FORMS}")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if any("/code/" in name for name in names):
            return "torchscript"
        if any(name.endswith("/archive_format") for name in names):
            return "pt2"
    elif suffix in (".ts", ".torchscript"):
        return "torchscript"
    if suffix in (".pt", ".pth", ".ckpt", ".bin", ".ts", ".torchscript"):
        return "state dict"
    raise UsageError(f"{path}: unknown kind of file; MODEL is {FORMS}")


def _read_state_dict(path: Path, options: LoadOptions) -> tuple[Any, bool]:
    """Return (tensors by name or a module, whether their order is that of definition)."""
    torch = require("torch", extra="export")
    if path.suffix.lower() == ".safetensors":
        load_file = require("safetensors.torch", extra="export").load_file
        try:
            return load_file(path), False
        except Exception as exc:  # safetensors raises its own Rust error type
            raise UsageError(f"{path} cannot be read as safetensors: {first_line(exc)}") from exc
    content = _torch_load(path, options, torch)
    if isinstance(content, torch.nn.Module):
        return content.eval(), True
    from spinn_edge.models.state_dict import unwrap_checkpoint

    return unwrap_checkpoint(content, where=str(path)), True


def _torch_load(path: Path, options: LoadOptions, torch: Any) -> Any:
    import pickle

    try:
        return torch.load(path, map_location="cpu", weights_only=not options.trust_pickle)
    except pickle.UnpicklingError as exc:
        if "weights_only" in str(exc).lower() or "unsupported global" in str(exc).lower():
            raise UsageError(f"{path} holds more than tensors: {PICKLE_RISK}") from exc
        raise UsageError(f"{path} cannot be read: {first_line(exc)}") from exc
    except Exception as exc:  # torch raises EOFError, RuntimeError, KeyError on damaged files
        raise UsageError(
            f"{path} cannot be read as a PyTorch file ({type(exc).__name__}: {first_line(exc)}); "
            "is it complete?"
        ) from exc
