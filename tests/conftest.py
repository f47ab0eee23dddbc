"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
import torch

# Triton kernels are tested on the CPU in Triton's interpreter. It has to be asked for before Triton is first imported,
# by whichever test or library comes first: Lightning does.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

if "PYTEST_XDIST_WORKER" in os.environ:  # these share the cores, one thread each, as those that they start
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)


def pytest_collection_finish() -> None:
    """What was imported to collect the tests stays: no collection of garbage needs to look at it again."""
    gc.freeze()


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The checkout."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data(repo_root: Path) -> Path:
    """Folder of the real recordings: `$GAZEKIT_SHARED/data`, else `shared/data` beside the checkout.

    Without it the test is skipped, or fails where `CI=true` promises that it is there.
    """
    folder = Path(os.environ.get("GAZEKIT_SHARED", repo_root.parent / "shared")) / "data"
    if not folder.is_dir():
        reason = f"real recordings not found at {folder}; set GAZEKIT_SHARED to the folder that holds data/"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
