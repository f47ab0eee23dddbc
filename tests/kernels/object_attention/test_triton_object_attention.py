"""The kernels against the reference: outputs and every gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from gazekit.kernels.object_attention import DisplacementBias, GaussianBias, LogDistanceBias, object_attention

pytest.importorskip("triton")

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
TOLERANCE = {torch.float32: 2e-5, torch.bfloat16: 3e-2}  # of the largest number of the tensor


def _inputs(b, h, m, n, d, dv, kind, dtype, device):
    g = torch.Generator().manual_seed(m * 1000 + n)
    q, k, v = (torch.randn(b, h, *s, generator=g).to(device, dtype) for s in ((m, d), (n, d), (n, dv)))
    query_xy, key_xy = torch.rand(b, m, 2, generator=g) * 4, torch.rand(b, n, 2, generator=g) * 4
    key_xy[:, 0] = query_xy[:, 0]  # a distance of 0
    number = torch.rand(h, generator=g) + 0.5
    if kind == "gaussian":
        bias = GaussianBias(query_xy.to(device), key_xy.to(device), number.to(device))
    elif kind == "log":
        bias = LogDistanceBias(query_xy.to(device), key_xy.to(device), number.to(device))
    elif kind == "tensor":
        bias = torch.randn(b, h, m, n, generator=g).to(device)
    elif kind == "row":
        bias = torch.randn(h, 1, n, generator=g).to(device)
    else:
        bias = None
    return q, k, v, bias, torch.randn(b, h, m, dv, generator=g), torch.randn(b, h, m, generator=g)


def _run(q, k, v, bias, weight, lse_weight, impl, **options):
    q, k, v = (x.detach().clone().requires_grad_() for x in (q, k, v))
    leaves = [q, k, v]
    if isinstance(bias, torch.Tensor):
        bias = bias.detach().clone().requires_grad_()
        leaves.append(bias)
    elif bias is not None:
        copies = {name: x.detach().clone().requires_grad_() for name, x in bias.tensors().items()}
        bias = replace(bias, **copies)
        leaves += copies.values()
    out, lse = object_attention(q, k, v, bias, impl=impl, return_lse=True, **options)
    loss = (out.float() * weight.to(out.device)).sum()
    loss = loss + (lse.masked_fill(lse.isinf(), 0) * lse_weight.to(lse.device)).sum()
    return [out, lse, *torch.autograd.grad(loss, leaves)]


def _compare(found, wanted, dtype):
    names = ["out", "lse", "dq", "dk", "dv", "dbias0", "dbias1", "dbias2"]
    for name, x, y in zip(names, found, wanted, strict=False):
        x, y = x.detach().float(), y.detach().float()
        assert torch.equal(x.isinf(), y.isinf()), name
        x, y = x.masked_fill(x.isinf(), 0), y.masked_fill(y.isinf(), 0)
        error = (x - y).abs().max() / y.abs().max().clamp(min=1)
        assert error <= TOLERANCE[dtype], (
            f"{name}: {float(error):.2e} of the largest {float(y.abs().max()):.3g}"
        )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["gaussian", "log", "tensor", "row", "none"])
@pytest.mark.parametrize("sizes", [(2, 2, 1, 15, 8, 8), (1, 2, 123, 64, 20, 17), (2, 1, 15, 123, 16, 16)])
def test_outputs_and_gradients(sizes, kind, device):
    inputs = _inputs(*sizes, kind, torch.float32, device)
    mask = torch.rand(sizes[0], sizes[3], generator=torch.Generator().manual_seed(0)).to(device) > 0.3
    mask[-1] = sizes[0] == 1  # nothing to see in the last of several
    _compare(_run(*inputs, "triton", mask=mask), _run(*inputs, "reference", mask=mask), torch.float32)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("kind", ["gaussian", "tensor"])
def test_causal_ragged_and_half(kind, device):
    for dtype in TOLERANCE:
        inputs = _inputs(2, 1, 79, 79, 16, 16, kind, dtype, device)
        options = {"causal": True, "lengths": torch.tensor([79, 30]), "scale": 0.4}
        _compare(_run(*inputs, "triton", **options), _run(*inputs, "reference", **options), dtype)


@pytest.mark.parametrize("device", DEVICES)
def test_what_arrives_at_the_lse_of_an_empty_row_goes_nowhere(device):
    q, k, v, bias, *_ = _inputs(2, 1, 3, 5, 4, 4, "gaussian", torch.float32, device)
    mask = torch.tensor([[True] * 5, [False] * 5], device=device)
    leaves = [x.requires_grad_() for x in (q, k, bias.sigma, bias.key_xy)]
    found, wanted = (
        torch.autograd.grad(
            object_attention(q, k, v, bias, mask=mask, return_lse=True, impl=impl)[1].square().sum(), leaves
        )
        for impl in ("triton", "reference")
    )
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_wide_heads_and_strided_inputs(device):
    q, k, v, bias, *weights = _inputs(1, 2, 33, 40, 80, 40, "log", torch.float32, device)
    strided = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in (q, k, v)]
    _compare(
        _run(*strided, bias, *weights, "triton"), _run(q, k, v, bias, *weights, "reference"), torch.float32
    )


def test_what_kernels_cannot_do():
    x = torch.zeros(1, 1, 2, 4)
    xy = torch.zeros(1, 2, 2)
    bias = DisplacementBias(xy, xy, torch.zeros(4, 3), torch.zeros(3), torch.zeros(3, 1), torch.zeros(1))
    with pytest.raises(ValueError, match="a DisplacementBias is computed outside the kernels"):
        object_attention(x, x, x, bias, impl="triton")
    wide = torch.zeros(1, 1, 2, 129)
    with pytest.raises(ValueError, match="heads are wider than 128: 129 and 4"):
        object_attention(wide, wide, x, impl="triton")
    assert object_attention(x, x[:, :, :0], x[:, :, :0], impl="triton").eq(0).all()
