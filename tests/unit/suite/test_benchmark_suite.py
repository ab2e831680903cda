import io
from typing import Any

import pytest

from spinn_edge.bench import BenchmarkSuite
from spinn_edge.bench.regression.stored import read_result
from spinn_edge.core.errors import UsageError
from tests.unit.suite.models import TINY, mlp, sample

X = sample(2, 3)


@pytest.fixture(scope="module")
def suite():
    """Compare two tiny networks, three launches each; the baseline was added last."""
    done = BenchmarkSuite("cpu", runtimes=("ort-cpu",), launches=3, rule=TINY)
    done.add_model(mlp((3, 4, 2)), X, "pruned")
    done.add_model(mlp(), name="dense")
    done.run_comparison(batch_size=4, baseline="dense")
    return done


def test_baseline_comes_first_and_the_other_is_set_against_it(suite, tmp_path):
    dense, pruned = read_result(suite.generate_report(tmp_path / "report.json")).rows
    assert (dense.bundle, pruned.bundle) == ("dense", "pruned")
    assert pruned.baseline_medians_s == dense.launch_medians_s
    assert len(pruned.launch_medians_s) == 3
    assert pruned.speedup


def test_comparison_says_size_and_outputs(suite):
    (words,) = suite.recommendations()
    assert words.startswith("pruned beside dense: ")
    assert "78.7 % smaller (488 B to 104 B of parameters)" in words
    assert "its outputs differ from dense's by up to" in words


def test_comparison_is_printed(suite):
    stream = io.StringIO()
    suite.print_comparison(file=stream)
    assert "pruned beside dense: " in stream.getvalue()


def test_report_is_written_as_markdown(suite, tmp_path):
    text = suite.generate_report(tmp_path / "report.md").read_text()
    assert "| parameters | 122 | 26 | -78.7 % |" in text


def test_an_unknown_suffix_is_refused_in_words(suite, tmp_path):
    with pytest.raises(UsageError, match=r"expected a \.html, \.md or \.json file"):
        suite.generate_report(tmp_path / "report.pdf")


def test_name_of_the_class_is_the_default():
    suite = BenchmarkSuite()
    suite.add_model(mlp(), X)
    with pytest.raises(UsageError, match=r"there is a model 'MLP' already; name this one"):
        suite.add_model(mlp())


def test_refused_model_is_not_added():
    suite = BenchmarkSuite()
    no_model: Any = "dense"
    with pytest.raises(UsageError, match="expected a"):
        suite.add_model(no_model, X, "dense")
    with pytest.raises(UsageError, match="there is no model yet"):
        suite.run_comparison()


def test_first_model_needs_a_sample():
    with pytest.raises(UsageError, match="the first model needs a sample_input"):
        BenchmarkSuite().add_model(mlp())


def test_comparison_of_nothing_is_refused():
    with pytest.raises(UsageError, match=r"there is no model yet; add two or more"):
        BenchmarkSuite().run_comparison()


def test_unknown_baseline_lists_the_models():
    suite = BenchmarkSuite()
    suite.add_model(mlp(), X, "dense")
    with pytest.raises(UsageError, match="baseline='dens': expected one of dense"):
        suite.run_comparison(baseline="dens")


@pytest.mark.parametrize("ask", ["print_comparison", "recommendations"])
def test_nothing_can_be_asked_for_before_it_was_measured(ask):
    with pytest.raises(UsageError, match=r"call run_comparison\(\) first"):
        getattr(BenchmarkSuite(), ask)()


def test_report_of_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"call run_comparison\(\) first"):
        BenchmarkSuite().generate_report(tmp_path / "report.md")


def test_second_gpu_is_refused():
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES=1"):
        BenchmarkSuite("cuda:1")
