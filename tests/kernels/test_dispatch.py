"""Which form of an operator runs."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from gazekit.kernels import dispatch
from gazekit.kernels.alignment import edit_distance, warping_cost
from gazekit.kernels.attention_rows import attention_rows, attention_with_rows
from gazekit.kernels.boxes import nms, pairwise_iou
from gazekit.kernels.dispatch import use_triton
from gazekit.kernels.foveate import foveate
from gazekit.kernels.object_attention import GaussianBias, object_attention
from gazekit.kernels.pointer import pointer_log_prob
from gazekit.kernels.roi_align import roi_align

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


def calls_with_lists() -> dict:
    x, rows, length = torch.zeros(1, 1, 2, 4), torch.zeros(1, 1, dtype=torch.long), torch.ones(1).long()
    there, points = torch.ones(1, 1, dtype=torch.bool), torch.zeros(1, 3, 2)
    boxes, image = torch.zeros(2, 4), torch.zeros(1, 1, 4, 4)
    return {
        "key": lambda: object_attention(x, x.numpy(), x),
        "mask": lambda: object_attention(x, x, x, mask=[[True, True]]),
        "sigma": lambda: GaussianBias(points, points, 2.0),
        "rows": lambda: attention_rows(x, x, [[0]]),
        "value": lambda: attention_with_rows(x, x, x.tolist(), rows),
        "object_mask": lambda: pointer_log_prob(x, x, torch.ones(2), there.numpy(), True),
        "features": lambda: roi_align(image.numpy(), [boxes], (7, 7)),
        "boxes_px": lambda: roi_align(image, [boxes.numpy()], (7, 7)),
        "scores": lambda: nms(boxes, [0.1, 0.2], 0.5),
        "a_px": lambda: pairwise_iou(boxes.numpy(), boxes),
        "image": lambda: foveate(image.numpy(), torch.zeros(1, 1, 2), 10.0),
        "fixation_xy_px": lambda: foveate(image, [[[1.0, 1.0]]], 10.0),
        "cost": lambda: warping_cost(image[0].numpy(), length, length),
        "a": lambda: edit_distance([[1, 2]], rows, length, length),
    }


@pytest.mark.parametrize("name", calls_with_lists())
def test_what_is_no_tensor_is_named(name) -> None:
    with pytest.raises(
        TypeError,
        match=f"^{name} must be a torch tensor, got (ndarray|list|float): convert it with torch.as_tensor",
    ):
        calls_with_lists()[name]()
