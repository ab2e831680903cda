"""What README, docs and examples show must run; here without the launches."""

import re
import runpy
from pathlib import Path

import pytest

import spinn_edge

ROOT = Path(spinn_edge.__file__).parent.parent


def code_in(page):
    """Return the Python blocks of a page that are about models in memory, as one program."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)
    return "\n".join(block for block in blocks if "spinn_edge.bench import" in block)


@pytest.mark.parametrize(
    ("page", "files"),
    [("README.md", []), ("docs/python.md", ["pruned-benchmark.json", "report.md"])],
)
def test_code_of_the_page_runs(page, files, asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(code_in(page), page, "exec"), {})
    assert "pruned beside dense" in capsys.readouterr().out
    assert [contender.label for contender in asked[0][0]] == ["dense", "pruned"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == files


def test_example_compares_and_writes_a_report(asked, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "examples/compare_models.py"), run_name="__main__")
    assert "narrow beside dense" in capsys.readouterr().out
    assert "Recommendations" in (tmp_path / "comparison.md").read_text()
