"""Documents that our own code writes, against their schemas."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import jsonschema
import pytest

from spinn_edge.accuracy.verification import verify_bundle
from spinn_edge.bench.loops.pacing import Pacing
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import MANIFEST_NAME
from spinn_edge.report.json_document import (
    bench_document,
    inspection_document,
    to_text,
    verification_document,
)
from spinn_edge.report.schema.documents import DOCUMENTS, document_named
from spinn_edge.report.tables.fleet import fleet_document
from tests.unit.report.comparisons import slower
from tests.unit.report.results import on_a_gpu, result, stand_in, unavailable
from tests.unit.report.sources import compared, sources


def closed(schema):
    """Return a schema that takes no key it does not name, so that none goes unpublished."""
    schema = copy.deepcopy(schema)

    def close(node):
        if isinstance(node, dict):
            if "properties" in node:
                node.setdefault("additionalProperties", False)
            for item in node.values():
                close(item)
        elif isinstance(node, list):
            for item in node:
                close(item)

    close(schema)
    return schema


def check(name, document):
    written = json.loads(to_text(document))
    schema = document_named(name).to_schema()
    for each in (schema, closed(schema)):
        errors = list(jsonschema.Draft202012Validator(each).iter_errors(written))
        assert not errors, errors[0]
    return written, jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_schemas_are_valid_and_named_by_their_version(document):
    schema = document.to_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:spinn-edge:schema:{document.name}:{document.version}"
    assert "keys are only added" in schema["description"]
    stated = schema["properties"].get("schema_version")
    assert stated is None or stated["const"] == document.version
    assert (stated is not None) == ("schema_version" in schema["required"])


def test_results_hold_what_their_schema_says():
    paced = Pacing(
        rate_per_s=100.0, lateness_s=(1e-5,) * 3, responses_s=(2e-4,) * 3, ticks=(3,),
        behind_s=(0.0,), back_to_back_medians_s=(1e-4,),
    )  # fmt: skip
    rows = (
        *compared().rows,
        *on_a_gpu("dense"),
        stand_in("pruned", 1e-4),
        unavailable("pruned"),
        replace(compared().rows[0], rate_per_s=100.0, pacing=paced),
    )
    written, validator = check("results", bench_document(result(rows)))
    for broken in (
        {"schema_version": 2},
        {"rows": [{**written["rows"][0], "batch": "1"}]},
        {"rows": [{**written["rows"][0], "median_s": "fast"}]},
        {"bundles": [{**written["bundles"][0], "scores": {}}]},
        {"environment": None},
    ):
        assert not validator.is_valid({**written, **broken})
    assert validator.is_valid({**written, "added_later": 1})


def test_manifest_and_inspection_hold_what_their_schemas_say(tiny_bundle):
    manifest = json.loads((tiny_bundle.root / MANIFEST_NAME).read_text())
    _, validator = check("manifest", manifest)
    del manifest["files"]
    assert not validator.is_valid(manifest)
    check("inspection", inspection_document(tiny_bundle, "tiny"))


def test_verification_holds_what_its_schema_says(tiny_bundle):
    verification = verify_bundle(tiny_bundle, ["ort-cpu", "trt"])
    check("verification", verification_document(verification))


def test_comparison_holds_what_its_schema_says():
    check("comparison", slower())


def test_merged_results_hold_what_their_schema_says():
    document = fleet_document(sources(result(), result()).results)
    schema = document_named("fleet").to_schema()
    written = json.loads(to_text(document))
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(written)
    del written["results"][0]["result"]["environment"]["cpu"]
    assert not validator.is_valid(written)


def test_a_document_that_there_is_not_is_refused_with_those_there_are():
    with pytest.raises(UsageError, match="expected one of results, fleet, manifest"):
        document_named("result")
