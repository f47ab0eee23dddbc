"""The notebooks run from top to bottom, with tiny settings."""

import nbformat
import pytest
from nbclient import NotebookClient


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the Jupyter machinery
@pytest.mark.parametrize(
    ("name", "pictures", "in_table"),
    [
        ("oat", 3, "| observer"),
        ("metrics", 4, "| multimatch.vector"),
        ("eeg_and_gaze", 4, "| fixation | deconvolution"),
    ],
)
def test_notebooks_run(repo_root, monkeypatch, name, pictures, in_table):
    monkeypatch.setenv("GAZEKIT_TINY", "1")
    notebook = nbformat.read(repo_root / "notebooks" / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3").execute(cwd=str(repo_root / "notebooks"))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == pictures
    assert sum(in_table in output.get("text", "") for output in outputs) == 1
