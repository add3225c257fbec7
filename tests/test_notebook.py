"""The notebook runs from its first cell to its last, on the shipped model, in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "lstm-from-the-inside.ipynb"


def test_the_notebook_is_kept_without_results() -> None:
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")


def test_every_cell_of_the_notebook_runs_and_shows_something() -> None:
    pytest.importorskip("ipykernel", reason="needs the extra notebook: pip install 'melody[notebook]'")
    nbclient = pytest.importorskip("nbclient", reason="needs the extra notebook: pip install 'melody[notebook]'")
    nbformat = pytest.importorskip("nbformat", reason="needs the extra notebook: pip install 'melody[notebook]'")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    shown = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.outputs]
    assert len(shown) >= 12
    assert not [out for cell in shown for out in cell.outputs if out.output_type == "error" or out.get("name") == "stderr"]
