"""Translates options that errors and notes name in Python syntax into shell syntax."""

from __future__ import annotations

import re

__all__ = ["in_shell"]

_OPTIONS = {
    r'\b(truncated|clock|eyes)="(\w+)"': r"--read \1=\2",
    r"\bsize_px=\(width, height\)": "--read size_px=WxH",
    r"\b(segment|origin|stream)=\.\.\.": r"--read \1=...",
    r"\bcolumns=\{\.\.\.\}": "--format table --read 'columns={...}' (an example: gazekit recording --help)",
    r"\bformat=\.\.\.": "--format",
    r"\bscreen=Screen\([\w, ]*\)": "--screen WxH --width-cm CM --distance-cm CM",
}


def in_shell(text: str) -> str:
    """A sentence rewritten for users of `gazekit recording`.

    >>> in_shell('the file is cut off; truncated="keep" reads the intact part')
    'the file is cut off; --read truncated=keep reads the intact part'
    """
    for python, shell in _OPTIONS.items():
        text = re.sub(python, shell, text)
    return text
