"""The examples of docs/adding_a_model.md as files, and a shell in their folder."""

import os
import re
import subprocess
import sys
from pathlib import Path


def write_example(page: Path, folder: Path) -> None:
    """Each block below a line that is a file name in backquotes."""
    for name, text in re.findall(r"^`([\w./]+)`\n```\w+\n(.*?)^```", page.read_text(), re.S | re.M):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def gazekit(*args: str, cwd: Path, check: bool = True) -> subprocess.CompletedProcess:
    """`python -m gazekit` in a folder whose modules can be imported."""
    environment = os.environ | {"PYTHONPATH": str(cwd), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "gazekit", *args], cwd=cwd, env=environment, capture_output=True, text=True
    )
    if check:
        assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    return done
