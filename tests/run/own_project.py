"""The examples of docs/adding_a_model.md as files."""

import re
from pathlib import Path

__all__ = ["write_example"]


def write_example(page: Path, folder: Path) -> None:
    """Each block below a line that is a file name in backquotes."""
    for name, text in re.findall(r"^`([\w./]+)`\n```\w+\n(.*?)^```", page.read_text(), re.S | re.M):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
