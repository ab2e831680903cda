"""Memory that runs out: a limit that holds, words that tell, a batch that fits."""

import subprocess
import sys

import numpy as np
import pytest

from spinn_edge.bench.memory_limits import is_out_of_memory, limit_memory, smaller_batch
from spinn_edge.core.errors import InferenceError
from spinn_edge.core.golden import Golden
from tests.fakes.runtime import FakeRuntime, double

GOLDEN = Golden(inputs={"x": np.ones((4, 3), np.float32)}, outputs={"y": 2 * np.ones((4, 3))})


def holding(most):
    """A runtime that runs out of memory above ``most`` samples."""

    def compute(feeds):
        if len(feeds["x"]) > most:
            raise InferenceError("CUDA out of memory. Tried to allocate 2 GiB")
        return double(feeds)

    return FakeRuntime(compute)


def test_a_process_under_the_limit_fails_to_allocate_instead_of_being_killed(tmp_path):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9 kB\nMemAvailable:  400000 kB\n")
    code = (
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from spinn_edge.bench.memory_limits import limit_memory\n"
        f"assert limit_memory(Path({str(meminfo)!r})) == int(400000 * 1024 * 0.9)\n"
        "np.ones(1000)\n"
        "try:\n"
        "    np.ones(100_000_000)\n"
        "except MemoryError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


@pytest.mark.parametrize("text", ["", "MemTotal: 9 kB\n", "MemAvailable: much\n"])
def test_a_system_that_does_not_say_what_is_free_sets_no_limit(tmp_path, text):
    (tmp_path / "meminfo").write_text(text)
    assert limit_memory(tmp_path / "meminfo") is None
    assert limit_memory(tmp_path / "none") is None


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2 GiB",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
        "Failed to allocate memory for requested buffer of size 7",
        "std::bad_alloc",
        "cudaMalloc failed: cudaErrorMemoryAllocation (2)",
    ],
)
def test_every_librarys_words_are_understood(text):
    assert is_out_of_memory(InferenceError(text))


def test_the_cause_counts_too():
    error = InferenceError("PyTorch failed")
    error.__cause__ = MemoryError()
    assert is_out_of_memory(error)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(InferenceError("input 'x' has 0 samples"))


@pytest.mark.parametrize(("most", "fits"), [(50, 50), (49, 25), (1, 1), (0, None)])
def test_the_largest_half_that_runs_is_named(most, fits):
    assert smaller_batch(holding(most), GOLDEN, 100) == fits
