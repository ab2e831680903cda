import json

import jsonschema

from spinn_edge.report.schema.documents import DOCUMENTS


def test_a_schema_is_all_that_standard_output_holds(cli):
    done = cli("schema", "results")
    assert (done.code, done.err) == (0, "")
    schema = json.loads(done.out)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == "urn:spinn-edge:schema:results:1"


def test_without_a_name_the_documents_are_listed(cli):
    done = cli("schema")
    assert done.code == 0
    for document in DOCUMENTS:
        assert f" {document.name} " in done.out


def test_an_unknown_document_says_what_to_type(cli):
    done = cli("schema", "nothing")
    assert (done.code, done.out) == (2, "")
    assert "expected one of results" in done.err


def test_documents_of_commands_hold_what_their_schemas_say(cli, exported):
    for name, command in (
        ("inspection", ("inspect", exported)),
        ("verification", ("verify", exported, "--runtime", "eager")),
        ("waterfall", ("waterfall", exported)),
    ):
        done = cli(*command, "--json", "-")
        assert done.code == 0, done.err
        schema = json.loads(cli("schema", name).out)
        jsonschema.validate(json.loads(done.out), schema)
