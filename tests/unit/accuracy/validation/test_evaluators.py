from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.accuracy.validation.evaluation import evaluate
from spinn_edge.accuracy.validation.evaluators import BATCH, Evaluator, make_evaluator
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError, UsageError
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes.base import RuntimeFacts
from spinn_edge.runtimes.model import Model, open_runtime
from tests.fakes.runtime import FLOAT32, FakeRuntime, doubling_bundle

X = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)


def run(model: Any, x: Any = X, **options: Any) -> Any:
    inputs = x if isinstance(x, Mapping) else {"x": x}
    with make_evaluator(model, "optimized") as evaluator:
        return evaluate(evaluator, inputs, **options)


def test_bundle_folder_open_model_module_and_function_give_the_same(tiny_bundle: Bundle) -> None:
    x = np.random.default_rng(0).standard_normal((40, 18)).astype(np.float32)
    with open_runtime(tiny_bundle, runtime="ort-cpu") as opened:
        expected = np.concatenate([opened(x[:16]), opened(x[16:32]), opened(x[32:])])
        returned = [run(model, x) for model in (str(tiny_bundle.root), tiny_bundle, opened)]
        returned.append(run(lambda values: opened(values), x))
    for outputs in returned:
        assert list(outputs.arrays) == ["output"]
        np.testing.assert_allclose(outputs.arrays["output"], expected, atol=1e-6)
    assert [outputs.named for outputs in returned] == [True, True, True, False]


def test_module_runs_in_evaluation_mode_and_keeps_its_modes() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.9), nn.BatchNorm1d(3))
    module.train()
    module[2].eval()
    first, second = (run(module).arrays["output"] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert [part.training for part in module] == [True, True, False]
    assert module[2].num_batches_tracked == 0


def test_module_mode_comes_back_after_an_error() -> None:
    module = nn.Linear(5, 2)
    with pytest.raises(InferenceError, match="the optimized model fails on samples 0 to 9"):
        run(module)
    assert module.training


def test_several_outputs_are_named_by_the_model_or_by_order() -> None:
    assert list(run(lambda x: (x, 2 * x)).arrays) == ["output_0", "output_1"]
    named = run(lambda x: {"a": x, "b": 2 * x})
    assert (list(named.arrays), named.named) == (["a", "b"], True)

    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, x + 1

    assert run(Two()).arrays["output_1"][0, 0] == X[0, 0] + 1


def fake(
    seen: list[int], *, fixed: int | None = None, smallest: int = 1, largest: int | None = None
) -> Model:
    def double(feeds: Mapping[str, Any]) -> dict[str, Any]:
        seen.append(len(feeds["x"]))
        return {"y": 2 * feeds["x"]}

    runtime = FakeRuntime(double)
    runtime.inputs = (TensorSpec("x", (fixed, 3), FLOAT32),)
    runtime.facts = RuntimeFacts(min_batch=smallest, max_batch=largest)
    return Model(runtime)


@pytest.mark.parametrize(
    ("options", "sizes"),
    [({"largest": 4}, [4, 4, 2]), ({"fixed": 4}, [4, 4, 4]), ({"smallest": 16}, [16]), ({}, [10])],
)
def test_batch_fits_the_runtime_and_what_fills_it_up_is_dropped(
    options: dict[str, int], sizes: list[int]
) -> None:
    seen: list[int] = []
    outputs = run(fake(seen, **options))
    assert seen == sizes
    np.testing.assert_array_equal(outputs.arrays["y"], 2 * X)


def test_many_samples_go_in_parts() -> None:
    seen: list[int] = []
    run(fake(seen), np.ones((BATCH + 1, 3), np.float32))
    assert seen == [BATCH, 1]


def test_what_was_opened_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = doubling_bundle(tmp_path / "b")
    runtimes = [FakeRuntime(), FakeRuntime()]
    monkeypatch.setattr(
        "spinn_edge.accuracy.validation.evaluators.open_runtime",
        lambda *_, **__: Model(runtimes[0]),
    )
    run(bundle)
    assert runtimes[0].calls[-1] == "close"
    run(Model(runtimes[1]))
    assert "close" not in runtimes[1].calls  # it is the caller's


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: x.sum(), "has shape [] for 10 samples"),
        (lambda x: x[:4], "has shape [4, 3] for 10 samples (from sample 0 on)"),
        (lambda x: (), "returns no outputs"),
        (lambda x: 1 / 0, "fails on samples 0 to 9 (float32 [10, 3]): ZeroDivisionError"),
    ],
)
def test_what_is_no_output_a_sample_is_an_error(function: Callable[..., Any], words: str) -> None:
    with pytest.raises(InferenceError) as caught:
        run(function)
    assert words in str(caught.value)


@pytest.mark.parametrize("second", [{"y": np.ones((4, 5))}, {"y": np.ones((4, 3), np.float32)}])
def test_output_that_changes_between_calls_is_an_error(second: dict[str, Any]) -> None:
    answers = iter([{"y": np.ones((4, 3))}, second])
    evaluator = Evaluator(name="optimized", call=lambda arrays: next(answers), largest=4)
    with pytest.raises(InferenceError, match="changes from sample 4 on"):
        evaluate(evaluator, {"x": X[:8]})


def test_output_that_goes_missing_between_calls_is_an_error() -> None:
    answers = iter([{"y": X[:4], "z": X[:4]}, {"y": X[:4]}])
    evaluator = Evaluator(name="optimized", call=lambda arrays: next(answers), largest=4)
    with pytest.raises(
        InferenceError, match=r"outputs \['y'\] from sample 4 on, \['y', 'z'\] before"
    ):
        evaluate(evaluator, {"x": X[:8]})


def test_inputs_pair_by_name_and_else_by_order() -> None:
    def minus(feeds: Mapping[str, Any]) -> dict[str, Any]:
        return {"y": feeds["a"] - feeds["b"]}

    runtime = FakeRuntime(minus)
    runtime.inputs = (TensorSpec("a", (None, 3), FLOAT32), TensorSpec("b", (None, 3), FLOAT32))
    model = Model(runtime)
    by_name = run(model, {"b": X, "a": 2 * X})
    by_order = run(model, {"input_0": X, "input_1": 2 * X}, named=False)
    np.testing.assert_array_equal(by_name.arrays["y"], X)
    np.testing.assert_array_equal(by_order.arrays["y"], -X)
    for inputs in ({"a": X}, {"a": X, "c": X}):
        with pytest.raises(UsageError, match=r"the optimized model takes \['a', 'b'\]"):
            run(model, inputs)


def test_nothing_is_converted_unless_it_comes_from_a_table() -> None:
    with make_evaluator(fake([]), "optimized") as evaluator:
        strict = replace(evaluator, call=lambda arrays: arrays[0])
        assert evaluate(strict, {"x": X.astype(np.float64)}).arrays["output"].dtype == np.float64
        cast = evaluate(strict, {"x": X.astype(np.float64)}, cast=True)
        assert cast.arrays["output"].dtype == np.float32
    for module, dtype in ((nn.Linear(3, 1), np.float32), (nn.Linear(3, 1).double(), np.float64)):
        outputs = run(module, X.astype(np.float64), cast=True)
        assert outputs.arrays["output"].dtype == dtype


@pytest.mark.parametrize(
    ("dtype", "value"), [(np.float32, 1e300), (np.int64, 1.5), (np.float16, 1e6)]
)
def test_number_that_the_model_cannot_hold_is_refused(dtype: Any, value: float) -> None:
    runtime = FakeRuntime()
    runtime.inputs = (TensorSpec("x", (None, 3), np.dtype(dtype)),)
    x = np.ones((4, 3))
    assert run(Model(runtime), x, cast=True).arrays["y"].dtype == dtype
    x[2, 1] = value
    with pytest.raises(UsageError, match=f"sample 2 holds .*, which the model's {np.dtype(dtype)}"):
        run(Model(runtime), x, cast=True)


def test_columns_that_do_not_fit_the_model_are_refused() -> None:
    with pytest.raises(UsageError, match="2 feature columns were given"):
        run(fake([]), np.ones((4, 2)), cast=True)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(UsageError, match="the optimized model is a int"):
        run(3)
