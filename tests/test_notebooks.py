"""The notebooks run from top to bottom, with tiny settings."""

import nbformat
import pytest
from nbclient import NotebookClient


@pytest.mark.filterwarnings("ignore")  # of the Jupyter machinery
def test_oat_notebook_runs(repo_root, monkeypatch):
    monkeypatch.setenv("GAZEKIT_TINY", "1")
    notebook = nbformat.read(repo_root / "notebooks" / "oat.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(repo_root / "notebooks"))
    pictures = [o for c in notebook.cells for o in c.get("outputs", []) if "image/png" in o.get("data", {})]
    tables = [o for c in notebook.cells for o in c.get("outputs", []) if "| observer" in o.get("text", "")]
    assert len(pictures) == 3
    assert len(tables) == 1
