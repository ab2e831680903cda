"""What the tables, the words and the document say of a comparison layer by layer."""

import io
import json
from dataclasses import replace

from rich.console import Console

from spinn_edge.accuracy.divergence.layer_pairs import Unmatched
from spinn_edge.accuracy.divergence.locating import Divergence, LayerComparison
from spinn_edge.accuracy.divergence.tensor_statistics import TensorStatistics
from spinn_edge.report.divergence import (
    divergence_tables,
    divergence_words,
    divergences_document,
)
from spinn_edge.report.json_document import to_text

FIGURES = TensorStatistics(min=-1.0, max=2.0, mean=0.25, std=0.5, not_finite_share=0.0)
EMPTY = TensorStatistics(min=None, max=None, mean=None, std=None, not_finite_share=1.0)
GOOD = LayerComparison(
    layer="0",
    kind="Linear",
    node="node_linear",
    operator="Gemm",
    tensor="linear",
    shape=(16, 8),
    reference=FIGURES,
    deployed=FIGURES,
    max_abs=2e-6,
    where=(3, 5),
    scale=2.0,
    tolerance=2e-5,
    passed=True,
    reason=None,
)
BAD = replace(
    GOOD,
    layer="2",
    node="node_linear_1",
    max_abs=0.02,
    passed=False,
    reason="differs by 0.02, allowed 2e-05",
)
BROKEN = replace(BAD, layer="4", node="n", max_abs=None, where=(0, 1), deployed=EMPTY)


def of(*layers: LayerComparison, rows: int = 16) -> Divergence:
    return Divergence(
        bundle="pruned",
        file="model.onnx",
        precision="fp32",
        reference="eager in float64",
        matched_by="module paths",
        rows=rows,
        golden_rows=16,
        layers=layers,
        unmatched=(Unmatched(name="1", kind="Conv2d", reason="joined"),),
    )


def printed(divergence: Divergence) -> str:
    out = io.StringIO()
    console = Console(width=160, file=out)
    console.print(divergence_tables(divergence))
    return out.getvalue()


def test_a_good_file_is_called_so_and_its_nearest_layer_named() -> None:
    words = divergence_words(of(GOOD))
    assert words[0] == (
        "model.onnx: no layer beyond tolerance; nearest to it: layer '0' (Linear), node "
        "node_linear, 2e-06 of 2e-05 allowed (sample 3, index 5)"
    )
    assert "without graph optimisations" in words[-1]


def test_the_first_layer_is_named_before_the_farthest() -> None:
    words = divergence_words(of(GOOD, BAD, BROKEN))
    assert words[0] == (
        "model.onnx: first beyond tolerance: layer '2' (Linear), node node_linear_1: differs by "
        "0.02, allowed 2e-05 (sample 3, index 5)"
    )
    assert words[1] == ("model.onnx: farthest beyond it: layer '4' (Linear), node n, NaN or Inf")


def test_samples_that_were_left_out_are_said() -> None:
    assert any(
        "13 of 16 golden samples were left out" in w for w in divergence_words(of(GOOD, rows=3))
    )
    assert not any("left out" in words for words in divergence_words(of(GOOD)))


def test_the_tables_hold_layers_tensors_and_what_has_no_partner() -> None:
    text = printed(of(GOOD, BAD))
    assert "0 (Linear)" in text
    assert "within" in text
    assert "beyond: differs by 0.02" in text
    assert "1000" in text.replace(",", ""), "the share of the tolerance"
    assert "this file" in text
    assert "Not compared" in text
    assert "joined" in text


def test_a_tensor_without_finite_values_has_dashes() -> None:
    line = next(text for text in printed(of(BROKEN)).splitlines() if "this file" in text)
    assert line.split() == ["this", "file", "–", "–", "–", "–", "100.00", "%"]


def test_of_many_without_partner_some_are_shown_and_the_rest_counted() -> None:
    many = tuple(Unmatched(name=f"n{i}", kind="Mul", reason="why") for i in range(50))
    text = printed(replace(of(GOOD), unmatched=many))
    assert text.count("Mul") == 12
    assert "and 38 more: --json has them all" in " ".join(text.split())


def test_an_output_of_the_model_is_called_output() -> None:
    assert replace(GOOD, layer="", kind="").name == "output 'linear', node node_linear"


def test_the_document_has_every_tensors_statistics_and_no_infinities() -> None:
    document = json.loads(to_text(divergences_document([of(GOOD), of(GOOD, BROKEN)])))
    assert document["passed"] is False
    good, bad = document["files"]
    assert (good["passed"], good["first"]) == (True, None)
    assert bad["first"] == "layer '4' (Linear), node n"
    assert bad["layers"][0]["reference"]["std"] == 0.5
    assert bad["layers"][1]["max_abs"] is None
    assert bad["unmatched"][0]["reason"] == "joined"
