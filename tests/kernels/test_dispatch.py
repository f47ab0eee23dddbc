"""Which form of an operator runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from gazekit.kernels import dispatch
from gazekit.kernels.dispatch import use_triton

CPU = torch.zeros(2)


def test_auto_takes_plain_torch_on_the_cpu() -> None:
    assert not use_triton("auto", CPU)
    assert not use_triton("reference", CPU)


def test_who_asks_for_triton_gets_it_or_an_error(monkeypatch) -> None:
    with pytest.raises(ValueError, match="impl must be 'auto', 'reference' or 'triton', got 'cuda'"):
        use_triton("cuda", CPU)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert use_triton("triton", CPU)
    with pytest.raises(ValueError, match=r"it takes float16, bfloat16 and float32, got torch\.float64"):
        use_triton("triton", CPU.double())
    with pytest.raises(ValueError, match="cannot run here: heads of 300"):
        use_triton("triton", CPU, unfit="heads of 300")
    monkeypatch.delenv("TRITON_INTERPRET")
    with pytest.raises(ValueError, match="needs tensors on one CUDA device, got cpu"):
        use_triton("triton", CPU)
    monkeypatch.setattr(dispatch, "_has_triton", lambda: False)
    with pytest.raises(ValueError, match="triton is not installed"):
        use_triton("triton", CPU)


def test_two_devices_of_a_kind_are_two(monkeypatch) -> None:
    monkeypatch.setattr(dispatch, "_has_triton", lambda: True)
    two = [SimpleNamespace(device=torch.device("cuda", i), dtype=torch.float32) for i in range(2)]
    assert use_triton("auto", two[0])
    assert not use_triton("auto", *two)
    with pytest.raises(ValueError, match="on one CUDA device, got cuda:0, cuda:1"):
        use_triton("triton", *two)


@pytest.mark.gpu
def test_auto_takes_triton_on_a_gpu() -> None:
    assert use_triton("auto", CPU.cuda())
    assert not use_triton("auto", CPU.double().cuda())
    assert not use_triton("auto", CPU.cuda(), unfit="heads of 300")
