"""Correct loops around ours and around others: what is called, and what of it is compared.

Each opens a bundle's model with one thread. What ``prepare`` returns is what is timed, and what is
proven first: both use the same call.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

from spinn_edge.bench.boundaries import BOUND, HOST_TO_HOST
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.tensors import Array, Feeds
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, infer
from spinn_edge.runtimes.pytorch.module import flatten_outputs
from spinn_edge.runtimes.pytorch.weights import eager_module


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """A model that is open.

    Attributes:
        prepare: takes feeds, returns the call that is timed.
        read: takes what that call returned, returns the outputs by name.
        remark: what must be known of it where its outputs are refused.
    """

    prepare: Callable[[Feeds], Callable[[], Any]]
    read: Callable[[Any], Mapping[str, Array]]
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One way to run a model.

    Attributes:
        title: how tables call it.
        distribution: package behind it, as pip calls it.
        boundary: what its call spans; only peers of one boundary are compared.
        open: opens a bundle's model.
    """

    title: str
    distribution: str
    boundary: str
    open: Callable[[Bundle], AbstractContextManager[Loop]]


@contextmanager
def open_ours(bundle: Bundle) -> Iterator[Loop]:
    """Infer with our ``ort-cpu``, from numpy to numpy."""
    runtime = registry.open_backend("ort-cpu", bundle, OpenOptions(threads=1))
    yield Loop(prepare=lambda feeds: functools.partial(infer, runtime, feeds), read=dict)
    runtime.close()


@contextmanager
def open_ours_bound(bundle: Bundle) -> Iterator[Loop]:
    """Bind once, then run and wait for the end."""
    runtime = registry.open_backend("ort-cpu", bundle, OpenOptions(threads=1))

    def prepare(feeds: Feeds) -> Callable[[], None]:
        runtime.bind(feeds)

        def call() -> None:
            runtime.run()
            runtime.sync()

        return call

    yield Loop(prepare=prepare, read=lambda nothing: runtime.fetch())
    runtime.close()


@contextmanager
def open_session_run(bundle: Bundle) -> Iterator[Loop]:
    """Call onnxruntime's ``session.run`` and nothing else."""
    session = _session(bundle)
    names = [node.name for node in session.get_outputs()]
    yield Loop(
        prepare=lambda feeds: functools.partial(session.run, None, dict(feeds)),
        read=lambda arrays: dict(zip(names, arrays, strict=True)),
    )


@contextmanager
def open_session_bound(bundle: Bundle) -> Iterator[Loop]:
    """Call onnxruntime's ``run_with_iobinding``; it allocates the outputs once, on the CPU."""
    session = _session(bundle)
    names = [node.name for node in session.get_outputs()]
    binding = session.io_binding()

    def prepare(feeds: Feeds) -> Callable[[], None]:
        import onnxruntime as ort

        binding.clear_binding_inputs()
        binding.clear_binding_outputs()
        for name, array in feeds.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        session_run = session.run(None, dict(feeds))  # for the shapes of the outputs
        for name, array in zip(names, session_run, strict=True):
            binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array))
        return functools.partial(session.run_with_iobinding, binding)

    def read(nothing: None) -> dict[str, Array]:
        return dict(zip(names, binding.copy_outputs_to_cpu(), strict=True))

    yield Loop(prepare=prepare, read=read)


@contextmanager
def open_polygraphy(bundle: Bundle) -> Iterator[Loop]:
    """Infer with Polygraphy's runner.

    Its own loader takes as many threads as there are processors and has no option for them; the
    runner also takes a session that is open, which is how it gets one thread here.
    """
    onnxrt = importlib.import_module("polygraphy.backend.onnxrt")
    with onnxrt.OnnxrtRunner(_session(bundle)) as runner:
        yield Loop(
            prepare=lambda feeds: functools.partial(runner.infer, dict(feeds)),
            read=dict,
        )


@contextmanager
def open_openvino(bundle: Bundle, **more: str) -> Iterator[Loop]:
    """Call OpenVINO's compiled model, the documented synchronous way, inputs not copied.

    Source: OpenVINO documentation, "Python API Advanced Inference" and "High-level Performance
    Hints".
    """
    openvino = importlib.import_module("openvino")
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1, **more}
    model = openvino.Core().compile_model(str(_onnx_path(bundle)), "CPU", settings)
    yield Loop(
        prepare=lambda feeds: functools.partial(model, dict(feeds)),
        read=lambda result: {port.any_name: result[port] for port in model.outputs},
        remark=f"it computes in {model.get_property('INFERENCE_PRECISION_HINT').get_type_name()}",
    )


@contextmanager
def open_torch(bundle: Bundle) -> Iterator[Loop]:
    """Call the eager module on tensors that are there, in inference mode."""
    import torch

    torch.set_num_threads(1)
    module = eager_module(bundle, OpenOptions(threads=1))
    names = [spec.name for spec in bundle.manifest.outputs]
    inputs = [spec.name for spec in bundle.manifest.inputs]

    def prepare(feeds: Feeds) -> Callable[[], Any]:
        return functools.partial(module, *(torch.from_numpy(feeds[name]) for name in inputs))

    def read(result: Any) -> dict[str, Array]:
        arrays = [tensor.numpy() for tensor in flatten_outputs(result)]
        return dict(zip(names, arrays, strict=True))

    with torch.inference_mode():
        yield Loop(prepare=prepare, read=read)


def _onnx_path(bundle: Bundle) -> Any:
    (file,) = bundle.manifest.files_of("onnx", "fp32")
    return bundle.path_of(file)


def _session(bundle: Bundle) -> Any:
    import onnxruntime as ort

    settings = ort.SessionOptions()
    settings.intra_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    return ort.InferenceSession(str(_onnx_path(bundle)), settings, providers=providers)


_OPENVINO_F32 = functools.partial(open_openvino, INFERENCE_PRECISION_HINT="f32")

PEERS = {
    "session-run": Peer(
        title="bare loop: `session.run`",
        distribution="onnxruntime",
        boundary=HOST_TO_HOST,
        open=open_session_run,
    ),
    "ours": Peer(
        title="spinn-edge, ort-cpu: `infer`",
        distribution="spinn-edge",
        boundary=HOST_TO_HOST,
        open=open_ours,
    ),
    "polygraphy": Peer(
        title="Polygraphy: `OnnxrtRunner.infer`",
        distribution="polygraphy",
        boundary=HOST_TO_HOST,
        open=open_polygraphy,
    ),
    "openvino": Peer(
        title="OpenVINO, latency hint, precision of its choice",
        distribution="openvino",
        boundary=HOST_TO_HOST,
        open=open_openvino,
    ),
    "openvino-f32": Peer(
        title="OpenVINO, latency hint, float32",
        distribution="openvino",
        boundary=HOST_TO_HOST,
        open=_OPENVINO_F32,
    ),
    "session-bound": Peer(
        title="bare loop: `run_with_iobinding`",
        distribution="onnxruntime",
        boundary=BOUND,
        open=open_session_bound,
    ),
    "ours-bound": Peer(
        title="spinn-edge, ort-cpu: `run`, `sync`",
        distribution="spinn-edge",
        boundary=BOUND,
        open=open_ours_bound,
    ),
    "torch": Peer(
        title="PyTorch eager: `module(x)`",
        distribution="torch",
        boundary=BOUND,
        open=open_torch,
    ),
}
"""In the order in which they are launched and shown."""

REFERENCE = {HOST_TO_HOST: "session-run", BOUND: "session-bound"}
"""The bare loop that the peers of a boundary are compared with."""
