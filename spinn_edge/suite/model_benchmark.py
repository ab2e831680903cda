"""One model in memory on several runtimes."""

from __future__ import annotations

import re
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


class ModelBenchmark:
    """Latency, throughput, memory, size and accuracy of one model.

    The model is exported from a copy into a temporary bundle; each runtime opens that in fresh
    processes and proves its outputs before it is timed.
    """

    def __init__(
        self,
        model: nn.Module,
        sample_input: Any,
        name: str = "model",
        device: str | torch.device = "cpu",
        *,
        runtimes: Sequence[str] | None = None,
        launches: int | None = None,
        threads: int | None = None,
        timeout_s: float | None = None,
        rule: TimingRule | None = None,
        factory: str | None = None,
    ) -> None:
        """Check what is given; nothing runs yet.

        Args:
            model: float32, on any device; never changed.
            sample_input: a float32 tensor of shape (batch, ...), or a tuple or dict of tensors.
                Its values should be real ones: the inputs that are timed are made from them.
            name: in tables.
            device: ``cpu``, ``cuda`` or ``cuda:0``.
            runtimes: names from the registry; None for PyTorch and ONNX Runtime on the device.
            launches: fresh processes for each runtime, in turn; 5.
            threads: CPU threads inside one operator; 1.
            timeout_s: seconds after which a launch is ended; 300.
            rule: when a timing starts and stops.
            factory: ``package.module:function`` that builds the model without arguments, for
                ``eager`` and ``compile`` of a model that is no plain MLP; it is called in the
                workers.

        Raises:
            UsageError: one of them makes no sense.
        """
        self._plan = MeasuringPlan.of(
            device, runtimes, launches=launches, threads=threads, timeout_s=timeout_s, rule=rule
        )
        self._model = ModelInMemory.of(model, sample_input, name, factory)
        self._measured: Measured | None = None

    def run_all(
        self,
        batch_size: int | Sequence[int] = 1,
        num_iterations: int | None = None,
        *,
        validation: Any = None,
        on_step: OnStep = lambda step: None,
    ) -> BenchResult:
        """Export, prove and time.

        Args:
            batch_size: samples in one inference, one size or several.
            num_iterations: inferences that are timed one by one in each launch; None stops when
                the median is known to half a per cent, or the time is over.
            validation: inputs and targets of shape (rows, columns), for R² and RMSE.
            on_step: called with a few words before each step, such as ``print``.

        Returns:
            A row for each runtime and batch size, whatever became of it.

        Raises:
            UsageError: the model does not run on its sample, or a number makes no sense.
            ExportError: the model cannot be exported at all.
        """
        self._measured = measure(
            [self._model],
            self._plan.with_iterations(num_iterations),
            batch_size,
            validation=validation,
            on_step=on_step,
        )
        return self._measured.result

    def recommendations(self) -> list[str]:
        """Return which runtime to take, a sentence or two for each batch size.

        Raises:
            UsageError: nothing was run yet.
        """
        return recommended(self._done())

    def print_report(self, console: Console | None = None, *, file: IO[str] | None = None) -> None:
        """Print tables, remarks and recommendations.

        Args:
            console: where to; None makes one for ``file``.
            file: an open text file; None is standard output.

        Raises:
            UsageError: nothing was run yet.
        """
        show(self._done(), console, file)

    def save_results(self, path: str | Path | None = None) -> Path:
        """Write all figures as JSON, or the tables as Markdown, by the suffix.

        Args:
            path: None for ``<name>-benchmark.json`` in the current folder; replaced if it exists.

        Returns:
            The file.

        Raises:
            UsageError: nothing was run yet, an unknown suffix, or it cannot be written.
        """
        measured = self._done()
        safe = re.sub(r"[^\w.-]", "_", self._model.name)
        return write_document(measured, Path(path or f"{safe}-benchmark.json"))

    def _done(self) -> Measured:
        if self._measured is None:
            raise UsageError("nothing was measured yet; call run_all() first")
        return self._measured
