"""Threads of torch are left as they were found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from gazekit.metrics import functional as F
from gazekit.metrics.functional.threads import one_thread


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_one_thread_ends_with_its_block_and_with_errors() -> None:
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with pytest.raises(ValueError, match="chunk must be at least 1"):
        F.dtw_px([[1, 2]], [[3, 4]], chunk=0)
    assert torch.get_num_threads() == 2
    assert one_thread()(torch.get_num_threads)() == 1


def test_comparisons_run_in_the_thread_that_calls(monkeypatch) -> None:
    seen = []
    path = [[10.0, 20.0], [30.0, 40.0]]
    check = F.pairs.pairs_at_once
    monkeypatch.setattr(
        F.pairs, "pairs_at_once", lambda *args: seen.append(torch.get_num_threads()) or check(*args)
    )
    F.dtw_px(path, path)
    assert seen == [1]
    assert torch.get_num_threads() == 2


def test_other_threads_keep_theirs() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(torch.get_num_threads).result() == 2
        with one_thread():
            assert pool.submit(torch.get_num_threads).result() == 2
