"""What an inference costs in energy, in words."""

from __future__ import annotations

from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f


def energy_remarks(result: BenchResult) -> list[str]:
    """Return a sentence for each row whose energy was measured, or one that says why none was.

    Nothing is said where nobody asked.
    """
    if not result.energy_asked:
        return []
    remarks = []
    for row in result.rows:
        if (joules := row.joules_per_inference) is not None:
            sources = ", ".join(row.energies[0].energy.sources)
            remarks.append(
                f"{row.bundle}, {f.served(row.runtime, row.served_by)}, {row.precision}, batch "
                f"{row.batch}: {f.joules(joules)} an inference, {f.joules(joules / row.batch)} a "
                f"sample ({sources}; the idle share and other programs' are in it)"
            )
    return remarks or [
        f"energy: {f.NOT_MEASURED}: no counter can be read here (on most systems only root reads "
        "/sys/class/powercap, virtual machines have none, and a GPU's needs nvidia-ml-py)"
    ]
