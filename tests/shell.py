"""`gazekit` as typed in a shell, in this process: starting another one takes seconds."""

import contextlib
import io
import subprocess
from pathlib import Path

from gazekit.cli import main

__all__ = ["run_here"]


def run_here(*args, cwd: Path, check: bool = True) -> subprocess.CompletedProcess:
    """Run a command line in a folder; what it printed and its exit status."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main([*map(str, args)]) or 0
        except SystemExit as left:
            status = left.code or 0
    assert status == 0 or not check, err.getvalue()[-3000:]
    return subprocess.CompletedProcess(args, status, out.getvalue(), err.getvalue())
