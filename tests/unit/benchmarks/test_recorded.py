"""What results are called and what is in them."""

import json
from dataclasses import replace

import pytest

from tests.unit.report.results import ENVIRONMENT


@pytest.fixture
def recorded(program):
    return program("recorded")


@pytest.mark.parametrize(
    ("cpu", "cores", "name"),
    [
        ("Intel(R) Xeon(R) Processor @ 2.60GHz", 2, "Intel Xeon Processor, 2 cores"),
        ("AMD EPYC 9654", 1, "AMD EPYC 9654, 1 core"),
        ("", 4, "unknown CPU, 4 cores"),
    ],
)
def test_a_machine_is_called_after_its_processor(recorded, cpu, cores, name):
    assert recorded.machine_name(replace(ENVIRONMENT, cpu=cpu, cores=cores)) == name


def test_a_file_is_called_after_program_and_machine(recorded):
    assert recorded.file_stem("gpu", "NVIDIA RTX(TM) 9000 ") == "gpu-nvidia-rtx-tm-9000"


@pytest.mark.parametrize(
    ("met", "word"), [(True, "met"), (False, "MISSED"), (None, "not measured")]
)
def test_a_figure_says_whether_it_was_met(recorded, met, word):
    figure = recorded.Figure(name="A/A", wanted="≤ 1", measured="0", met=met)
    *_, line = recorded.figures_table([figure])
    assert line == f"| A/A | ≤ 1 | 0 | {word} |"


def test_raw_samples_become_their_number(recorded):
    rows = [{"median_s": 2.0, "samples_s": [1.0, 2.0, 3.0], "upload_samples_s": []}]
    assert recorded.without_samples(rows) == [
        {"median_s": 2.0, "samples_taken": 3, "upload_samples_taken": 0}
    ]
    assert rows[0]["samples_s"] == [1.0, 2.0, 3.0], "the caller's rows stay as they are"


def test_versions_of_others_and_advice_stand_beside_the_machine(recorded):
    text = "\n".join(recorded.machine_lines(ENVIRONMENT, ["End *that*"], {"openvino": "2026.4.1"}))
    assert ENVIRONMENT.cpu in text
    assert "openvino 2026.4.1" in text
    assert "- End \\*that\\*" in text


def test_document_and_page_are_written_side_by_side(recorded, tmp_path, capsys):
    out = tmp_path / "new" / "results"
    figure = recorded.Figure(name="p99", wanted="5 ×", measured="5 ×", met=True)
    recorded.write_recorded(out, "harness", "A CPU, 2 cores", {"figures": [figure]}, ["# Title"])
    assert json.loads((out / "harness-a-cpu-2-cores.json").read_text())["figures"] == [
        {"name": "p99", "wanted": "5 ×", "measured": "5 ×", "met": True}
    ]
    assert (out / "harness-a-cpu-2-cores.md").read_text() == "# Title\n"
    assert "harness-a-cpu-2-cores" in capsys.readouterr().out
