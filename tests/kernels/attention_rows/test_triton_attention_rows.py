"""The Triton kernels of attention rows against plain torch: values and every gradient."""

from __future__ import annotations

import pytest
import torch

from gazekit.kernels.attention_rows import attention_rows

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
# absolute, relative: of values of order 1 and sums of some of them
TOLERANCE = {torch.float32: (2e-5, 1e-4), torch.bfloat16: (3e-2, 3e-2)}
SIZES = [  # heads, queries, keys, depth, rows, regions
    (1, 1, 1, 1, 1, 1),
    (2, 15, 123, 15, 40, 17),
    (1, 64, 64, 64, 64, 3),
    (2, 123, 65, 8, 1, 1),
    (1, 7, 130, 32, 15, None),
    (2, 123, 15, 16, 64, None),
]


def compare(leaves, rows, dtype, device, scale=0.4):
    """Triton in the given dtype beside the reference in float64 on the same numbers."""
    given = [None if x is None else x.to(device, dtype).requires_grad_() for x in leaves]
    exact = [None if x is None else x.detach().to("cpu", torch.float64).requires_grad_() for x in given]
    ours = attention_rows(*given[:2], rows.to(device), *given[2:], scale=scale, impl="triton")
    wanted = attention_rows(*exact[:2], rows, *exact[2:], scale=scale, impl="reference")
    upstream = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    assert ours.dtype == dtype
    mine = torch.autograd.grad(ours, [x for x in given if x is not None], upstream.to(device))
    theirs = torch.autograd.grad(wanted, [x for x in exact if x is not None], upstream.double())
    absolute, relative = TOLERANCE[dtype]
    for name, a, b in zip(
        ("output", "query", "key", "weight"), (ours, *mine), (wanted, *theirs), strict=False
    ):
        assert a.shape == b.shape and a.dtype == dtype, name
        bound = absolute * max(1.0, b.abs().max().item() if b.numel() else 1.0)
        torch.testing.assert_close(a.detach().cpu().double(), b.detach(), atol=bound, rtol=relative, msg=name)


def inputs(h, n, k, d, m, p):
    g = torch.Generator().manual_seed(n)
    query, key = torch.randn(2, h, n, d, generator=g), torch.randn(2, h, k, d, generator=g)
    weight = None if p is None else torch.randn(2, p, m, generator=g)
    return [query, key, weight], torch.randint(-1, n, (2, m), generator=g)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", list(TOLERANCE))
@pytest.mark.parametrize("sizes", SIZES)
def test_values_and_gradients(sizes, dtype, device) -> None:
    compare(*inputs(*sizes), dtype, device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("p", [17, None])
def test_one_program_goes_over_all_keys(p, device, monkeypatch) -> None:
    from gazekit.kernels.attention_rows import triton

    monkeypatch.setattr(triton, "WANTED_PROGRAMS", 1)  # few keys are else split, one block to a program
    compare(*inputs(2, 9, 150, 8, 18, p), torch.float32, device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("p", [2, None])
def test_padding_strides_and_nothing(p, device) -> None:
    (query, key, weight), rows = inputs(2, 5, 9, 4, 6, p)
    compare([query, key, weight], torch.full_like(rows, -1), torch.float32, device)
    turned = [query, key.transpose(2, 3).contiguous().transpose(2, 3), weight]
    compare(turned, rows, torch.float32, device)
    turned = [query, key.transpose(1, 2).contiguous().transpose(1, 2), weight]
    compare(turned, rows, torch.float32, device)
    compare([query, key, None if p is None else weight[..., :0]], rows[:, :0], torch.float32, device)
    compare([query, key[:, :, :0], weight], rows, torch.float32, device)


@pytest.mark.gpu
def test_more_heads_than_a_second_grid_axis_holds() -> None:
    query = torch.zeros(70_000, 1, 2, 4, device="cuda", requires_grad=True)
    rows = torch.zeros(70_000, 1, device="cuda", dtype=torch.long)
    ours = attention_rows(query, query, rows, impl="triton")
    assert ours.eq(0.5).all()
    assert torch.autograd.grad(ours.sum(), query)[0].eq(0).all()


@pytest.mark.parametrize("device", DEVICES)
def test_large_logits_do_not_overflow(device) -> None:
    (query, key, weight), rows = inputs(1, 5, 70, 4, 6, 1)
    given = [x.to(device).requires_grad_() for x in (30 * query, 30 * key, weight)]
    ours = attention_rows(*given[:2], rows.to(device), given[2], impl="triton")
    wanted = attention_rows(*given[:2], rows.to(device), given[2], impl="reference")
    torch.testing.assert_close(ours, wanted, atol=1e-4, rtol=1e-4)
    assert all(x.isfinite().all() for x in torch.autograd.grad(ours.sum(), given))
