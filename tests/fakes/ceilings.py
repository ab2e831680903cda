"""Ceilings that nobody measured, with round numbers."""

from spinn_edge.bench.understanding.ceiling_launch import CeilingLaunch, Rate
from spinn_edge.bench.understanding.ceilings import Ceilings

CACHE_BYTES = 2**20
MEMORY_BYTES = 2**30


def launch(flops_per_s=1e11, cache_bytes_per_s=1e11, memory_bytes_per_s=1e10):
    """Return a launch of one product, one copy in the cache and one in memory."""
    return CeilingLaunch(
        blas="a BLAS",
        gemms=(Rate(size=256, work=flops_per_s, samples_s=(1.0,)),),
        copies=(
            Rate(size=CACHE_BYTES, work=cache_bytes_per_s, samples_s=(1.0,)),
            Rate(size=MEMORY_BYTES, work=memory_bytes_per_s, samples_s=(1.0,)),
        ),
    )


def ceilings(*launches, threads=1, cache_bytes=2**25, working_set_bytes=CACHE_BYTES):
    """Return ceilings: by default 100 GFLOP/s, 100 GB/s up to a MiB, 10 GB/s in memory."""
    return Ceilings(
        threads=threads,
        working_set_bytes=working_set_bytes,
        cache_bytes=cache_bytes,
        launches=launches or (launch(),),
    )
