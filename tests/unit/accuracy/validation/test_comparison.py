import json
from typing import Any

import numpy as np
import pytest

from spinn_edge.accuracy import OutputComparator
from spinn_edge.accuracy.validation.comparison import Comparison
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError

X = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)


def compare(a: Any, b: Any, x: Any = X, **options: Any) -> Comparison:
    return OutputComparator(a, b, **options).compare(x)


def planted(sample: int, channel: int, value: float) -> Any:
    def model(x: Any) -> Any:
        y = x.copy()
        y[sample, channel] += value
        return y

    return model


def test_comparison_says_where_how_much_and_in_which_channel() -> None:
    comparison = compare(lambda x: x, planted(7, 2, 0.5))
    (output,) = comparison.outputs
    assert output.metrics is not None
    worst = output.metrics.worst
    assert (worst.channel, worst.worst_sample) == ("2", 7)
    assert worst.max_abs == pytest.approx(0.5)
    assert output.metrics.channels[0].max_abs == 0
    assert comparison.samples == 20
    assert comparison.worst is output


def test_channels_get_the_names_that_fit() -> None:
    comparison = compare(lambda x: (x, x[:, :2]), lambda x: (x, x[:, :2]), channels=("a", "b", "c"))
    assert [output.channels for output in comparison.outputs] == [("a", "b", "c"), ("0", "1")]


@pytest.mark.parametrize(
    ("b", "words", "sample"),
    [
        (planted(5, 1, np.nan), "the second model's output holds NaN or Inf, first in sample 5", 5),
        (planted(3, 0, np.inf), "first in sample 3", 3),
        (lambda x: x.astype(np.float64), "has dtype float64, the first model's output float32", 0),
        (lambda x: x[:, :2], "has shape [20, 2], the first model's output [20, 3]", 0),
    ],
)
def test_fault_is_never_a_number(b: Any, words: str, sample: int) -> None:
    comparison = compare(lambda x: x, b)
    (output,) = comparison.outputs
    assert output.metrics is None
    assert output.fault is not None
    assert words in output.fault.reason
    assert output.fault.sample == sample
    assert comparison.worst is output
    document = json.loads(json.dumps(comparison.to_json(), allow_nan=False))
    assert document["outputs"][0]["metrics"] is None
    assert words in document["outputs"][0]["fault"]["reason"]


def test_outputs_pair_by_name_whatever_their_order() -> None:
    comparison = compare(lambda x: {"a": x, "b": 2 * x}, lambda x: {"b": 2 * x, "a": x})
    assert [output.output for output in comparison.outputs] == ["a", "b"]
    assert all(
        output.metrics and output.metrics.worst.max_abs == 0 for output in comparison.outputs
    )


def test_swapped_outputs_are_found() -> None:
    comparison = compare(lambda x: (x, 2 * x), lambda x: (2 * x, x))
    assert all(
        output.metrics and output.metrics.worst.over_scale > 0.4 for output in comparison.outputs
    )


def test_outputs_without_names_pair_by_order_and_take_the_first_ones_names() -> None:
    comparison = compare(lambda x: {"a": x, "b": 2 * x}, lambda x: (x, 2 * x))
    assert [output.output for output in comparison.outputs] == ["a", "b"]
    assert compare(lambda x: {"a": x}, lambda x: {"logits": x}).outputs[0].output == "a"


@pytest.mark.parametrize(
    "b", [lambda x: {"a": x, "c": x}, lambda x: {"a": x}, lambda x: x, lambda x: (x, x, x)]
)
def test_outputs_that_cannot_be_paired_are_a_fault(b: Any) -> None:
    comparison = compare(lambda x: {"a": x, "b": x}, b, names=("dense", "pruned"))
    assert comparison.outputs == ()
    assert comparison.worst is None
    assert comparison.fault is not None
    assert comparison.fault.startswith("the dense model returns ['a', 'b'], the pruned model [")


def test_bundles_compare_on_their_runtimes(tiny_bundle: Bundle) -> None:
    x = np.random.default_rng(0).standard_normal((30, 18)).astype(np.float32)
    comparison = compare(tiny_bundle.root, tiny_bundle.root, x, runtimes=("torchscript", "ort-cpu"))
    (output,) = comparison.outputs
    assert output.metrics is not None
    assert 0 < output.metrics.worst.over_scale < 1e-5


@pytest.mark.parametrize("x", [np.ones((0, 3)), np.float32(1), (X, X[:4]), {}])
def test_inputs_without_samples_are_refused(x: Any) -> None:
    with pytest.raises(UsageError, match="expected the same samples on axis 0"):
        compare(lambda *x: x[0], lambda *x: x[0], x)


def test_worst_output_is_the_one_with_the_largest_error_over_its_scale() -> None:
    comparison = compare(lambda x: (x, 1e3 * x), lambda x: (x * 1.1, 1e3 * x + 1))
    assert comparison.worst is comparison.outputs[0]


def test_public_names_come_from_the_package() -> None:
    import spinn_edge.accuracy as package

    for name in package.__all__:
        assert getattr(package, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'AccuracyChecker'"):
        package.AccuracyChecker  # noqa: B018
