"""Pointing against loops and `masked_log_softmax`, its derivatives, its edges and its errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazekit.kernels.pointer import blocks, pointer_log_prob, pointer_nll
from gazekit.scanpaths.model import masked_log_softmax

FORMS = ("reference", "auto")


@pytest.fixture(autouse=True, params=["one block", "many blocks"])
def _block(request, monkeypatch) -> None:
    """Losses whose scores fit one block go another way."""
    if request.param == "many blocks":
        monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 1)


def inputs(b=2, r=5, n=7, h=2, d=3, dtype=torch.float64, seed=0):
    """query, key, mix, object_mask, at_start and, apart, target and bias."""
    g = torch.Generator().manual_seed(seed)
    query = torch.randn(b, r, h, d, generator=g, dtype=dtype)
    key = torch.randn(b, n + 1, h, d, generator=g, dtype=dtype)
    mix = torch.randn(h, generator=g, dtype=dtype)
    bias = torch.randn(b, r, n + 1, generator=g, dtype=dtype)
    mask = torch.rand(b, n, generator=g) < 0.7
    mask[:, :1] = True
    start = torch.arange(r) == 0
    target = torch.randint(-1, 1, (b, r), generator=g)
    target[:, 1:] = torch.where(
        target[:, 1:] < 0, target[:, 1:], n * torch.randint(0, 2, (b, 1), generator=g)
    )
    return (query, key, mix, mask, start), target, bias


def looped(query, key, mix, mask, start, bias):
    """[B, R, N + 1] by the formula, one number after the other."""
    (b, r, h, d), n = query.shape, key.shape[1] - 1
    out = np.full((b, r, n + 1), -np.inf)
    for i in range(b):
        for j in range(r):
            for k in range(n + 1):
                if mask[i, k] if k < n else not start[j]:
                    dots = [float(mix[a] * (query[i, j, a] @ key[i, k, a])) for a in range(h)]
                    out[i, j, k] = sum(dots) / d**0.5 + float(bias[i, j, k])
            out[i, j] -= np.log(np.exp(out[i, j]).sum())
    return out


@pytest.mark.parametrize("impl", FORMS)
def test_log_probabilities_and_losses_by_loops(impl) -> None:
    given, target, bias = inputs()
    by_hand = looped(*given, bias)
    np.testing.assert_allclose(pointer_log_prob(*given, bias, impl=impl).numpy(), by_hand, atol=1e-12)
    loss = pointer_nll(*given, target, bias, impl=impl)
    for i in range(2):
        for j in range(5):
            t = int(target[i, j])
            assert loss[i, j].item() == pytest.approx(0.0 if t < 0 else -by_hand[i, j, t], abs=1e-12)


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("start", [True, False, None])
def test_is_the_masked_log_softmax_of_the_scores(impl, start) -> None:
    (query, key, mix, mask, first), _, bias = inputs()
    start = first if start is None else start
    scores = torch.einsum("brhd,bnhd,h->brn", query, key, mix) / 3**0.5 + bias
    ours = pointer_log_prob(query, key, mix, mask, start, bias, impl=impl)
    torch.testing.assert_close(ours, masked_log_softmax(scores, mask, start))


def test_each_row_may_have_its_own_start() -> None:
    (query, key, mix, mask, _), _, _ = inputs()
    start = torch.rand(2, 5) < 0.5
    ours = pointer_log_prob(query, key, mix, mask, start)
    assert torch.equal(ours[..., -1] == -torch.inf, start)


@pytest.mark.parametrize("r,n", [(1, 1), (15, 64), (64, 15), (123, 3)])
def test_losses_are_those_of_the_log_probabilities(r, n) -> None:
    given, target, bias = inputs(r=r, n=n)
    leaves = [x.requires_grad_() for x in (*given[:3], bias)]
    upstream = torch.randn(2, r, dtype=torch.float64)
    ours, full = (pointer_nll(*given, target, bias, impl=impl) for impl in ("auto", "reference"))
    torch.testing.assert_close(ours, full)
    mine, theirs = (torch.autograd.grad(x, leaves, upstream) for x in (ours, full))
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("biased", [True, False])
def test_gradcheck(impl, biased) -> None:
    steps = 17 if impl == "auto" else 4  # blocks take 16 rows at the least
    (query, key, mix, mask, start), target, bias = inputs(r=steps, n=4, d=2)
    leaves = [x.requires_grad_() for x in (query, key, mix, bias)][: 4 if biased else 3]

    def loss(q, k, m, *more):
        return pointer_nll(q, k, m, mask, start, target, *more, impl=impl)

    def probability(q, k, m, *more):
        return pointer_log_prob(q, k, m, mask, False, *more, impl=impl).exp()

    assert torch.autograd.gradcheck(loss, leaves)
    assert torch.autograd.gradcheck(probability, [x[:, :1].detach().requires_grad_() if x.dim() > 2 and
        x.shape[1] == steps else x for x in leaves])  # fmt: skip


@pytest.mark.parametrize("impl", FORMS)
def test_padding_forbidden_targets_and_nothing_allowed(impl) -> None:
    (query, key, mix, mask, _), _, bias = inputs(b=1, r=4)
    mask[:] = torch.tensor([True, True, False, True, False, True, True])
    leaves = [x.requires_grad_() for x in (query, key, mix, bias)]
    start = torch.tensor([True, False, False, True])
    target = torch.tensor([[7, 2, -1, -1]])  # STOP at the start, an absent object, no step, no step
    loss = pointer_nll(*leaves[:3], mask, start, target, bias, impl=impl)
    assert loss.tolist() == [[torch.inf, torch.inf, 0.0, 0.0]]
    wanted = pointer_log_prob(*leaves[:3], mask, start, bias).exp().detach()
    wanted[:, 2:] = 0  # padding moves nothing
    gradient = torch.autograd.grad(loss, leaves, torch.ones_like(loss))
    torch.testing.assert_close(gradient[3], wanted)
    assert all(x.isfinite().all() for x in gradient)
    nobody = torch.zeros_like(mask)
    loss = pointer_nll(*leaves[:3], nobody, start, torch.tensor([[0, 7, 7, -1]]), bias, impl=impl)
    assert loss.isnan().tolist() == [[True, False, False, False]]
    assert loss[0, 1:].tolist() == [0.0, 0.0, 0.0]  # STOP is all that is left
    assert all((x == 0).all() for x in torch.autograd.grad(loss, leaves, torch.ones_like(loss)))
    assert pointer_log_prob(*leaves[:3], nobody, start, bias, impl=impl)[0, 0].isnan().all()


@pytest.mark.parametrize("impl", FORMS)
def test_an_infinite_bias_forbids(impl) -> None:
    (query, key, mix, _, _), _, bias = inputs(b=1, r=4, n=3)
    all_there, target = torch.ones(1, 3, dtype=torch.bool), torch.tensor([[0, 1, 2, 3]])
    bias[0, 0] = bias[0, 1, 1] = bias[0, 2, 0] = -torch.inf  # all; the target; another
    leaves = [x.requires_grad_() for x in (query, key, mix, bias)]
    loss = pointer_nll(*leaves[:3], all_there, False, target, bias, impl=impl)
    assert loss[0, 0].isnan() and loss[0, 1] == torch.inf and loss[0, 2:].isfinite().all()
    gradients = torch.autograd.grad(loss, leaves, torch.ones_like(loss))
    assert all(x.isfinite().all() for x in gradients)
    wanted = pointer_log_prob(*leaves[:3], all_there, False, bias, impl=impl).detach().exp()
    wanted[0, 0] = 0  # nothing allowed moves nothing
    wanted[0, [2, 3], [2, 3]] -= 1
    torch.testing.assert_close(gradients[3], wanted)


@pytest.mark.parametrize("impl", FORMS)
def test_autocast_and_wider_parameters(impl) -> None:
    (query, key, mix, mask, start), target, bias = inputs(dtype=torch.float32)
    wanted = pointer_nll(query, key, mix, mask, start, target, bias)
    leaves = [x.requires_grad_() for x in (query.bfloat16(), key.bfloat16(), mix, bias)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        single = pointer_nll(query, key, mix, mask, start, target, bias, impl=impl)
        half = pointer_nll(*leaves[:3], mask, start, target, leaves[3], impl=impl)
        gradients = torch.autograd.grad(half.sum(), leaves)
        torch.autograd.grad(single.sum(), [mix, bias])
    torch.testing.assert_close(single, wanted)
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), wanted, rtol=0.1, atol=0.1)
    assert [x.dtype for x in gradients] == [x.dtype for x in leaves]


@pytest.mark.parametrize("impl", FORMS)
def test_no_depth_points_everywhere_alike(impl) -> None:
    (query, key, mix, _, _), target, _ = inputs()
    loss = pointer_nll(query[..., :0], key[..., :0], mix, torch.ones(2, 7) > 0, False, target * 0, impl=impl)
    torch.testing.assert_close(loss, torch.full_like(loss, 8).log())


@pytest.mark.parametrize("impl", FORMS)
def test_nothing_there(impl) -> None:
    for b, r, n in ((0, 5, 7), (2, 0, 7), (2, 5, 0)):
        given, target, bias = inputs(b=b, r=r, n=n) if n else inputs(b=b, r=r, n=1)
        if not n:
            query, key, mix, mask, start = given
            given, bias = (query, key[:, 1:], mix, mask[:, 1:], start), bias[..., 1:]
            target = torch.full((b, r), -1)
            target[:, 1:] = 0  # STOP
        leaves = [x.requires_grad_() for x in given[:3]]
        assert pointer_log_prob(*given, bias, impl=impl).shape == (b, r, n + 1)
        loss = pointer_nll(*given, target, bias, impl=impl)
        assert loss.shape == (b, r) and (n or (loss == 0).all())
        assert all((x == 0).all() for x in torch.autograd.grad(loss.sum(), leaves) if not (b and r and n))


def test_strides_do_not_matter() -> None:
    (query, key, mix, mask, start), target, bias = inputs()
    turned = [x.transpose(1, 2).contiguous().transpose(1, 2).requires_grad_() for x in (query, key, bias)]
    loss = pointer_nll(turned[0], turned[1], mix, mask, start, target.T.contiguous().T, turned[2])
    torch.testing.assert_close(loss, pointer_nll(query, key, mix, mask, start, target, bias))
    shared = bias[:, :1].expand(-1, 5, -1)
    loss = pointer_nll(turned[0], turned[1], mix, mask, start, target, shared)
    torch.testing.assert_close(loss, pointer_nll(query, key, mix, mask, start, target, shared.clone()))
    loss.sum().backward()


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 9), st.integers(1, 20), st.integers(0, 10**6))
def test_order_shift_and_absent_objects_do_not_matter(r, n, seed) -> None:
    (query, key, mix, mask, start), target, bias = inputs(b=1, r=r, n=n, seed=seed)
    loss = pointer_nll(query, key, mix, mask, start, target, bias)
    torch.testing.assert_close(pointer_nll(query, key, mix, mask, start, target, bias + 3.0), loss)
    key, bias = key.clone(), bias.clone()
    key[:, :-1][~mask], bias[..., :-1][~mask[:, None].expand(1, r, n)] = torch.inf, 50.0
    torch.testing.assert_close(pointer_nll(query, key, mix, mask, start, target, bias), loss)
    total = pointer_log_prob(query, key, mix, mask, start, bias).exp().sum(-1)
    torch.testing.assert_close(total, torch.ones_like(total))


def test_errors_name_the_argument() -> None:
    (query, key, mix, mask, start), target, bias = inputs()
    for change, error, text in [
        ({"query": query[0]}, ValueError, r"query must be \[B, R, H, D\], got \[5, 2, 3\]"),
        ({"key": key[..., :2]}, ValueError, r"key must be \[2, N \+ 1, 2, 3\] like query"),
        ({"key": key[:, :0]}, ValueError, r"key must be \[2, N \+ 1, 2, 3\] like query"),
        ({"mix": mix[:1]}, ValueError, r"mix must be \[2\]"),
        ({"object_mask": mask[:, 1:]}, ValueError, r"object_mask must be \[2, 7\], one per key"),
        ({"object_mask": mask.long()}, TypeError, r"object_mask must be bool, got torch\.int64"),
        ({"at_start": start[1:]}, ValueError, r"at_start must be \[5\], \[2, 5\] or one bool, got \[4\]"),
        ({"at_start": start.float()}, TypeError, r"at_start must be bool, got torch\.float32"),
        ({"bias": bias[:, :1]}, ValueError, r"bias must be \[2, 5, 8\], got \[2, 1, 8\]"),
        ({"key": key.float()}, TypeError, r"one floating dtype, got torch\.float64 and torch\.float32"),
        ({"bias": bias.long()}, TypeError, r"bias must be floating, got torch\.int64"),
        ({"mix": mix.long()}, TypeError, r"mix must be floating, got torch\.int64"),
        ({"target": target[:, 1:]}, ValueError, r"target must be \[2, 5\] like query, got \[2, 4\]"),
        ({"target": target.double()}, TypeError, r"target must be integers, got torch\.float64"),
        ({"target": target + 8}, ValueError, r"target must lie in -1 \.\. 7, got"),
        ({"impl": "cuda"}, ValueError, "impl must be 'auto'"),
    ]:
        given = {"query": query, "key": key, "mix": mix, "object_mask": mask, "at_start": start, "bias": bias}
        with pytest.raises(error, match=text):
            pointer_nll(**given | {"target": target} | change)
    with pytest.raises(ValueError, match="log-probabilities have no Triton form"):
        pointer_log_prob(query.float(), key.float(), mix.float(), mask, start, impl="triton")
    wide = torch.zeros(1, 1, 9, 64)
    with pytest.raises(ValueError, match="heads times depth is at most 512, got 576"):
        pointer_nll(wide, wide, wide[0, 0, :, 0], mask[:1, :0], False, target[:1, :1] * 0, impl="triton")
