"""The notebooks run from the first cell to the last, store no output, and define nothing."""

import ast
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from graph.lake import Night

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def run_notebook(name: str, folder: Path) -> str:
    """Runs a notebook in `folder`; gives all the text that it put out."""
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=180, resources={"metadata": {"path": str(folder)}}).execute()
    said = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error"
            said.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(said)


@pytest.mark.parametrize("with_model", [True, False])
def test_a_night_is_read(
    made_night: Callable[..., Night], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_model: bool
) -> None:
    made_night(tmp_path / "lake", with_model=with_model)
    monkeypatch.setenv("RINGLIGHT_LAKE", str(tmp_path / "lake"))
    said = run_notebook("read_a_night", tmp_path)
    assert "the current one: 2026-03-31" in said
    assert ("c-farm: 8 accounts" if with_model else "c-chain: 70 accounts") in said


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_notebooks_hold_no_output_and_define_nothing(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
            defined = [
                node
                for node in ast.walk(ast.parse(cell.source))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda)
            ]
            assert defined == []
