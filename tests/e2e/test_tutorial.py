"""docs/tutorial.ipynb runs from top to bottom, and holds no figure of another machine."""

from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.tracing import untraced_environment

pytestmark = pytest.mark.slow
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.ipynb"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it runs."""
    return tmp_path_factory.mktemp("tutorial")


@pytest.fixture(scope="module")
def executed(folder: Path) -> list[nbformat.NotebookNode]:
    """The cells of code, run in a kernel of their own."""
    notebook = nbformat.read(TUTORIAL, as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(folder)}}
    ).execute(env=untraced_environment())
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def html_of(cells: list[nbformat.NotebookNode], source: str) -> str:
    """Return the HTML that the cell ending in ``source`` shows."""
    cell = next(cell for cell in cells if cell.source.splitlines()[-1] == source)
    return str(cell.outputs[-1].data["text/html"])


def test_it_is_kept_without_outputs():
    for cell in nbformat.read(TUTORIAL, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_no_cell_complains(executed):
    said = [
        output for cell in executed for output in cell.outputs if output.get("name") == "stderr"
    ]

    assert said == []


def test_a_result_shows_itself(executed):
    html = html_of(executed, "result")

    assert html.count("<table") >= 2
    assert "pruned beside dense" in html


def test_a_bundle_shows_itself(executed):
    html = html_of(executed, "bundle")

    assert "model.onnx" in html
    assert "non-zero parameters" in html


def test_it_ends_with_a_report_of_what_it_measured(executed, folder):
    page = (folder / "tutorial-output" / "report.html").read_text(encoding="utf-8")

    assert page.startswith("<!doctype html>")
    assert 'data-bundle="pruned"' in page
