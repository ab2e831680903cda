import json
from typing import Any

import pytest

from spinn_edge.bench import quick_benchmark
from spinn_edge.core.errors import UsageError
from tests.unit.suite.models import TINY, Wrapped, mlp, sample


def test_dict_holds_figures_by_runtime_and_is_plain_json():
    found = quick_benchmark(
        mlp(), sample(1, 3), 8, runtimes=("ort-cpu",), launches=1, rule=TINY, name="tiny"
    )
    assert json.loads(json.dumps(found)) == found
    assert (found["name"], found["device"], found["batch_size"]) == ("tiny", "cpu", 8)
    assert found["parameter_bytes"] == 4 * found["parameters"] == 4 * 122
    figures = found["runtimes"]["ort-cpu"]
    assert (figures["status"], figures["samples"], figures["launches"]) == ("ok", 3, 1)
    assert figures["median_s"] > 0
    assert figures["throughput_per_s"] > 0
    assert figures["peak_resident_bytes"] > 1e6
    assert figures["file_bytes"] > 0
    assert figures["max_abs_error"] < 1e-5
    assert figures["median_interval_s"] is None
    assert found["recommendations"] == []


def test_runtime_that_cannot_work_says_why_and_has_no_figure():
    found = quick_benchmark(Wrapped(), sample(1, 3), runtimes=("eager",), launches=1, rule=TINY)
    figures = found["runtimes"]["eager"]
    assert found["name"] == "Wrapped"
    assert figures["status"] == "unavailable"
    assert "without a pickle" in figures["reason"]
    assert figures["median_s"] is None
    assert figures["peak_resident_bytes"] is None


@pytest.mark.parametrize("batch_size", [0, "1", None])
def test_batch_size_is_checked(batch_size):
    with pytest.raises(UsageError, match="batch_size="):
        quick_benchmark(mlp(), sample(1, 3), batch_size)


def test_several_batch_sizes_are_for_the_class():
    sizes: Any = (1, 8)
    with pytest.raises(UsageError, match="one batch_size"):
        quick_benchmark(mlp(), sample(1, 3), sizes)
