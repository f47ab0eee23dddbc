"""Attention rows against loops and full maps, their derivatives, their edges and their errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.harness import extra_memory_mb
from gazekit.kernels.attention_rows import attention_rows, attention_with_rows, blocks, region_rows

FORMS = ("reference", "auto")


def inputs(b=2, h=3, n=15, k=None, d=5, m=7, p=2, dtype=torch.float64, seed=0):
    g = torch.Generator().manual_seed(seed)
    query = torch.randn(b, h, n, d, generator=g, dtype=dtype)
    key = torch.randn(b, h, k or n, d, generator=g, dtype=dtype)
    rows = torch.randint(-1, n, (b, m), generator=g)
    weight = torch.randn(b, p, m, generator=g, dtype=dtype)
    return query, key, rows, weight


def looped(query, key, rows, weight, scale):
    """[B, H, P, K] by the formula, one number after the other."""
    query, key, rows, weight = (x.numpy() for x in (query, key, rows, weight))
    (b, h, _, _), k, p = query.shape, key.shape[2], weight.shape[1]
    out = np.zeros((b, h, p, k))
    for i in range(b):
        for j in range(h):
            for column, row in enumerate(rows[i]):
                if row >= 0:
                    e = np.exp([scale * query[i, j, row] @ key[i, j, c] for c in range(k)])
                    for person in range(p):
                        out[i, j, person] += weight[i, person, column] * e / e.sum()
    return out


@pytest.mark.parametrize("impl", FORMS)
def test_sums_of_rows_by_loops(impl) -> None:
    query, key, rows, weight = inputs(k=11)
    ours = attention_rows(query, key, rows, weight, scale=0.7, impl=impl)
    np.testing.assert_allclose(ours.numpy(), looped(query, key, rows, weight, 0.7), atol=1e-12)


@pytest.mark.parametrize("impl", FORMS)
def test_rows_are_those_of_the_full_map(impl) -> None:
    query, key, rows, _ = inputs()
    full = (query @ key.transpose(-1, -2) * 5**-0.5).softmax(-1)
    ours = attention_rows(query, key, rows, impl=impl)
    for i, picked in enumerate(rows):
        valid = picked >= 0
        torch.testing.assert_close(ours[i][:, valid], full[i][:, picked[valid]])
        assert (ours[i][:, ~valid] == 0).all()


@pytest.mark.parametrize("n,m", [(1, 1), (15, 15), (64, 1), (123, 64)])
@pytest.mark.parametrize("block", [1, 2**22])
def test_blocks_equal_dense_maps_in_value_and_gradient(n, m, block, monkeypatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", block)
    query, key, _, _ = inputs(n=n, d=4)
    dense = torch.zeros(2, 3, n, dtype=torch.float64)
    for person in range(3):  # overlapping boxes; the last may cover the whole picture
        dense[:, person, max(0, n - m) + person // 2 :] = torch.rand(())
    leaves = [x.requires_grad_() for x in (query, key, dense)]
    upstream = torch.randn(2, 3, 3, n, dtype=torch.float64)
    rows, weight = region_rows(dense)
    ours = attention_rows(query, key, rows, weight)
    full = dense[:, None] @ (query @ key.transpose(-1, -2) / 2).softmax(-1)
    torch.testing.assert_close(ours, full)
    mine = torch.autograd.grad(ours, leaves, upstream)
    theirs = torch.autograd.grad(full, leaves, upstream)
    touched = (dense.detach() != 0).any(1, keepdim=True)
    torch.testing.assert_close(mine[:2], theirs[:2])
    torch.testing.assert_close(mine[2], theirs[2] * touched)


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("weighted", [True, False])
def test_gradcheck(impl, weighted, monkeypatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 1)
    many = 17 if impl == "auto" else 3  # blocks take 16 rows at the least
    query, key, rows, weight = inputs(b=2, h=2, n=many + 1, k=4, d=3, m=many)
    leaves = [x.requires_grad_() for x in (query, key, weight)][: 3 if weighted else 2]

    def run(*x):
        return attention_rows(x[0], x[1], rows, *x[2:], impl=impl)

    assert torch.autograd.gradcheck(run, leaves)
    if impl == "reference":
        small = [x[:1, :1, :3].detach().requires_grad_() for x in (query, key)]
        again = torch.tensor([[0, 2, -1]])
        assert torch.autograd.gradgradcheck(lambda q, k: attention_rows(q, k, again, impl=impl), small)


@pytest.mark.parametrize("impl", FORMS)
def test_nothing_asked_for(impl) -> None:
    query, key, _, _ = inputs(n=4)
    key.requires_grad_()
    empty = torch.empty(2, 0, dtype=torch.long)
    assert attention_rows(query, key, empty, impl=impl).shape == (2, 3, 0, 4)
    sums = attention_rows(query, key, empty, query.new_empty(2, 5, 0), impl=impl)
    assert sums.shape == (2, 3, 5, 4) and (sums == 0).all()
    padding = torch.full((2, 3), -1)
    sums = attention_rows(query, key, padding, query.new_full((2, 1, 3), torch.nan), impl=impl)
    assert (sums == 0).all()
    sums.sum().backward()
    assert (key.grad == 0).all()
    assert (attention_rows(query, key, padding, impl=impl) == 0).all()
    assert attention_rows(query, key, padding, query.new_ones(2, 0, 3), impl=impl).shape == (2, 3, 0, 4)
    nothing = query[:, :, :0]
    assert attention_rows(nothing, nothing, padding, query.new_ones(2, 1, 3), impl=impl).shape == (2, 3, 1, 0)
    assert attention_rows(query[:0], key[:0], empty[:0], impl=impl).shape == (0, 3, 0, 4)
    rows, weight = region_rows(query.new_zeros(2, 5, 4))
    assert rows.shape == (2, 0) and weight.shape == (2, 5, 0)
    assert region_rows(query.new_zeros(2, 0, 4))[0].shape == (2, 0)


@pytest.mark.parametrize("impl", FORMS)
@pytest.mark.parametrize("weighted", [True, False])
def test_padding_hears_nothing_of_a_broken_query(impl, weighted) -> None:
    query, key, rows, weight = inputs()
    rows = rows.clamp(min=1)
    rows[:, 2] = -1
    query[:, :, 0] = torch.nan
    leaves = [x.requires_grad_() for x in (query, key, weight)][: 3 if weighted else 2]
    ours = attention_rows(query, key, rows, *leaves[2:], impl=impl)
    assert ours.isfinite().all()
    assert all(x.isfinite().all() for x in torch.autograd.grad(ours.square().sum(), leaves))


@pytest.mark.parametrize("impl", FORMS)
def test_no_depth_looks_everywhere_alike(impl) -> None:
    _, _, rows, weight = inputs(n=4)
    nothing = torch.zeros(2, 3, 4, 0, dtype=torch.float64)
    sums = attention_rows(nothing, nothing, rows.clamp(min=0), weight, impl=impl)
    torch.testing.assert_close(sums, (weight.sum(-1) / 4)[:, None, :, None].expand_as(sums))


def test_half_precision_sums_blocks_in_single_precision(monkeypatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 1)
    query, key, rows, _ = inputs(n=9, d=4, m=1024, dtype=torch.bfloat16)
    key.requires_grad_()
    weight = torch.ones(2, 1, 1024, dtype=torch.bfloat16)
    ours = attention_rows(query, key, rows, weight)
    exact = key.detach().double().requires_grad_()
    wanted = attention_rows(query.double(), exact, rows, weight.double(), impl="reference")
    upstream = torch.arange(9.0)
    torch.testing.assert_close(ours.double(), wanted, rtol=6e-3, atol=0.0)
    (mine,) = torch.autograd.grad((ours * upstream.bfloat16()).sum(), key)
    (theirs,) = torch.autograd.grad((wanted * upstream.double()).sum(), exact)
    assert (mine.double() - theirs).abs().max() < 6e-3 * theirs.abs().max()


def test_region_rows_are_the_union_once() -> None:
    dense = torch.tensor([[[0, 0.5, 0.5, 0], [0, 0, 1.0, 2.0]], [[0, 0, 0, 3.0], [0, 0, 0, 0]]])
    rows, weight = region_rows(dense)
    assert rows.tolist() == [[1, 2, 3], [3, -1, -1]]
    assert weight.tolist() == [[[0.5, 0.5, 0], [0, 1, 2]], [[3, 0, 0], [0, 0, 0]]]


def test_output_beside_rows() -> None:
    query, key, rows, weight = inputs(k=9)
    value = torch.randn(2, 3, 9, 4, dtype=torch.float64)
    leaves = [x.requires_grad_() for x in (query, key, value, weight)]
    output, sums = attention_with_rows(query, key, value, rows, weight, scale=0.3)
    full = (0.3 * query @ key.transpose(-1, -2)).softmax(-1)
    torch.testing.assert_close(output, full @ value)
    torch.testing.assert_close(sums, attention_rows(query, key, rows, weight, scale=0.3, impl="reference"))
    upstream = [torch.randn_like(x) for x in (output, sums)]
    mine = torch.autograd.grad((output, sums), leaves, upstream)
    alone = attention_rows(query, key, rows, weight, scale=0.3, impl="reference")
    torch.testing.assert_close(mine, torch.autograd.grad((full @ value, alone), leaves, upstream))


def test_strides_do_not_matter() -> None:
    query, key, rows, weight = inputs()
    turned = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in (query, key)]
    every_second = rows.repeat_interleave(2, 1)[:, ::2]
    ours = attention_rows(*turned, every_second, weight.transpose(1, 2).contiguous().transpose(1, 2))
    torch.testing.assert_close(ours, attention_rows(query, key, rows, weight))


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 9), st.integers(1, 20), st.integers(0, 3), st.integers(0, 10**6))
def test_sums_are_linear_and_keep_their_mass(m, n, p, seed) -> None:
    query, key, rows, weight = inputs(b=1, n=n, m=m, p=p, seed=seed)
    sums = attention_rows(query, key, rows, weight)
    mass = (weight * (rows >= 0)[:, None]).sum(-1)[:, None].expand(-1, 3, -1)
    torch.testing.assert_close(sums.sum(-1), mass)
    torch.testing.assert_close(sums, weight[:, None] @ attention_rows(query, key, rows))


def test_memory_does_not_grow_with_the_number_of_rows() -> None:
    query, key, rows, weight = inputs(b=1, h=4, n=2048, d=8, m=2048, p=1, dtype=torch.float32)
    leaves = [x.requires_grad_() for x in (query, key, weight)]

    def run():
        torch.autograd.grad(attention_rows(query, key, rows, weight).sum(), leaves)

    run()
    used = extra_memory_mb(run)
    assert used is None or used < 80  # one map of all heads would be 67 MB, and autograd keeps three


def test_errors_name_the_argument() -> None:
    query, key, rows, weight = inputs()
    for arguments, error, text in [
        ((query[0], key, rows), ValueError, r"query must be \[B, H, N, D\], got \[3, 15, 5\]"),
        ((query, key[..., :4], rows), ValueError, r"key must be \[2, 3, K, 5\] like query"),
        ((query, key, rows.float()), TypeError, r"rows must be integers, got torch\.float32"),
        ((query, key, rows[0]), ValueError, r"rows must be \[2, M\], got \[7\]"),
        ((query, key, rows + 15), ValueError, r"rows must lie in -1 \.\. 14, got"),
        ((query, key, rows - 9), ValueError, r"rows must lie in -1 \.\. 14, got -10"),
        ((query, key, rows, weight[..., :3]), ValueError, r"weight must be \[2, P, 7\] like rows"),
        ((query, key, rows, weight.float()), TypeError, r"one floating dtype, got torch\.float32, torch\.f"),
        ((query.long(), key.long(), rows), TypeError, r"one floating dtype, got torch\.int64"),
    ]:
        with pytest.raises(error, match=text):
            attention_rows(*arguments)
    with pytest.raises(ValueError, match=r"value must be \[2, 3, 15, Dv\] like key, got \[2, 3, 14, 5\]"):
        attention_with_rows(query, key, key[:, :, 1:], rows)
    with pytest.raises(TypeError, match=r"value must be torch\.float64 like key, got torch\.float32"):
        attention_with_rows(query, key, key.float(), rows)
    with pytest.raises(ValueError, match=r"weight must be \[B, P, N\], got \[7\]"):
        region_rows(weight[0, 0])
    with pytest.raises(ValueError, match="impl must be"):
        attention_rows(query, key, rows, impl="cuda")
    wide = torch.zeros(1, 1, 1, 300)
    with pytest.raises(ValueError, match="heads are at most 256 wide, got 300"):
        attention_rows(wide, wide, rows[:1] * 0, impl="triton")
