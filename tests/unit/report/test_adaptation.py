import io
from dataclasses import replace

import pytest
from rich.console import Console

from spinn_edge.core.adaptation_record import (
    AdaptationRecord,
    AdaptationSettings,
    Ancestor,
    RejectedBatch,
    StreamGain,
    TargetError,
)
from spinn_edge.report.adaptation import (
    adaptation_document,
    adaptation_remarks,
    adaptation_table,
    gain_words,
    lineage_words,
    progress_words,
)
from spinn_edge.report.console import manifest_table
from spinn_edge.report.json_document import inspection_document, to_text

V1 = Ancestor(name="v1", manifest_sha256="a" * 64, created_utc="2026-01-01T00:00:00+00:00")
REFUSED = RejectedBatch(first_row=33, last_row=64, guard="values", reason="column 'b' is nan")


@pytest.fixture
def record() -> AdaptationRecord:
    return AdaptationRecord(
        parents=(V1,),
        method="least squares",
        layers=("4",),
        settings=AdaptationSettings(),
        source="new.csv",
        rows_seen=1320,
        rows_learnt=1288,
        rows_rejected=32,
        rows_taken_back=0,
        rows_left_out=0,
        rejected=(REFUSED,),
        batches_rejected=1,
        drift={"wear": 0.031},
        drift_from_first={"wear": 0.031},
        errors=(TargetError(target="wear", before=0.2, after=0.1),),
        gain=StreamGain(share=0.75, low=0.7, high=0.8, batches=40, rows=1256),
        interrupted=False,
    )


def text(table):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_table_sets_errors_before_and_after_beside_the_drift(record):
    shown = text(adaptation_table(record))
    for cell in ("wear", "0.2", "0.1", "-50.0 %", "3.1 %"):
        assert cell in shown
    assert "test rows" not in shown
    tested = replace(
        record,
        tested_on="9 rows",
        test=(TargetError(target="wear", before=0.4, after=0.3),),
    )
    shown = text(adaptation_table(tested))
    assert "RMSE on test rows before" in shown
    assert "-25.0 %" in shown
    assert "test rows: 9 rows" in adaptation_remarks(tested)


def test_remarks_count_rows_and_name_refused_batches(record):
    remarks = adaptation_remarks(record)
    assert remarks[0] == ("least squares, 4: of 1,320 rows 1,288 learnt, 32 rejected in 1 batches")
    assert "rejected: rows 33 to 64, values: column 'b' is nan" in remarks
    assert not any("--drift-limit" in line for line in remarks)
    many = replace(
        record,
        rejected=(replace(REFUSED, guard="drift"),) * 7,
        batches_rejected=9,
        rows_taken_back=64,
        rows_left_out=3,
    )
    remarks = adaptation_remarks(many)
    assert sum(line.startswith("rejected: rows") for line in remarks) == 5
    assert "rejected: 4 batches more (--json names the first 100)" in remarks
    assert "64 learnt and taken back" in remarks[0]
    assert "3 rows with missing values were left out" in remarks
    assert any("--drift-limit" in line for line in remarks)


def test_creep_over_several_versions_is_said(record):
    far = replace(record, drift_from_first={"wear": 0.09})
    assert not any("version 1" in line for line in adaptation_remarks(far))  # its own guard said so
    chain = replace(far, parents=(V1, replace(V1, name="v2")))
    (line,) = (line for line in adaptation_remarks(chain) if "version 1" in line)
    assert "'wear' may be up to 9.0 % of its scale from version 1 ('v1') by now" in line


def test_gain_is_given_with_its_interval_or_without(record):
    assert gain_words(record) == (
        "squared error over 40 batches: -75.0 % (95 % interval -80.0 % to -70.0 %)"
    )
    few = replace(record, gain=replace(record.gain, low=None, high=None))
    assert gain_words(few).endswith("too few for an interval")
    none = replace(record, gain=replace(record.gain, batches=0))
    assert gain_words(none) == "no batch was predicted by weights that had learnt something"
    assert progress_words(record, 1320).startswith("row 1,320: 1,288 learnt, 32 rejected; squared")


def test_inspect_shows_the_chain(record, tiny_bundle):
    manifest = tiny_bundle.manifest
    assert lineage_words(manifest) is None
    assert "version" not in text(manifest_table(manifest, "b"))
    chained = replace(manifest, adaptation=replace(record, parents=(V1, replace(V1, name="v2"))))
    words = "3, adapted from v1 (aaaaaaaaaaaa) → v2 (aaaaaaaaaaaa) on 1,288 rows of new.csv"
    assert lineage_words(chained) == words
    assert words in text(manifest_table(chained, "b"))
    document = inspection_document(replace(tiny_bundle, manifest=chained), "b")
    assert document["adaptation"]["rows_learnt"] == 1288


def test_document_says_what_was_written_or_why_nothing_was(record):
    written = adaptation_document(record, "v2", None)
    assert (written["passed"], written["written"], written["version"]) == (True, "v2", 2)
    refused = adaptation_document(record, None, "no gain")
    assert (refused["passed"], refused["reason"]) == (False, "no gain")
    assert '"settings"' in to_text(refused)
