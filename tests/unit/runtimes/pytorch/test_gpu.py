"""Making PyTorch ready for a GPU, and opening on it, as far as a machine without one can."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from spinn_edge.core.errors import RuntimeUnavailableError, UsageError
from spinn_edge.models.pt2_file import load_pt2
from spinn_edge.runtimes import open_runtime, registry
from spinn_edge.runtimes.base import (
    OpenOptions,
    infer,
    only_file,
)
from spinn_edge.runtimes.nvidia.driver import CudaDevice
from spinn_edge.runtimes.pytorch import compiled, eager, pt2, torchscript
from spinn_edge.runtimes.pytorch import gpu as torch_gpu
from spinn_edge.runtimes.pytorch import probe as torch_probe
from spinn_edge.runtimes.pytorch.cuda_module import TorchCudaRuntime
from spinn_edge.runtimes.pytorch.gpu import prepare_gpu, set_tf32, to_gpu
from tests.fakes.torch_cuda import FakeTorchCuda

GPU = CudaDevice(name="NVIDIA RTX A2000", compute_capability="8.6", driver_version="13.0")
NAMES = [name for name in registry.RUNTIMES if name.endswith("-cuda") and name != "ort-cuda"]
NAMES += ["compile-cuda-reduce-overhead", "compile-cuda-max-autotune"]


@pytest.fixture
def cuda():
    return FakeTorchCuda()


@pytest.fixture
def tf32_restored():
    backends: Any = torch.backends  # its modules are replaced by objects when it is imported
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    before = [place.fp32_precision for place in places]
    yield places
    for place, value in zip(places, before, strict=True):
        place.fp32_precision = value


# --- making the GPU ready


@pytest.fixture
def gpu(monkeypatch, tf32_restored):
    """A torch with CUDA and a GPU, as far as opening asks."""
    monkeypatch.setattr(torch_probe, "installed_version", lambda *names: "2.13.0")
    for module in (torch_probe, torch_gpu):
        monkeypatch.setattr(module, "find_device", lambda: GPU)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.parametrize(("allowed", "value"), [(True, "tf32"), (False, "ieee")])
def test_tf32_is_set_either_way_and_recorded(gpu, tf32_restored, tiny_bundle, allowed, value):
    file = only_file(tiny_bundle, "weights")
    facts = prepare_gpu(file, OpenOptions(tf32=allowed, threads=torch.get_num_threads()))
    assert [place.fp32_precision for place in tf32_restored] == [value] * 3
    assert (facts.tf32, facts.file, facts.device) == (
        allowed,
        file.path,
        "NVIDIA RTX A2000 (SM86)",
    )


def test_an_older_torch_is_told_of_tf32_its_own_way():
    matmul, cudnn = SimpleNamespace(allow_tf32=True), SimpleNamespace(allow_tf32=True)
    backends = SimpleNamespace(cuda=SimpleNamespace(matmul=matmul), cudnn=cudnn)
    set_tf32(SimpleNamespace(backends=backends), False)
    assert (matmul.allow_tf32, cudnn.allow_tf32) == (False, False)


def test_a_build_whose_version_does_not_say_that_it_lacks_cuda_is_refused(
    gpu, monkeypatch, tiny_bundle
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(RuntimeUnavailableError, match=r"sees no GPU; pip uninstall torch"):
        prepare_gpu(only_file(tiny_bundle, "weights"), OpenOptions())


def test_fewer_than_one_thread_is_refused(gpu, tiny_bundle):
    with pytest.raises(UsageError, match="threads must be at least 1, got 0"):
        prepare_gpu(only_file(tiny_bundle, "weights"), OpenOptions(threads=0))


def test_a_model_that_does_not_fit_into_the_gpu_is_refused_in_torchs_words():
    class Module:
        def to(self, device):
            raise torch.OutOfMemoryError(f"out of memory on {device}")

    with pytest.raises(RuntimeUnavailableError, match=r"OutOfMemoryError\): out of memory on cuda"):
        to_gpu(Module())


# --- opening


@pytest.mark.parametrize("name", NAMES)
def test_a_cpu_build_is_refused_before_torch_says_it(name, tiny_bundle, monkeypatch):
    monkeypatch.setattr(torch_probe, "installed_version", lambda *names: "2.13.0+cpu")
    with pytest.raises(RuntimeUnavailableError, match=r"2.13.0\+cpu is a CPU build; pip uninstall"):
        open_runtime(tiny_bundle, runtime=name)


@pytest.mark.parametrize("name", [*NAMES, "eager", "compile", "torchscript", "pt2"])
def test_what_never_exists_in_int8_is_not_looked_for(name, tiny_bundle):
    wanted = registry.find(name).format
    known = "fp32" if wanted == "weights" else "fp32 or fp16"
    message = f"{wanted} files are {known}; int8 is for onnx, trt files"
    with pytest.raises(RuntimeUnavailableError, match=message):
        registry.open_backend(name, tiny_bundle, OpenOptions(precision="int8"))


def test_what_exists_in_float32_only_is_not_given_as_float16(tiny_bundle):
    for name in ("eager", "eager-cuda", "compile"):
        with pytest.raises(RuntimeUnavailableError, match=r"weights files are fp32; fp16 is for"):
            registry.open_backend(name, tiny_bundle, OpenOptions(precision="fp16"))
    for name in ("torchscript", "pt2", "pt2-cuda"):
        with pytest.raises(RuntimeUnavailableError, match=r"holds no fp16 .*--precision fp16"):
            registry.open_backend(name, tiny_bundle, OpenOptions(precision="fp16"))


@pytest.mark.parametrize(
    ("module", "opener", "file"),
    [
        (eager, "open_eager_cuda", "weights"),
        (torchscript, "open_torchscript_cuda", "torchscript"),
        (pt2, "open_pt2_cuda", "pt2"),
    ],
)
def test_openers_give_the_right_outputs(gpu, tiny_bundle, monkeypatch, cuda, module, opener, file):
    def on_cpu(function, manifest, facts):
        return TorchCudaRuntime(function, manifest, facts, cuda=cuda, device="cpu")

    monkeypatch.setattr(module, "TorchCudaRuntime", on_cpu)
    monkeypatch.setattr(module, "to_gpu", lambda module: module, raising=False)
    monkeypatch.setattr(module, "GPU", "cpu", raising=False)
    runtime = getattr(module, opener)(tiny_bundle, OpenOptions(threads=torch.get_num_threads()))
    sample = tiny_bundle.golden().at_batch(5)
    np.testing.assert_allclose(
        infer(runtime, sample.inputs)["output"], sample.outputs["output"], atol=1e-5
    )
    assert runtime.facts.file == only_file(tiny_bundle, file).path
    assert runtime.facts.cuda_graph is False


def test_a_pt2_program_moves_with_its_weights(tiny_bundle):
    program = load_pt2(tiny_bundle.path_of(only_file(tiny_bundle, "pt2")))
    moved = pt2.move(program, "meta")  # a device that every build has
    assert {weight.device.type for weight in moved.module().state_dict().values()} == {"meta"}
    assert moved.module()(torch.ones(3, 18, device="meta")).device.type == "meta"


def test_a_pt2_program_that_cannot_move_is_refused(tiny_bundle):
    program = load_pt2(tiny_bundle.path_of(only_file(tiny_bundle, "pt2")))
    with pytest.raises(RuntimeUnavailableError, match="cannot be moved to nowhere"):
        pt2.move(program, "nowhere")


@pytest.mark.parametrize(
    ("opener", "mode", "graph"),
    [
        (compiled.open_compiled_cuda, "default", False),
        (compiled.open_reduce_overhead, "reduce-overhead", True),
        (compiled.open_max_autotune, "max-autotune", True),
    ],
)
def test_compile_modes_are_torchs_own_and_graphs_are_no_wish(
    gpu, tiny_bundle, monkeypatch, cuda, opener, mode, graph
):
    asked = {}
    monkeypatch.setenv("CC", sys.executable)  # a program that exists, for what looks for one
    monkeypatch.setattr(compiled, "to_gpu", lambda module: module)
    monkeypatch.setattr(torch, "compile", lambda module, **how: asked.update(how) or module)
    monkeypatch.setattr(
        compiled,
        "TorchCudaRuntime",
        lambda function, manifest, facts: TorchCudaRuntime(
            function, manifest, facts, cuda=cuda, device="cpu"
        ),
    )
    runtime = opener(tiny_bundle, OpenOptions(threads=torch.get_num_threads()))
    wanted = dict(torch._inductor.list_mode_options(mode))
    assert wanted.get("triton.cudagraphs", False) is graph
    if graph:
        wanted["triton.cudagraph_or_error"] = True
    assert asked == {"options": wanted, "fullgraph": True, "dynamic": False}
    assert runtime.facts.cuda_graph is graph
    assert infer(runtime, tiny_bundle.golden().at_batch(2).inputs)["output"].shape == (2, 2)


def test_compiling_for_a_gpu_without_triton_is_refused(gpu, tiny_bundle, monkeypatch):
    monkeypatch.setattr(
        torch_probe, "installed_version", lambda *names: "2.13.0" if "torch" in names else None
    )
    with pytest.raises(RuntimeUnavailableError, match=r"Triton.*pip install triton"):
        compiled.open_compiled_cuda(tiny_bundle, OpenOptions())


def test_every_option_that_is_asked_for_exists_in_this_torch():
    known = torch._inductor.list_options()
    assert "triton.cudagraph_or_error" in known
