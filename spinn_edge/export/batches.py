"""The largest batch of a bundle."""

from __future__ import annotations

from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.models.loading import LoadedModel
from spinn_edge.runtimes.trt.recipe import EngineOptions


def largest_batch(
    loaded: LoadedModel,
    inputs: tuple[TensorSpec, ...],
    asked: int | None,
    engine: EngineOptions,
) -> int:
    """Return the largest batch that every form shall take: what was asked, else what is known.

    Raises:
        UsageError: less than 1, or the model's own file fixes another.
    """
    if (fixed := inputs[0].shape[0]) is not None:
        if asked not in (None, fixed):
            raise UsageError(
                f"'{loaded.origin}' has a fixed batch of {fixed}; --max-batch {asked} "
                "needs a model with a dynamic batch axis"
            )
        if engine.min_batch not in (1, fixed) or engine.opt_batch not in (
            None,
            fixed,
        ):
            raise UsageError(
                f"'{loaded.origin}' has a fixed batch of {fixed}; leave out --min-batch and "
                "--opt-batch"
            )
        return fixed
    if asked is not None:
        if asked < 1:
            raise UsageError(f"--max-batch must be at least 1, got {asked}")
        return asked
    return loaded.bundle.manifest.max_batch if loaded.bundle else 1024
