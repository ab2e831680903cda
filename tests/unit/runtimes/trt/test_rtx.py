import numpy as np
import pytest

from spinn_edge.core.errors import InferenceError
from spinn_edge.runtimes.base import infer
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.rtx import make_runtime_config
from tests.fakes.trt import FEATURES, FLOAT32, Bench, tensorrt_rtx


def samples(rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, FEATURES)).astype(FLOAT32)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path, "tensorrt_rtx")


def kept(bench):
    """Return what the cache beside the bundle holds."""
    return EngineCache(bench.bundle.root).load("runtime", bench.backend, "SM90")


def keep(bench, content):
    EngineCache(bench.bundle.root).store("runtime", bench.backend, "SM90", content)


@pytest.mark.parametrize(
    ("graphs", "strategy"), [(True, "WHOLE_GRAPH_CAPTURE"), (False, "DISABLED")]
)
def test_strategies_are_set_before_the_context_is_made(bench, graphs, strategy):
    runtime = bench.open(graphs=graphs)
    (config,) = bench.engine.configs
    assert config.cuda_graph_strategy == getattr(tensorrt_rtx.CudaGraphStrategy, strategy)
    assert config.dynamic_shapes_kernel_specialization_strategy == (
        tensorrt_rtx.DynamicShapesKernelSpecializationStrategy.EAGER
    )
    assert runtime.facts.cuda_graph is graphs


def test_graph_off_is_said_even_where_tensorrt_would_have_it_on(bench):
    class Config:
        cuda_graph_strategy = tensorrt_rtx.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE

    bench.engine.create_runtime_config = Config
    config = make_runtime_config(bench.engine, bench.backend, graphs=False)
    assert config.cuda_graph_strategy == tensorrt_rtx.CudaGraphStrategy.DISABLED


def test_one_context_serves_all_shapes_and_nothing_is_captured_by_us(bench):
    runtime = bench.open()
    for batch in (1, 2, 7, 64, 1):
        x = samples(batch, seed=batch)
        np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))
    assert len(bench.engine.configs) == len(bench.engine.contexts) == 1
    assert bench.cudart.counts["cudaStreamBeginCapture"] == 0
    assert runtime.count_launches() is None


# --- the kernels that were compiled


def test_compiled_kernels_are_kept_at_close_and_given_to_the_next(bench):
    runtime = bench.open()
    bench.engine.compiled = b"kernels"
    infer(runtime, {"input": samples(2)})
    assert kept(bench) == b""
    runtime.close()
    assert kept(bench) == b"kernels"
    bench.open()
    assert bench.engine.configs[-1].cache.content == b"kernels"


def test_nothing_is_written_when_nothing_new_was_compiled(bench):
    keep(bench, b"kernels")
    path = EngineCache(bench.bundle.root).path("runtime", bench.backend, "SM90")
    before = path.stat()
    bench.open().close()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_refused_cache_starts_empty_and_is_replaced(bench):
    keep(bench, b"of another driver")
    bench.engine.refuse.add("deserialize")
    runtime = bench.open()
    x = samples(2)
    np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))
    bench.engine.compiled = b"kernels"
    runtime.close()
    assert kept(bench) == b"kernels"


@pytest.mark.parametrize("method", ["create_runtime_cache", "set_runtime_cache", "serialize"])
def test_cache_that_cannot_be_had_is_done_without(bench, method):
    bench.engine.refuse.add(method)
    bench.engine.compiled = b"kernels"
    runtime = bench.open()
    x = samples(2)
    np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))
    runtime.close()
    assert kept(bench) == b""
    assert bench.held() == 0


def test_kernels_of_a_device_that_failed_are_not_kept(bench):
    runtime = bench.open()
    bench.engine.compiled = b"kernels"
    runtime.bind({"input": samples(2)})
    bench.cudart.broken_from = bench.cudart.counts.total()
    with pytest.raises(InferenceError, match="cudaErrorIllegalAddress"):
        runtime.close()
    assert kept(bench) == b""
