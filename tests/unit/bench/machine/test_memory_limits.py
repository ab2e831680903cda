"""Memory that runs out: a limit that holds, words that tell, a batch that fits."""

import subprocess
import sys

import numpy as np
import pytest

from spinn_edge.bench.machine.memory_limits import (
    free_bytes,
    is_out_of_memory,
    limit_memory,
    smaller_batch,
)
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
    write(tmp_path, {"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:  400000 kB\n"})
    code = (
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from spinn_edge.bench.machine.memory_limits import limit_memory\n"
        f"assert limit_memory(Path({str(tmp_path)!r})) == int(400000 * 1024 * 0.9)\n"
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
    write(tmp_path, {"proc/meminfo": text})
    assert limit_memory(tmp_path) is None
    assert limit_memory(tmp_path / "none") is None


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


FREE = {"proc/meminfo": "MemAvailable: 1000 kB\n"}
V1, V2 = "4:memory:/a/b\n1:cpu:/\n", "0::/a/b\n"


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 1_024_000),
        ({"proc/self/cgroup": V2}, 1_024_000),
        (
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/a/b/memory.max": "500000",
                "sys/fs/cgroup/a/b/memory.current": "100000",
                "sys/fs/cgroup/a/b/memory.stat": "anon 9\nactive_file 200\ninactive_file 100\n",
            },
            400_300,
        ),
        (
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/memory.max": "500000",  # as a container sees its own
                "sys/fs/cgroup/memory.current": "600000",
            },
            0,
        ),
        (
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/memory.max": "max",
                "sys/fs/cgroup/memory.current": "1",
            },
            1_024_000,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": "1",
                "sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "3000",
                "sys/fs/cgroup/memory/a/b/memory.usage_in_bytes": "1000",
            },
            2000,
        ),
    ],
)
def test_a_containers_limit_counts_as_the_machines_memory(tmp_path, files, free):
    write(tmp_path, FREE | files)
    assert free_bytes(tmp_path) == free


def test_a_control_group_without_the_machines_figure_sets_no_limit(tmp_path):
    write(tmp_path, {"proc/self/cgroup": V2, "sys/fs/cgroup/memory.max": "500000"})
    assert free_bytes(tmp_path) is None


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
