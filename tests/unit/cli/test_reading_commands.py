"""export, verify, bench, inspect and runtimes."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spinn_edge.bench.loops.sweep import end_of_sweep
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.worker import Job, failed_rows, run_job
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, Runtime
from spinn_edge.runtimes.nvidia.driver import CudaDevice
from spinn_edge.runtimes.trt.preflight import EngineChoice, choose_engine
from tests.unit.cli.conftest import Cli


def test_export_of_a_bundle_carries_scores_and_golden_inputs_over(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    done = cli("export", trained, "--format", "pt2", "--out", tmp_path / "b", "--max-batch", "16")
    assert done.code == 0, done.err
    before, after = Bundle.load(trained), Bundle.load(tmp_path / "b")
    assert after.manifest.training == before.manifest.training
    assert after.manifest.golden_source == before.manifest.golden_source
    assert [point.batch for point in after.manifest.files_of("pt2")[0].proof] == [1, 2, 7, 16]


def test_export_of_an_engine_writes_the_onnx_that_it_is_built_from(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorrt_rtx")
    done = cli(
        *("export", trained, "--format", "trt", "--compute-capability", "SM120"),
        *("--out", tmp_path / "b"),
    )
    assert done.code == 0, done.err
    assert "onnx is written too" in done.out
    assert [e.path for e in Bundle.load(tmp_path / "b").manifest.files_of("trt")] == [
        "model.sm120.engine"
    ]


def test_export_proves_with_rows_of_a_csv(
    cli: Cli, table: Path, trained: Path, tmp_path: Path
) -> None:
    weights = trained / "model.safetensors"
    arguments = ["export", str(weights), "--activation", "tanh", "--format", "onnx"]
    arguments += ["--data", str(table), "--out", str(tmp_path / "b")]

    unnamed = cli(*arguments)
    assert unnamed.code == 2
    assert "--features" in unnamed.err

    wrong = cli(*arguments, "--features", "a,b,c")
    assert wrong.code == 2
    assert "3 columns, but the model takes float32 [batch, 4]" in wrong.err

    done = cli(*arguments, "--features", "a,b,c,d")
    assert done.code == 0, done.err
    assert Bundle.load(tmp_path / "b").manifest.golden_source == "240 rows of data.csv"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name it with --activation"),
        (("--activation", "step"), "unknown activation 'step'"),
        (("--activation", "tanh", "--format", "tflite"), "unknown format 'tflite'; known:"),
        (("--activation", "tanh", "--input-shape", "5"), "takes float32 [batch, 4]"),
        (("--activation", "tanh", "--input-shape", "x"), "expected sizes without the batch"),
        (("--activation", "tanh", "--max-batch", "0"), "--max-batch must be at least 1"),
        (("--activation", "tanh", "--weights", "w.pt"), "--weights goes with"),
    ],
)
def test_bad_export_input_is_refused_and_nothing_is_written(
    cli: Cli, trained: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = cli("export", trained / "model.safetensors", "--out", tmp_path / "b", *arguments)
    assert done.code == 2, done.err
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


def test_file_that_needs_unpickling_is_refused_with_the_risk(cli: Cli, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    done = cli("export", tmp_path / "module.pt", "--out", tmp_path / "b")
    assert done.code == 2
    assert "--trust-pickle" in done.err
    assert "can run any code" in done.err


def test_trusted_module_is_exported(cli: Cli, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    done = cli(
        *("export", tmp_path / "module.pt", "--trust-pickle", "--input-shape", "2"),
        *("--format", "onnx", "--out", tmp_path / "b"),
    )
    assert done.code == 0, done.err


def test_verify_writes_json_to_standard_output_and_nothing_else(cli: Cli, exported: Path) -> None:
    done = cli("verify", exported, "--runtime", "ort-cpu,torchscript", "--json", "-")
    document = json.loads(done.out)
    assert done.code == 0
    assert document["passed"] is True
    assert {(c["runtime"], c["batch"]) for c in document["checks"]} == {
        (runtime, batch) for runtime in ("ort-cpu", "torchscript") for batch in (1, 2, 7, 64)
    }
    assert set(document["checks"][0]) >= {"runtime", "batch", "max_abs", "tolerance", "passed"}


def test_verify_fails_with_8_when_a_file_computes_something_else(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    import onnx

    graph = onnx.load(exported / "model.onnx")
    weights = onnx.numpy_helper.to_array(graph.graph.initializer[0]).copy()
    weights.flat[0] += 1e-2
    name = graph.graph.initializer[0].name
    graph.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(weights, name))
    broken = rewritten(exported, tmp_path / "b", "model.onnx", graph.SerializeToString())

    done = cli("verify", broken, "--runtime", "ort-cpu", "--json", tmp_path / "v.json")
    assert done.code == 8
    assert "differs by" in done.err
    assert json.loads((tmp_path / "v.json").read_text())["passed"] is False
    timed = cli("bench", broken, "--runtime", "ort-cpu", "--batch", "1", "--json", "-")
    assert timed.code == 8
    (row,) = json.loads(timed.out)["rows"]
    assert row["status"] == "failed"
    assert row["samples_s"] == []
    assert row["median_s"] is None
    assert row["parity"]["passed"] is False


def test_verify_of_a_runtime_that_is_not_here_leaves_with_6(cli: Cli, exported: Path) -> None:
    done = cli("verify", exported, "--runtime", "trt")
    assert done.code == 6
    assert "holds no fp32 trt file" in done.err


def test_changed_byte_is_found(cli: Cli, exported: Path, tmp_path: Path) -> None:
    shutil.copytree(exported, tmp_path / "b")
    content = bytearray((tmp_path / "b" / "model.onnx").read_bytes())
    content[100] ^= 1
    (tmp_path / "b" / "model.onnx").write_bytes(content)
    for command in ("verify", "bench", "inspect", "export"):
        out = ("--out", tmp_path / "new") if command == "export" else ()
        done = cli(command, tmp_path / "b", *out)
        assert done.code == 5
        assert "sha256 differs" in done.err


@pytest.mark.parametrize("suffix", ["onnx", "pt2", "ts", "pt", "safetensors", "engine"])
def test_truncated_model_file_is_one_clear_error(
    cli: Cli, exported: Path, tmp_path: Path, suffix: str
) -> None:
    source = exported / ("model.onnx" if suffix in ("onnx", "engine") else "model.ts")
    path = tmp_path / f"model.{suffix}"
    path.write_bytes(source.read_bytes()[:700])
    done = cli("bench", path, "--activation", "tanh")
    assert done.code in (2, 5)
    assert done.err.startswith("error: ")
    assert str(path) in done.err
    assert done.out == ""


def test_bench_json_and_markdown_come_from_the_same_rows(
    cli: Cli, exported: Path, trained: Path, tmp_path: Path
) -> None:
    done = cli(
        *("bench", exported, "--baseline", trained, "--runtime", "eager,ort-cpu"),
        *("--batch", "1,7", "--seconds", "0.02", "--launches", "1"),
        *("--json", tmp_path / "r.json", "--markdown", tmp_path / "r.md"),
    )
    assert done.code == 6  # the baseline has no ONNX file, and that was said
    assert "holds no fp32 onnx file" in done.err
    document = json.loads((tmp_path / "r.json").read_text())
    assert document["schema_version"] == 1
    assert document["environment"]["cores"] >= 1
    rows = document["rows"]
    assert len(rows) == 8
    for row in rows:
        assert row["batch"] in (1, 7)
        if row["status"] == "ok":
            times_s = row["throughput_samples_s"]
            assert row["throughput_per_s"] == pytest.approx(
                row["batch"] * len(times_s) / sum(times_s)
            )
    sped_up = [row for row in rows if row["speedup"] is not None]
    assert [(row["runtime"], row["batch"]) for row in sped_up] == [("eager", 1), ("eager", 7)]
    assert "not measured" in (tmp_path / "r.md").read_text()


def test_bench_of_an_onnx_file_needs_no_bundle(cli: Cli, exported: Path) -> None:
    done = cli(
        *("bench", exported / "model.onnx", "--runtime", "ort-cpu", "--batch", "1"),
        *("--seconds", "0.02", "--launches", "1", "--json", "-"),
    )
    assert done.code == 0, done.err
    (row,) = json.loads(done.out)["rows"]
    assert (row["bundle"], row["status"]) == ("model.onnx", "ok")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--runtime", "ort"), "unknown runtime 'ort'; known: eager, compile"),
        (("--runtime", ","), "--runtime names nothing"),
        (("--batch", "0"), "--batch 0: expected sweep, or whole numbers above 0"),
        (("--batch", "one"), "--batch one: expected"),
        (("--batch", "sweep,7"), "--batch sweep,7: expected sweep, or whole numbers"),
        (("--batch", "sweep", "--save-baseline", "b.json"), "may end at another size"),
        (("--batch", "sweep", "--rate", "1000"), "--rate with --batch sweep: a sweep fills"),
        (("--rate", "0"), "--rate 0: expected 0.1 to 20,000 inferences a second"),
        (("--rate", "-1"), "--rate -1: expected 0.1 to"),
        (("--rate", "nan"), "--rate nan: expected 0.1 to"),
        (("--rate", "inf"), "--rate inf: expected 0.1 to"),
        (("--rate", "1e9"), "--rate 1e+09: expected 0.1 to"),
        (("--rate", "1000,30000"), "--rate 30000: expected 0.1 to"),
        (("--rate", "abc"), "--rate abc: expected inferences a second, such as 1000"),
        (("--rate", "1000,abc"), "--rate 1000,abc: expected inferences a second"),
        (("--rate", ""), "--rate : expected inferences a second"),
        (("--rate", "100", "--boundary", "device"), "add host-to-host to --boundary"),
        (("--seconds", "0"), "--seconds must be above 0"),
        (("--precision", "int4"), "--precision int4: expected some of fp32, fp16, int8"),
        (("--precision", ","), "--precision ,: expected some of fp32, fp16"),
        (
            ("--boundary", "gpu"),
            "--boundary gpu: expected main, all, or some of host-to-host, bound",
        ),
        (("--on-mismatch", "maybe"), "--on-mismatch maybe: expected one of error, rebuild"),
        (("--provider-option", "x"), "--provider-option x: expected KEY=VALUE"),
        (("--provider-option", "=1"), "--provider-option =1: expected KEY=VALUE"),
        (("--json", "-", "--markdown", "-"), "only one document fits standard output"),
        (("--json", "."), "cannot write ."),
    ],
)
def test_bad_bench_input_is_refused_before_anything_is_timed(
    cli: Cli, exported: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = cli("bench", exported, *arguments)
    assert done.code == 2
    assert message in done.err
    assert "timing" not in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--precision", "int4"), "--precision int4: expected some of fp32, fp16, int8"),
        (("--on-mismatch", "maybe"), "--on-mismatch maybe: expected one of error, rebuild"),
        (("--provider-option", "a=1", "--provider-option", "a=2"), "each key once"),
    ],
)
def test_bad_verify_input_is_refused_before_anything_runs(
    cli: Cli, exported: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = cli("verify", exported, *arguments)
    assert done.code == 2
    assert message in done.err
    assert "verifying" not in done.err


def test_bench_at_a_fixed_rate_adds_rows_tables_and_words(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    done = cli(
        *("bench", exported, "--runtime", "ort-cpu", "--batch", "1", "--rate", "20000,10000"),
        *("--seconds", "0.02", "--launches", "1"),
        *("--json", tmp_path / "r.json", "--markdown", tmp_path / "r.md"),
    )
    assert done.code == 0, done.err
    rows = json.loads((tmp_path / "r.json").read_text())["rows"]
    assert [row["rate_per_s"] for row in rows] == [None, 10_000, 20_000]
    for row in rows[1:]:
        pacing = row["pacing"]
        assert pacing["due"] == 1000
        assert len(pacing["responses_s"]) == len(row["samples_s"]) == 1000 - pacing["unserved"]
        assert pacing["back_to_back_medians_s"] == [rows[0]["median_s"]]
        assert row["throughput_per_s"] is None
    tables = (tmp_path / "r.md").read_text()
    for text in (tables, " ".join(done.out.split())):
        assert "Deadline, 20,000 a second: period 50.0 µs" in text
        assert "Deadline, 10,000 a second: period 100 µs" in text
        assert "1,000 deadlines" in text


def test_a_sweep_finds_its_batch_sizes(cli: Cli, exported: Path, tmp_path: Path) -> None:
    done = cli(
        *("bench", exported, "--runtime", "ort-cpu", "--batch", "sweep", "--seconds", "0.02"),
        *("--launches", "2", "--json", tmp_path / "r.json"),
    )
    assert done.code == 0, done.err
    document = json.loads((tmp_path / "r.json").read_text())
    assert [row["batch"] for row in document["rows"]] == [
        2**power for power in range(len(document["rows"]))
    ]
    assert all(len(row["launch_samples"]) == 2 for row in document["rows"])
    (found,) = document["saturation"]
    assert found["runtime"] == "ort-cpu"
    assert f"at batch {found['knee_batch']:,}" in " ".join(done.out.split())


def test_a_sweep_that_memory_ends_is_no_failure(
    cli: Cli, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_in_process(job: Job, *, timeout_s: float) -> list[Row]:
        good = failed_rows(job, 1, "", "ok")[0]
        (full,) = failed_rows(job, 2, "")
        return [replace(good, samples_s=(0.001,), launch_samples=(1,)), end_of_sweep(full)]

    monkeypatch.setattr("spinn_edge.bench.processes.contenders.run_in_process", run_in_process)
    done = cli(
        *("bench", exported, "--runtime", "ort-cpu", "--batch", "sweep", "--launches", "1"),
    )
    assert done.code == 0, done.err
    assert "out of memory at batch 2, where the sweep ends" in " ".join(done.out.split())


def test_every_choice_reaches_the_workers(
    cli: Cli, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []

    def run_in_process(job: Job, *, timeout_s: float) -> list[Row]:
        jobs.append(job)
        return failed_rows(job, 1, "not here", "unavailable")

    monkeypatch.setattr("spinn_edge.bench.processes.contenders.run_in_process", run_in_process)
    done = cli(
        *("bench", exported, "--runtime", "ort-cuda", "--batch", "1", "--precision", "fp16,fp32"),
        *("--boundary", "device,enqueue", "--on-mismatch", "rebuild", "--tf32"),
        *("--provider-option", "a=1", "--provider-option", "b=c=d", "--trust-engine-code"),
    )
    assert done.code == 6
    assert [job.options.precision for job in jobs] == ["fp16", "fp32"]
    for job in jobs:
        assert job.boundaries == ("device", "enqueue")
        assert job.options == OpenOptions(
            precision=job.options.precision,
            on_mismatch="rebuild",
            tf32=True,
            provider_options={"a": "1", "b": "c=d"},
            trust_engine_code=True,
        )


@pytest.mark.parametrize(
    ("status", "exit_code", "runtimes", "expected"),
    [
        ("unavailable", 5, "trt", 5),  # an engine of another version, on a machine with a GPU
        ("unavailable", 6, "trt", 6),
        ("failed", 5, "trt", 5),  # a damaged engine
        ("failed", 7, "trt", 7),
        ("failed", None, "trt", 7),  # ended by a signal
        ("failed", 5, "all", 5),
        ("unavailable", 5, "all", 6),  # passed over; here no other runtime is left
    ],
)
def test_the_exit_code_of_bench_is_that_of_the_refusal(
    cli: Cli,
    exported: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: str,
    exit_code: int | None,
    runtimes: str,
    expected: int,
) -> None:
    def run_in_process(job: Job, *, timeout_s: float) -> list[Row]:
        (row,) = failed_rows(job, 1, "not here", status)
        return [replace(row, exit_code=exit_code)]

    monkeypatch.setattr("spinn_edge.bench.processes.contenders.run_in_process", run_in_process)
    done = cli("bench", exported, "--runtime", runtimes, "--batch", "1")
    assert done.code == expected
    assert "Traceback" not in done.err


def test_without_choices_bench_asks_for_fp32_and_the_main_boundaries(
    cli: Cli, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs: list[Job] = []

    def run_in_process(job: Job, *, timeout_s: float) -> list[Row]:
        jobs.append(job)
        return failed_rows(job, 1, "not here", "unavailable")

    monkeypatch.setattr("spinn_edge.bench.processes.contenders.run_in_process", run_in_process)
    cli("bench", exported, "--runtime", "ort-cpu", "--batch", "1")
    (job,) = jobs
    assert (job.boundaries, job.options) == ((), OpenOptions())


def test_every_choice_reaches_what_verify_opens(
    cli: Cli, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[OpenOptions] = []

    def refuse(name: str, bundle: Bundle, options: OpenOptions) -> None:
        opened.append(options)
        raise RuntimeUnavailableError("not here")

    monkeypatch.setattr(registry, "open_backend", refuse)
    done = cli(
        *("verify", exported, "--runtime", "ort-cuda", "--precision", "fp16", "--tf32"),
        *("--on-mismatch", "fallback", "--provider-option", "a=1", "--trust-engine-code"),
    )
    assert done.code == 6
    assert opened == [
        OpenOptions(
            precision="fp16",
            tf32=True,
            on_mismatch="fallback",
            provider_options={"a": "1"},
            trust_engine_code=True,
        )
    ]


def test_a_stand_in_is_named_in_every_table_with_its_notice(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    if not cannot_run("ort-cuda"):
        pytest.skip("ort-cuda works here, and would stand in before ort-cpu")
    fall_back = ("--runtime", "trt", "--on-mismatch", "fallback")
    verified = cli("verify", exported, *fall_back, "--json", tmp_path / "v.json")
    timed = cli(
        *("bench", exported, *fall_back, "--batch", "1", "--seconds", "0.02", "--launches", "1"),
        *("--json", tmp_path / "b.json", "--markdown", tmp_path / "b.md"),
    )
    notice = "ort-cpu stands in for trt"
    for done in (verified, timed):
        assert done.code == 0, done.err
        assert "trt → ort-cpu" in done.out
        assert notice in done.out
    check = json.loads((tmp_path / "v.json").read_text())["checks"][0]
    assert (check["runtime"], check["served_by"]) == ("trt", "ort-cpu")
    assert notice in check["notices"][0]
    (row,) = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert (row["runtime"], row["served_by"], row["boundary"]) == (
        *("trt", "ort-cpu", "host-to-host"),
    )
    assert notice in row["facts"]["notices"][0]
    assert row["file_bytes"] == (exported / "model.onnx").stat().st_size
    text = (tmp_path / "b.md").read_text()
    assert "trt → ort-cpu" in text
    assert notice in text


def test_a_boundary_that_a_runtime_lacks_is_refused_by_name_and_said(
    cli: Cli, exported: Path
) -> None:
    done = cli(
        *("bench", exported, "--runtime", "ort-cpu", "--boundary", "device", "--batch", "1"),
        *("--seconds", "0.02", "--launches", "1"),
    )
    assert done.code == 6
    assert "no clock on a device" in done.err


@pytest.mark.parametrize("command", ["verify", "bench"])
def test_with_all_runtimes_those_that_cannot_work_are_one_line_a_reason(
    cli: Cli, exported: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    def run_in_process(job: Job, *, timeout_s: float) -> list[Row]:
        if job.runtime == "ort-cpu":
            return list(run_job(job))
        return failed_rows(job, 1, "no NVIDIA driver", "unavailable")

    def open_backend(name: str, bundle: Bundle, options: OpenOptions) -> Runtime:
        if name != "ort-cpu":
            raise RuntimeUnavailableError("no NVIDIA driver")
        return real(name, bundle, options)

    real = registry.open_backend
    monkeypatch.setattr(registry, "open_backend", open_backend)
    monkeypatch.setattr("spinn_edge.bench.processes.contenders.run_in_process", run_in_process)
    quick = ("--batch", "1", "--seconds", "0.01", "--launches", "1") if command == "bench" else ()
    done = cli(command, exported, *quick)
    assert done.code == 0, done.err
    (line,) = [line for line in done.out.splitlines() if "no NVIDIA driver" in line]
    others = [name for name in registry.entries() if name != "ort-cpu"]
    assert line.endswith(f": {', '.join(others)}: no NVIDIA driver")
    assert not any(line.lstrip().startswith("dense    eager") for line in done.out.splitlines())


def cannot_run(runtime: str) -> bool:
    return not registry.probe(runtime).available


def test_baseline_that_is_the_bundle_itself_is_refused(cli: Cli, exported: Path) -> None:
    done = cli("bench", exported, "--baseline", exported, "--runtime", "ort-cpu")
    assert done.code == 2
    assert "is both bundle and baseline" in done.err


def test_inspect_json_has_the_published_keys(cli: Cli, exported: Path) -> None:
    done = cli("inspect", exported, "--json", "-")
    document = json.loads(done.out)
    assert document["parameters"] == 4 * 24 + 24 + 24 * 24 + 24 + 24 * 2 + 2
    assert document["nonzero_parameters"] == document["parameters"]
    assert document["widths"] == [4, 24, 24, 2]
    assert document["flops_per_sample"] == 2 * (4 * 24 + 24 * 24 + 24 * 2)
    assert document["pruning"] is None
    for entry in document["files"]:
        assert set(entry) >= {"path", "format", "bytes", "sha256"}


def test_inspect_of_a_state_dict_shows_its_widths(cli: Cli, trained: Path) -> None:
    done = cli("inspect", trained / "model.safetensors", "--activation", "tanh")
    assert done.code == 0, done.err
    assert "4-24-24-2 (tanh)" in done.out


def test_inspect_counts_every_layer_where_it_is_asked_to(cli: Cli, trained: Path) -> None:
    plain, layers = cli("inspect", trained), cli("inspect", trained, "--layers")
    assert layers.code == 0, layers.err
    assert "not 0" in layers.out
    assert "not 0" not in plain.out
    (line,) = [line for line in layers.out.splitlines() if line.split()[:1] == ["2"]]
    assert f"{24 * 24 + 24}" in line


def test_runtimes_say_what_is_missing_and_what_to_type(cli: Cli) -> None:
    document = json.loads(cli("runtimes", "--json", "-").out)
    assert [s["name"] for s in document] == list(registry.entries())
    assert {"eager", "ort-cpu", "ort-cuda", "trt"} <= {s["name"] for s in document}
    for status in document:
        assert set(status) == {"name", "available", "version", "reason", "install"}
        assert status["available"] == (status["reason"] is None) == (status["install"] == "")
    shown = cli("runtimes").out
    assert "ort-cpu" in shown
    for status in document:
        if status["install"]:
            assert f": {status['install']}" in shown


def rewritten(source: Path, target: Path, name: str, content: bytes) -> Path:
    """Return a copy of a bundle in which one file has other bytes and the hash to fit them."""
    from spinn_edge.core.bundle import sha256_of

    shutil.copytree(source, target)
    (target / name).write_bytes(content)
    manifest = json.loads((target / "manifest.json").read_text())
    for entry in manifest["files"]:
        if entry["path"] == name:
            entry.update(sha256=sha256_of(target / name), bytes=len(content))
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


@pytest.mark.parametrize("runtime", ["all", "ort-cpu"])
def test_verify_of_a_file_that_cannot_be_opened_leaves_with_5(
    cli: Cli, exported: Path, tmp_path: Path, runtime: str
) -> None:
    broken = rewritten(exported, tmp_path / "b", "model.onnx", b"no graph")
    done = cli("verify", broken, "--runtime", runtime)
    assert done.code == 5
    assert "cannot be loaded by ONNX Runtime" in done.err


def test_verify_of_an_engine_of_another_version_leaves_with_5_and_names_both(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorrt_rtx")
    device = CudaDevice(name="a GPU", compute_capability="8.6", driver_version="13.0")

    def choose(bundle: Bundle, options: OpenOptions) -> EngineChoice:
        return choose_engine(bundle, options, find=lambda: device)  # the driver is asked first

    monkeypatch.setattr("spinn_edge.runtimes.trt.opening.choose_engine", choose)
    made = cli(
        *("export", trained, "--format", "trt", "--compute-capability", "SM86"),
        *("--out", tmp_path / "new"),
    )
    assert made.code == 0, made.err
    plan = bytearray((tmp_path / "new" / "model.sm86.engine").read_bytes())
    plan[24:28] = bytes([1, 2, 3, 4])
    old = rewritten(tmp_path / "new", tmp_path / "old", "model.sm86.engine", bytes(plan))
    text = (old / "manifest.json").read_text()
    installed = json.loads(text)["files"][-1]["toolchain"]["tensorrt_rtx"]
    (old / "manifest.json").write_text(text.replace(installed, "1.2.3.4"))

    done = cli("verify", old, "--runtime", "trt")

    assert done.code == 5
    assert "1.2.3.4" in done.err
    assert installed in done.err


def test_a_baseline_is_saved_and_compare_takes_it(cli: Cli, exported: Path, tmp_path: Path) -> None:
    stored = tmp_path / "base.json"
    measure = ("bench", exported, "--runtime", "ort-cpu", "--batch", "1", "--seconds", "0.01")
    done = cli(*measure, "--launches", "1", "--save-baseline", stored)
    assert done.code == 0
    assert f"wrote {stored}" in done.err
    fresh = tmp_path / "new.json"
    assert cli(*measure, "--launches", "1", "--json", fresh).code == 0
    compared = cli("compare", stored, fresh)
    assert compared.code == 0
    assert "too few launches" in compared.out


def test_a_baseline_replaces_nothing_that_is_no_result(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious.json"
    precious.write_text("[1, 2]")
    done = cli("bench", exported, "--runtime", "ort-cpu", "--save-baseline", precious)
    assert done.code == 2
    assert "timing" not in done.err
    assert precious.read_text() == "[1, 2]"
    assert cli("bench", exported, "--save-baseline", "-").code == 2
