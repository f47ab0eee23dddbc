"""The Triton kernels of pointing against plain torch: losses and every gradient."""

from __future__ import annotations

import pytest
import torch

from gazekit.kernels.pointer import pointer_nll

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
# times the largest entry, or 1
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 3e-2}
SIZES = [  # rows, objects, heads, depth
    (1, 1, 1, 1),
    (15, 64, 2, 15),
    (64, 15, 3, 5),
    (3, 123, 1, 64),
    (17, 0, 2, 4),
]


def inputs(r, n, h, d):
    g = torch.Generator().manual_seed(r)
    query, key = torch.randn(2, r, h, d, generator=g), torch.randn(2, n + 1, h, d, generator=g)
    mix, bias = torch.randn(h, generator=g), torch.randn(2, r, n + 1, generator=g)
    mask = torch.rand(2, n, generator=g) < 0.6
    mask[1] = False  # a scene of padding: only STOP, and at the start nothing, is allowed
    mask[0, :1] = True
    start = torch.arange(r) == 0
    target = torch.randint(-1, n + 1, (2, r), generator=g)  # some of them forbidden
    return [query, key, mix, bias], mask, start, target


def compare(leaves, mask, start, target, dtype, device, biased=True):
    """Triton in the given dtype beside the reference in float64 on the same numbers."""
    leaves = leaves if biased else leaves[:3]
    given = [x.to(device, dtype).requires_grad_() for x in leaves]
    exact = [x.detach().to("cpu", torch.float64).requires_grad_() for x in given]

    def loss(x, impl):
        more = [t.to(x[0].device) for t in (mask, start, target)]
        return pointer_nll(*x[:3], *more, *x[3:], impl=impl)

    ours, wanted = loss(given, "triton"), loss(exact, "reference")
    upstream = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    mine = torch.autograd.grad(ours, given, upstream.to(device))
    theirs = torch.autograd.grad(wanted, exact, upstream.double())
    names = ("loss", "query", "key", "mix", "bias")[: len(leaves) + 1]
    for name, a, b in zip(names, (ours, *mine), (wanted, *theirs), strict=True):
        assert a.shape == b.shape and a.dtype == dtype, name
        finite = b[b.isfinite()].abs()
        bound = TOLERANCE[dtype] * max(1.0, finite.max().item() if finite.numel() else 1.0)
        torch.testing.assert_close(
            a.detach().cpu().double(), b.detach(), atol=bound, rtol=0, equal_nan=True,
            msg=lambda text, name=name: f"{name}: {text}",
        )  # fmt: skip


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("sizes", SIZES)
def test_losses_and_gradients(sizes, dtype, device) -> None:
    compare(*inputs(*sizes), dtype, device)


@pytest.mark.parametrize("device", DEVICES)
def test_no_bias_padding_strides_and_nothing(device) -> None:
    leaves, mask, start, target = inputs(5, 9, 2, 4)
    compare(leaves, mask, start, target, torch.float32, device, biased=False)
    compare(leaves, mask, start, torch.full_like(target, -1), torch.float32, device)
    turned = [*(x.transpose(1, 2).contiguous().transpose(1, 2) for x in leaves[:2]), leaves[2]]
    turned.append(leaves[3].transpose(1, 2).contiguous().transpose(1, 2))
    compare(turned, mask, torch.rand(2, 5) < 0.5, target, torch.float32, device)
    nothing = [leaves[0][:, :0], leaves[1], leaves[2], leaves[3][:, :0]]
    compare(nothing, mask, start[:0], target[:, :0], torch.float32, device)


@pytest.mark.parametrize("device", DEVICES)
def test_an_infinite_bias_forbids(device) -> None:
    leaves, mask, start, target = inputs(5, 20, 2, 4)
    leaves[3][0, 1] = leaves[3][0, 2:, ::3] = -torch.inf  # a whole row, and every third object
    compare(leaves, mask, start, torch.where(target < 0, 3, target), torch.float32, device)


@pytest.mark.gpu
def test_more_scenes_than_a_second_grid_axis_holds() -> None:
    leaves = [torch.zeros(70_000, n, 1, 1, device="cuda") for n in (1, 2)]
    mask, target = torch.ones(70_000, 1, device="cuda") > 0, torch.zeros(70_000, 1, device="cuda").long()
    loss = pointer_nll(*leaves, torch.ones(1, device="cuda"), mask, False, target, impl="triton")
    torch.testing.assert_close(loss, torch.full_like(loss, 2).log())


@pytest.mark.parametrize("device", DEVICES)
def test_large_scores_do_not_overflow(device) -> None:
    leaves, mask, start, target = inputs(5, 70, 2, 4)
    compare([100 * leaves[0], *leaves[1:]], mask, start, target, torch.float32, device)
