"""From answers to tables: who is compared with whom, and what stands where there is no number."""

import json
from types import SimpleNamespace

import pytest

import spinn_edge.core.optional as optional
from spinn_edge.bench.evidence.intervals import NO_DIFFERENCE, SLOWER

US = 1e-6
SIX = tuple(1 + share for share in (0.0, 0.01, -0.01, 0.005, -0.005, 0.002))


@pytest.fixture
def tables(program):
    return program("peer_tables")


@pytest.fixture
def peers(program):
    return program("peers")


def row(tables, name, median_us, *, batch=1, factors=SIX, samples=3):
    launches = tuple((median_us * US * factor,) * samples for factor in factors)
    return tables.PeerRow(name=name, batch=batch, launches_s=launches, used_share=0.02)


def test_a_launch_without_a_number_decides_for_all(tables):
    answers = [
        {"refused": None, "samples_s": [1.0], "used_share": 0.1},
        {"refused": "it computes in bf16", "used_share": 344.0},
    ]
    joined = tables.PeerRow.of("openvino", 1, answers)
    assert (joined.median_s, joined.reason) == (None, "it computes in bf16")
    assert joined.used_share == 344.0


def test_a_99th_percentile_needs_a_thousand_samples(tables):
    assert row(tables, "ours", 10, samples=166).p99_s is None
    assert row(tables, "ours", 10, samples=167).p99_s is not None


def test_a_ratio_is_of_times_and_paired_by_launches(tables):
    drift = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5)
    against = tables.Against.of(
        row(tables, "polygraphy", 20, factors=drift), row(tables, "session-run", 10, factors=drift)
    )
    assert against.ratio == pytest.approx(2.0)
    assert against.interval.low == pytest.approx(2.0)


def test_slower_is_said_only_beyond_the_noise(tables):
    bare = row(tables, "session-run", 10)
    assert tables.Against.of(row(tables, "polygraphy", 70), bare).verdict == SLOWER
    assert tables.Against.of(row(tables, "ours", 10.05), bare).verdict == NO_DIFFERENCE


def test_only_peers_of_one_boundary_and_batch_are_compared(tables):
    rows = [
        row(tables, "session-run", 10),
        row(tables, "session-run", 1000, batch=1000),
        row(tables, "session-bound", 5),
        row(tables, "ours", 20),
        row(tables, "ours-bound", 20),
        row(tables, "ours", 3000, batch=1000),
    ]
    found = {
        (entry["name"], entry["batch"]): entry["over_reference"]
        for entry in tables.rows_document(rows)
    }
    ratios = {key: over["ratio"] for key, over in found.items() if over is not None}
    assert ratios == {
        ("ours", 1): pytest.approx(2),
        ("ours", 1000): pytest.approx(3),
        ("ours-bound", 1): pytest.approx(4),
    }


def test_a_table_says_why_there_is_no_number(tables):
    rows = [
        row(tables, "session-run", 10),
        tables.PeerRow(name="openvino", batch=1, reason="it computes in bf16: differs | by 1"),
        row(tables, "ours-bound", 10),
    ]
    lines = list(tables.peer_table(rows, "host-to-host"))
    (line,) = [line for line in lines if "OpenVINO" in line]
    assert "no number: it computes in bf16: differs \\| by 1" in line
    assert "µs" not in line
    assert not [line for line in lines if "sync" in line], "another boundary"


def test_a_harness_stands_beside_ours_of_the_same_model(tables):
    asked = [row(tables, "torch-timer", 44, samples=1)]
    (line,) = [
        line
        for line in tables.harness_table(asked, [row(tables, "ours", 40)])
        if "torch.utils" in line
    ]
    assert "44.0 µs | 40.0 µs | eager, bound | 1.100" in line


@pytest.fixture
def answered(peers, monkeypatch):
    """Answer for every process at once; record who was asked."""
    asked = []

    def ask(name, bundle, samples):
        asked.append(name)
        if name == "torch":
            return "torch fell over"
        return {
            str(batch): {"refused": None, "used_share": 0.1, "samples_s": [batch * 1e-5]}
            for batch in samples
        }

    def bench(bundle, request):
        rows = [
            SimpleNamespace(
                runtime=runtime, boundary=boundary, batch=batch, reason=None, samples_s=(2e-5,)
            )
            for runtime in request.runtimes
            for boundary in request.boundaries
            for batch in request.batches
        ]
        return SimpleNamespace(rows=rows)

    def version(*names):
        return None if "polygraphy" in names else optional.installed_version(*names) or "1.0"

    monkeypatch.setattr(peers, "_ask", ask)
    monkeypatch.setattr(peers, "run_bench", bench)
    monkeypatch.setattr(peers, "installed_version", version)
    return asked


def test_launches_alternate_and_what_failed_is_not_launched_again(
    peers, answered, tiny_bundle, tmp_path, capsys
):
    out = tmp_path / "results"
    peers.main(
        [str(tiny_bundle.root), "--launches", "2", "--samples", "1=5,7=3", "--out", str(out)]
    )
    installed = [name for name in peers.DISTRIBUTIONS if "polygraphy" not in name]
    assert answered == [*installed, *(name for name in installed if name != "torch")]
    (path,) = out.glob("peers-*.json")
    (measured,) = json.loads(path.read_text())["measured"]
    entries = {(entry["name"], entry["batch"]): entry for entry in measured["peers"]}
    assert len(entries[("ours", 1)]["launch_medians_s"]) == 2
    assert entries[("ours", 7)]["over_reference"]["ratio"] == pytest.approx(1)
    assert entries[("torch", 1)]["reason"] == "torch fell over"
    assert entries[("polygraphy", 1)]["reason"] == f"not installed: {peers.INSTALL}"
    assert len(measured["onnx_sha256"]) == 64
    page = path.with_suffix(".md").read_text()
    assert page.rstrip() in capsys.readouterr().out
    assert f"no number: not installed: {peers.INSTALL}" in page


def test_a_process_that_dies_is_a_reason(peers, tiny_bundle):
    assert "KeyError: 'nobody'" in peers._ask("nobody", tiny_bundle, {1: 1})


def test_a_process_answers_by_batch(peers, tiny_bundle):
    answers = peers._ask("session-run", tiny_bundle, {1: 4, 7: 3})
    assert [len(answers[batch]["samples_s"]) for batch in ("1", "7")] == [4, 3]
