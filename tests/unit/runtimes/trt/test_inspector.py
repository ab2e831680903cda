import json
from types import SimpleNamespace

import pytest

from spinn_edge.runtimes.trt.backend import Backend
from spinn_edge.runtimes.trt.inspector import count_types, inspect_plan, layer_types


def layer(kind, *outputs, key="Format/Datatype"):
    return {"Name": kind, "LayerType": kind, "Outputs": [{key: text} for text in outputs]}


def said(*layers):
    return json.dumps({"Layers": list(layers), "Bindings": ["input", "output"]})


def test_layers_are_counted_by_what_they_put_out():
    text = said(
        layer("gemm", "Half"),
        layer("kgen", "Row major linear FP16 format"),
        layer("CaskConvolution", "Channel major FP16 format where channel % 8 == 0"),
        layer("gemm", "Float"),
        layer("kgen", "Row major linear FP32"),
    )
    assert count_types(text) == {"fp16": 3, "fp32": 2}


def test_both_kinds_are_named_when_there_is_one():
    assert count_types(said(layer("gemm", "Half"))) == {"fp16": 1, "fp32": 0}
    assert count_types(said(layer("gemm", "Float"))) == {"fp16": 0, "fp32": 1}


def test_a_layer_that_takes_int8_counts_as_int8_whatever_it_puts_out():
    taking = {"Inputs": [{"Format/Datatype": "Int8"}], **layer("gemm", "Float")}
    floats = {"Inputs": [{"Format/Datatype": "Float"}], **layer("kgen", "Int8")}
    back = {"Inputs": [{"Format/Datatype": "Int8"}], **layer("Reformat", "Float")}
    text = said(taking, floats, back, layer("gemm", "Float"))
    assert count_types(text) == {"fp16": 0, "fp32": 1, "int8": 1}


def test_bfloat16_is_no_fp16():
    assert count_types(said(layer("gemm", "BFloat16"))) == {"fp16": 0, "fp32": 0, "bf16": 1}


@pytest.mark.parametrize(
    "kind", ["Reformat", "reformat", "NoOp", "Constant", "Shuffle", "cast", "signal", "wait"]
)
def test_layers_that_compute_nothing_do_not_count(kind):
    text = said(layer(kind, "Half"), layer("gemm", "Float"))
    assert count_types(text) == {"fp16": 0, "fp32": 1}


def test_the_first_float_output_decides():
    text = said({"LayerType": "TopK", "Outputs": [{"Format/Datatype": "Int32"},
                                                  {"Format/Datatype": "Half"}]})  # fmt: skip
    assert count_types(text) == {"fp16": 1, "fp32": 0}


def test_a_layer_of_integers_counts_for_nothing():
    assert count_types(said(layer("gather", "Int32"))) == {}


def test_the_type_is_found_under_either_name():
    assert count_types(said(layer("gemm", "Half", key="DataType"))) == {"fp16": 1, "fp32": 0}


@pytest.mark.parametrize(
    "text",
    [
        "", "no json", "[]", "3", None, "{}", '{"Layers": null}', '{"Layers": ["layer0", "tanh0"]}',
        '{"Layers": [{"Name": "layer0"}]}', '{"Layers": [{"Outputs": "Half"}]}',
        '{"Layers": [{"Outputs": ["Half", null]}]}', '{"Layers": [{"Outputs": [{}]}]}',
    ],
)  # fmt: skip
def test_what_tells_no_types_gives_nothing(text):
    assert count_types(text) == {}


def backend_with(engine):
    """A package whose Runtime gives ``engine`` for every plan."""
    severity = SimpleNamespace(INTERNAL_ERROR=0, ERROR=1, WARNING=2)
    runtime = SimpleNamespace(deserialize_cuda_engine=lambda plan: engine)
    module = SimpleNamespace(
        runtime=runtime,
        Runtime=lambda logger: runtime,
        ILogger=type("ILogger", (), {"Severity": severity}),
        LayerInformationFormat=SimpleNamespace(JSON="as JSON", ONELINE="as lines"),
    )
    return Backend(module=_Hashable(module), name="tensorrt", version="11.4.0.106")


class _Hashable:
    """A namespace that a cache can have as key, as a module can be."""

    def __init__(self, namespace):
        self.__dict__.update(vars(namespace))


def engine_that_says(text, asked):
    inspector = SimpleNamespace(get_engine_information=lambda form: asked.append(form) or text)
    return SimpleNamespace(create_engine_inspector=lambda: inspector)


def test_the_engine_is_asked_for_json():
    asked: list[str] = []
    engine = engine_that_says(said(layer("gemm", "Half")), asked)
    backend = backend_with(engine)
    assert layer_types(engine, backend) == {"fp16": 1, "fp32": 0}
    assert inspect_plan(backend, b"plan") == {"fp16": 1, "fp32": 0}
    assert asked == ["as JSON", "as JSON"]


def test_code_in_an_engine_is_allowed_only_where_there_is_some():
    for carries_code in (False, True):
        backend = backend_with(None)
        inspect_plan(backend, b"plan", carries_code=carries_code)
        allowed = getattr(backend.module.runtime, "engine_host_code_allowed", False)
        assert allowed == carries_code


def test_an_engine_that_does_not_load_tells_nothing():
    assert inspect_plan(backend_with(None), b"plan") == {}
