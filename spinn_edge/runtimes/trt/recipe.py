"""What an engine is built from, beside its graph: what a user may choose, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spinn_edge.core.errors import BundleError, ExportError, UsageError
from spinn_edge.core.tensors import TensorSpec, describe

BUILDER_LEVELS = range(6)
_MIB = 2**20

# A choice, not a measurement: one profile must serve single samples and whole batches. At one
# sample a small network waits for kernel launches whatever the kernels were tuned for.
_OPTIMAL_BATCH = 32

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of one input by bound: ``min``, ``opt``, ``max``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What a user may choose for every engine of one export.

    Attributes:
        min_batch: smallest batch that the engines accept.
        opt_batch: batch that they are tuned for; None means 32, or the nearest size between the
            smallest and the largest.
        workspace_bytes: scratch memory that a layer may use; None leaves TensorRT its default.
        builder_level: 0 (fast build) to 5 (long search); None leaves TensorRT its default.
        tf32: allow float32 products whose factors are rounded to TF32.
        hardware_compatible: one engine for Ampere and newer; ``tensorrt`` only.
        version_compatible: an engine that later releases can run too, with host code inside;
            ``tensorrt`` only.

    Raises:
        UsageError: a number makes no sense; names the option of the command line.
    """

    min_batch: int = 1
    opt_batch: int | None = None
    workspace_bytes: int | None = None
    builder_level: int | None = None
    tf32: bool = False
    hardware_compatible: bool = False
    version_compatible: bool = False

    def __post_init__(self) -> None:
        if self.min_batch < 1:
            raise UsageError(f"--min-batch {self.min_batch}: expected at least 1")
        if self.opt_batch is not None and self.opt_batch < self.min_batch:
            raise UsageError(
                f"--opt-batch {self.opt_batch}: expected at least --min-batch {self.min_batch}"
            )
        if self.workspace_bytes is not None and self.workspace_bytes < 1:
            raise UsageError(f"--workspace-mib {self.workspace_bytes // _MIB}: expected at least 1")
        if self.builder_level is not None and self.builder_level not in BUILDER_LEVELS:
            raise UsageError(f"--builder-level {self.builder_level}: expected 0 to 5")

    def batches(self, max_batch: int) -> dict[str, int]:
        """Return the batch at each bound of a profile.

        Raises:
            UsageError: the bounds are not in order.
        """
        if max_batch < 1:
            raise UsageError(f"--max-batch {max_batch}: the maximum batch must be at least 1")
        for name, value in (("min", self.min_batch), ("opt", self.opt_batch)):
            if value is not None and value > max_batch:
                raise UsageError(
                    f"--{name}-batch {value}: expected at most --max-batch {max_batch}"
                )
        tuned_for = self.opt_batch or max(self.min_batch, min(_OPTIMAL_BATCH, max_batch))
        return {"min": self.min_batch, "opt": tuned_for, "max": max_batch}

    def recipe(
        self, inputs: Sequence[TensorSpec], max_batch: int, compute_capability: str
    ) -> EngineRecipe:
        """Return what an engine for these inputs and this GPU is built from.

        Raises:
            ExportError: an input has a dynamic axis that is not the first.
            UsageError: the batches are not in order.
        """
        profile = {}
        for spec in inputs:
            shapes = {}
            for bound, batch in self.batches(max_batch).items():
                fixed = spec.shape[0] if spec.shape else None
                shape = spec.at_batch(batch if fixed is None else fixed)
                if shape is None:
                    raise ExportError(
                        f"input '{spec.name}' is {describe(spec)}: for TensorRT only axis 0 may be "
                        "dynamic"
                    )
                shapes[bound] = shape
            profile[spec.name] = shapes
        return EngineRecipe(
            compute_capability=compute_capability,
            profile=profile,
            workspace_bytes=self.workspace_bytes,
            builder_level=self.builder_level,
            tf32=self.tf32,
            hardware_compatible=self.hardware_compatible,
            version_compatible=self.version_compatible,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRecipe:
    """What one engine is built from, beside its graph; the fields are keys of a manifest.

    Attributes:
        compute_capability: GPU to build for, as ``SM86``.
        profile: shapes by input.
        workspace_bytes: see :class:`EngineOptions`, like all that follow.
        builder_level: likewise.
        tf32: likewise.
        hardware_compatible: likewise.
        version_compatible: likewise.
    """

    compute_capability: str
    profile: Mapping[str, Shapes]
    workspace_bytes: int | None = None
    builder_level: int | None = None
    tf32: bool = False
    hardware_compatible: bool = False
    version_compatible: bool = False

    def details(self) -> dict[str, Any]:
        """Return the recipe as ``FileEntry.details`` keeps it."""
        facts = {
            field.name: getattr(self, field.name) for field in dataclasses.fields(EngineRecipe)
        }
        facts["profile"] = {
            name: {bound: list(shape) for bound, shape in shapes.items()}
            for name, shapes in self.profile.items()
        }
        return facts

    @classmethod
    def from_details(cls, details: Mapping[str, Any], compute_capability: str) -> EngineRecipe:
        """Read a recipe back, for another GPU.

        Raises:
            BundleError: the details do not say how the engine was built.
        """
        try:
            profile = {
                str(name): {
                    bound: tuple(int(size) for size in shapes[bound])
                    for bound in ("min", "opt", "max")
                }
                for name, shapes in details["profile"].items()
            }
            workspace, level = details.get("workspace_bytes"), details.get("builder_level")
            return cls(
                compute_capability=compute_capability,
                profile=profile,
                workspace_bytes=None if workspace is None else int(workspace),
                builder_level=None if level is None else int(level),
                tf32=bool(details.get("tf32")),
                hardware_compatible=bool(details.get("hardware_compatible")),
                version_compatible=bool(details.get("version_compatible")),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as exc:
            raise BundleError(
                f"the manifest does not say how the engine was built ({type(exc).__name__}: {exc})"
            ) from exc
