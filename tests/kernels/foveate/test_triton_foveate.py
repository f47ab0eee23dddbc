"""Triton against the reference, results and every gradient: interpreted on the CPU, compiled under the marker `gpu`."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gazekit.kernels.foveate import blend_levels, eccentric_avg_pool2d, foveate

pytest.importorskip("triton")

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
TOLERANCE = {torch.float32: 2e-6, torch.bfloat16: 2e-2, torch.float16: 2e-3}


@pytest.fixture(params=DEVICES)
def device(request):
    if request.param == "cpu" and torch.cuda.is_available():
        pytest.skip("kernels are compiled here, not interpreted")
    return request.param


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def results(run, inputs: list[Tensor], impl: str) -> list[Tensor]:
    leaves = [value.detach().clone().requires_grad_() for value in inputs]
    out = run(*leaves, impl)
    out.backward(uniform(*out.shape, seed=9).to(out))
    return [out.detach().float(), *(leaf.grad.float() for leaf in leaves)]


def compare(run, inputs: list[Tensor], dtype: torch.dtype) -> None:
    """Half precision against single precision of the same numbers."""
    exact = [value.float() for value in inputs]
    wanted, found = results(run, exact, "reference"), results(run, inputs, "triton")
    for want, have in zip(wanted, found, strict=True):
        scale = want.abs().max().clamp_min(1) if want.numel() else 1
        torch.testing.assert_close(have / scale, want / scale, atol=TOLERANCE[dtype], rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "sizes",
    [(1, 2, 1, 1, 1, 1), (2, 3, 4, 2, 15, 13), (1, 6, 2, 3, 64, 9), (1, 5, 1, 1, 123, 5), (2, 3, 0, 1, 4, 4)],
)
def test_blend(sizes, dtype, device):
    batch, levels, pictures, channels, height, width = sizes
    stack = uniform(batch, levels, channels, height, width).to(device, dtype)
    level = (uniform(batch, pictures, height, width, seed=1) * (levels + 1) - 1).to(
        device
    )  # clipped at both ends
    compare(blend_levels, [stack, level], dtype)


@pytest.mark.gpu
def test_more_pictures_than_a_grid_s_second_axis_holds():
    stack, level = uniform(3, 2, 1, 2, 3).cuda(), 2 * uniform(3, 25_000, 2, 3, seed=1).cuda()
    compare(blend_levels, [stack, level], torch.float32)


def test_blend_of_strided_inputs(device):
    stack = uniform(6, 7, 2, 3, 1).to(device).permute(4, 3, 2, 1, 0)
    level = (uniform(6, 7, 2, 1).to(device) * 2).permute(3, 2, 1, 0)
    compare(blend_levels, [stack, level], torch.float32)


def test_foveate_reaches_image_and_fixation(device):
    inputs = [uniform(2, 3, 21, 18).to(device), (uniform(2, 2, 2, seed=1) * 20).to(device)]
    compare(lambda x, xi, impl: foveate(x, xi, 50.0, levels=3, impl=impl), inputs, torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize(
    "sizes",
    [
        (1, 1, 1, 1, 1),
        (2, 5, 15, 12, 7),
        (1, 3, 16, 9, 14),
        (1, 2, 5, 6, 17),
        (1, 1, 123, 4, 3),
        (0, 2, 4, 4, 2),
    ],
)
def test_pool(sizes, dtype, device):
    batch, channels, height, width, largest = sizes
    shape = (batch, (height + 1) // 2, (width + 1) // 2)
    window = torch.randint(1, largest + 1, shape, generator=torch.Generator().manual_seed(0)).to(device)
    image = uniform(batch, channels, height, width).to(device, dtype)
    compare(lambda x, impl: eccentric_avg_pool2d(x, window, impl), [image], dtype)


def test_pool_of_strided_images_with_shared_windows(device):
    image = uniform(9, 6, 3, 2).to(device).permute(3, 2, 1, 0)
    window = (
        torch.randint(1, 6, (1, 5, 3), generator=torch.Generator().manual_seed(0)).to(device).transpose(1, 2)
    )
    compare(lambda x, impl: eccentric_avg_pool2d(x, window, impl), [image], torch.float32)


def test_double_precision_is_refused(device):
    with pytest.raises(ValueError, match="impl='triton' cannot run here: it takes float16"):
        eccentric_avg_pool2d(torch.rand(1, 1, 4, 4).double().to(device), torch.full((1, 2, 2), 2), "triton")
    with pytest.raises(ValueError, match="windows of 33 pixels; the kernel is for up to 32"):
        eccentric_avg_pool2d(torch.rand(1, 1, 4, 4).to(device), torch.full((1, 2, 2), 33), "triton")
