"""Several models in memory beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console

from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.result import BenchResult
from spinn_edge.core.errors import UsageError
from spinn_edge.suite.documents import recommended, show, write_document
from spinn_edge.suite.measuring import Measured, OnStep, measure
from spinn_edge.suite.measuring_plan import MeasuringPlan
from spinn_edge.suite.model_in_memory import ModelInMemory

if TYPE_CHECKING:
    import torch
    from torch import nn


class BenchmarkSuite:
    """Models compared with the first of them, launches in turn so that drift hits all alike."""

    def __init__(
        self,
        device: str | torch.device = "cpu",
        *,
        runtimes: Sequence[str] | None = None,
        launches: int | None = None,
        threads: int | None = None,
        timeout_s: float | None = None,
        rule: TimingRule | None = None,
    ) -> None:
        """Say how to time; see :class:`spinn_edge.suite.model_benchmark.ModelBenchmark`.

        Raises:
            UsageError: one of them makes no sense.
        """
        self._plan = MeasuringPlan.of(
            device, runtimes, launches=launches, threads=threads, timeout_s=timeout_s, rule=rule
        )
        self._models: dict[str, ModelInMemory] = {}
        self._first_sample: Any = None
        self._measured: Measured | None = None

    def add_model(
        self,
        model: nn.Module,
        sample_input: Any = None,
        name: str | None = None,
        *,
        factory: str | None = None,
    ) -> None:
        """Add a model; the first one is the baseline unless another is named.

        Args:
            model: float32, on any device; never changed.
            sample_input: None for that of the first model, so that outputs can be compared.
            name: in tables; None for the name of its class.
            factory: see :class:`spinn_edge.suite.model_benchmark.ModelBenchmark`.

        Raises:
            UsageError: one of them makes no sense, or the name is taken.
        """
        sample = self._first_sample if sample_input is None else sample_input
        if sample is None:
            raise UsageError("the first model needs a sample_input: add_model(model, sample_input)")
        name = type(model).__name__ if name is None else name
        added = ModelInMemory.of(model, sample, name, factory)
        if name in self._models:
            raise UsageError(f"there is a model '{name}' already; name this one with name='...'")
        self._models[name] = added
        self._first_sample = sample if self._first_sample is None else self._first_sample

    def run_comparison(
        self,
        batch_size: int | Sequence[int] = 1,
        num_iterations: int | None = None,
        *,
        baseline: str | None = None,
        validation: Any = None,
        on_step: OnStep = lambda step: None,
    ) -> BenchResult:
        """Export, prove and time all models.

        Args:
            batch_size: samples in one inference, one size or several.
            num_iterations: inferences that are timed one by one in each launch; None stops when
                the median is known to half a per cent, or the time is over.
            baseline: name of the model that the others are compared with; None for the first.
            validation: inputs and targets of shape (rows, columns), for R² and RMSE of each model.
            on_step: called with a few words before each step, such as ``print``.

        Returns:
            A row for each model, runtime and batch size, whatever became of it; rows of models
            after the first carry the speed-up, its interval and the verdict.

        Raises:
            UsageError: there is no model, the baseline is unknown, a model does not run on its
                sample, or a number makes no sense.
            ExportError: a model cannot be exported at all.
        """
        if not self._models:
            raise UsageError("there is no model yet; add two or more with add_model()")
        if baseline is not None and baseline not in self._models:
            raise UsageError(f"baseline='{baseline}': expected one of {', '.join(self._models)}")
        # a stable sort: the baseline first, the others as they were added
        models = sorted(self._models.values(), key=lambda model: model.name != baseline)
        self._measured = measure(
            models,
            self._plan.with_iterations(num_iterations),
            batch_size,
            validation=validation,
            on_step=on_step,
        )
        return self._measured.result

    def recommendations(self) -> list[str]:
        """Return whether each model is to be preferred to the baseline, and why.

        Raises:
            UsageError: nothing was run yet.
        """
        return recommended(self._done())

    def print_comparison(
        self, console: Console | None = None, *, file: IO[str] | None = None
    ) -> None:
        """Print tables, remarks and recommendations.

        Args:
            console: where to; None makes one for ``file``.
            file: an open text file; None is standard output.

        Raises:
            UsageError: nothing was run yet.
        """
        show(self._done(), console, file)

    def generate_report(self, path: str | Path) -> Path:
        """Write the comparison as HTML, Markdown or JSON, by the suffix.

        Args:
            path: replaced if it exists.

        Returns:
            The file.

        Raises:
            UsageError: nothing was run yet, an unknown suffix, or it cannot be written.
        """
        return write_document(self._done(), Path(path))

    def _done(self) -> Measured:
        if self._measured is None:
            raise UsageError("nothing was measured yet; call run_comparison() first")
        return self._measured
