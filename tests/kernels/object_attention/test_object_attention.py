"""Attention with a bias from places, against loops, torch's attention and finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from gazekit.kernels.object_attention import (
    BoxGridBias,
    DisplacementBias,
    GaussianBias,
    LogDistanceBias,
    bench,
    blocks,
    object_attention,
)
from gazekit.kernels.object_attention.reference import object_attention_reference

KINDS = ["gaussian", "log", "displacement", "features", "boxes"]


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def _bias(kind: str, b: int, h: int, m: int, n: int):
    query_xy, key_xy = 2 * _random(b, m, 2), 2 * _random(b, n, 2)
    if min(m, n):
        key_xy[:, 0] = query_xy[:, 0]  # a distance of 0
    if kind == "gaussian":
        return GaussianBias(query_xy, key_xy, _random(h).abs() + 1)
    if kind == "log":
        return LogDistanceBias(query_xy, key_xy, _random(h))
    if kind == "displacement":
        return DisplacementBias(query_xy, key_xy, _random(4, 5), _random(5), _random(5, h), _random(h))
    if kind == "features":
        weights = _random(7, 5), _random(5), _random(5, h), _random(h)
        placed = torch.rand(b, m) > 0.3, torch.rand(b, n) > 0.3
        return DisplacementBias(query_xy, key_xy, *weights, _random(b, m, 1), _random(b, n, 2), *placed)
    height = 3 if n % 3 == 0 else 1
    boxes = 4 * _random(b, m, 4)
    weights = _random(2, 2, 5), _random(2, 5), _random(2, 5, h), _random(2, h)
    return BoxGridBias(boxes, height, n // height, *weights)


def _case(kind: str, b: int = 2, h: int = 3, m: int = 7, n: int = 6, d: int = 4, dv: int = 4):
    torch.manual_seed(m + 10 * n)
    bias = _bias(kind, b, h, m, n)
    tensors = [_random(b, h, m, d), _random(b, h, n, d), _random(b, h, n, dv)]
    leaves = [*tensors, *(x for x in bias.tensors().values() if x.is_floating_point())]
    for x in leaves:
        x.requires_grad_()
    return *tensors, bias, leaves


def _in_blocks(monkeypatch) -> None:
    """As large inputs go, with blocks and slices of a few rows."""
    monkeypatch.setattr("gazekit.kernels.object_attention.SMALL", 0)
    for name, value in {"BLOCK_ROWS": 3, "FUSED_ROWS": 4, "BLOCK_NUMBERS": 1, "SLICE_NUMBERS": 100}.items():
        monkeypatch.setattr(blocks, name, value)


def _gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def _network(inputs: list[float], w1, b1, w2, b2, head: int, activation) -> float:
    hidden = [activation(sum(x * w1[i][j] for i, x in enumerate(inputs)) + b1[j]) for j in range(len(b1))]
    return sum(x * w2[j][head] for j, x in enumerate(hidden)) + b2[head]


def _entry(bias, b: int, h: int, m: int, n: int) -> float:
    """One number of a bias by the book."""
    t = {name: x.tolist() for name, x in bias.tensors().items()}
    if isinstance(bias, BoxGridBias):
        found = 0.0
        for axis, place in enumerate((n % bias.width, n // bias.width)):
            offsets = [place + 0.5 - t["query_boxes"][b][m][axis + side] for side in (0, 2)]
            weights = [t[name][axis] for name in ("weight1", "bias1", "weight2", "bias2")]
            found += _network(offsets, *weights, h, lambda x: max(x, 0.0))
        return found
    dx, dy = (t["key_xy"][b][n][i] - t["query_xy"][b][m][i] for i in range(2))
    if isinstance(bias, GaussianBias):
        return -(dx**2 + dy**2) / (2 * t["sigma"][h] ** 2)
    if isinstance(bias, LogDistanceBias):
        return -t["slope"][h] * math.log(1 + math.hypot(dx, dy))
    if "query_placed" in t and not (t["query_placed"][b][m] and t["key_placed"][b][n]):
        dx = dy = 0.0
    d = math.hypot(dx, dy)
    inputs = [dx, dy, d, math.log(1 + d)]
    if "query_features" in t:
        inputs += [*t["query_features"][b][m], *t["key_features"][b][n]]
    return _network(inputs, t["weight1"], t["bias1"], t["weight2"], t["bias2"], h, _gelu)


@pytest.mark.parametrize("kind", KINDS)
def test_bias_by_loops_and_attention_by_torch(kind):
    q, k, v, bias, _ = _case(kind)
    whole = torch.tensor(
        [
            [[[_entry(bias, b, h, m, n) for n in range(6)] for m in range(7)] for h in range(3)]
            for b in range(2)
        ]
    )
    torch.testing.assert_close(bias.rows(0, 7), whole.double(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(bias.rows(2, 5), bias.rows(0, 7)[:, :, 2:5])
    mask = torch.tensor([[True] * 6, [True, False, True, True, False, False]])
    hidden = bias.rows(0, 7).masked_fill(~mask[:, None, None], -torch.inf)
    wanted = scaled_dot_product_attention(q, k, v, hidden, scale=0.3)
    for impl in ("auto", "reference"):
        found = object_attention(q, k, v, bias, mask=mask, scale=0.3, impl=impl)
        torch.testing.assert_close(found, wanted)
    found = object_attention(q, k, v, bias, lengths=torch.tensor([6, 1]))
    torch.testing.assert_close(found[1], v[1, :, :1].expand(3, 7, 4))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_by_finite_differences(kind, monkeypatch):
    *_, bias, leaves = _case(kind, b=1, h=2, m=4, n=3, dv=3)
    mask = torch.tensor([[True, False, True]])

    def check(impl: str) -> None:
        def run(*tensors):
            names = [name for name, x in bias.tensors().items() if x.is_floating_point()]
            new = blocks.replace(bias, **dict(zip(names, tensors[3:], strict=True)))
            return object_attention(*tensors[:3], new, mask=mask, return_lse=True, impl=impl)

        assert torch.autograd.gradcheck(run, leaves, fast_mode=impl == "auto")

    if not isinstance(bias, BoxGridBias):
        bias.key_xy.data += 0.3  # at d = 0 finite differences find no derivative
    check("reference")
    _in_blocks(monkeypatch)
    check("auto")


@pytest.mark.parametrize("dv", [4, 5])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_do_what_the_reference_does(kind, causal, dv, monkeypatch):
    q, k, v, bias, leaves = _case(kind, m=12, n=12, dv=dv)
    mask = torch.rand(2, 12) > 0.4
    mask[1] = False
    weight, lse_weight = _random(2, 3, 12, dv), _random(2, 3, 12)
    _in_blocks(monkeypatch)
    for wanted in (leaves, leaves[:3]):  # without gradients of the bias another backward pass runs
        for x in leaves[3:]:
            x.requires_grad_(len(wanted) > 3)
        for lse_counts in (True, False):
            results = []
            for impl in ("auto", "reference"):
                options = {"mask": mask, "causal": causal, "impl": impl, "return_lse": True}
                out, lse = object_attention(q, k, v, bias, **options)
                loss = (out * weight).sum()
                if lse_counts:
                    loss = loss + (lse.masked_fill(lse.isinf(), 0) * lse_weight).sum()
                results.append([out, lse, *torch.autograd.grad(loss, wanted)])
            for found, right in zip(*results, strict=True):
                torch.testing.assert_close(found, right)


@pytest.mark.parametrize("size", [1, 15, 64, 123])
def test_sizes_and_strides(size, monkeypatch):
    q, k, v, bias, _ = _case("displacement", m=size, n=size)
    wanted = object_attention(q, k, v, bias, impl="reference")
    torch.testing.assert_close(object_attention(q, k, v, bias), wanted)
    _in_blocks(monkeypatch)
    torch.testing.assert_close(object_attention(q, k, v, bias), wanted)
    strided = [x.transpose(1, 2).contiguous().transpose(1, 2) for x in (q, k, v)]
    torch.testing.assert_close(object_attention(*strided, bias), wanted)
    single = [x.detach().float() for x in (q, k, v)]
    single_bias = blocks.replace(bias, **{name: x.float() for name, x in bias.tensors().items()})
    torch.testing.assert_close(object_attention(*single, single_bias), wanted.float(), rtol=1e-4, atol=1e-4)
    half = [x.bfloat16() for x in single]
    torch.testing.assert_close(
        object_attention(*half, single_bias).float(), wanted.float(), rtol=0.1, atol=0.1
    )


@pytest.mark.parametrize("impl", ["auto", "reference", "blocks"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_see(kind, impl, monkeypatch):
    if impl == "blocks":
        _in_blocks(monkeypatch)
    impl = impl.replace("blocks", "auto")
    for m, n in ((4, 3), (4, 0), (0, 3)):
        q, k, v, bias, leaves = _case(kind, m=m, n=n)
        for lse_too in (False, True):
            options = {"mask": torch.zeros(2, n, dtype=torch.bool), "impl": impl, "return_lse": lse_too}
            found = object_attention(q, k, v, bias, **options)
            out = found[0] if lse_too else found
            assert out.shape == (2, 3, m, 4) and out.eq(0).all()
            assert not lse_too or found[1].eq(-torch.inf).all()
            for gradient in torch.autograd.grad(out.sum(), leaves, allow_unused=True):
                assert gradient is None or gradient.eq(0).all()


def test_coordinates_have_a_gradient_at_distance_zero():
    xy = torch.zeros(1, 3, 2, requires_grad=True)
    x = torch.randn(1, 1, 3, 2)
    weights = torch.randn(4, 2), torch.randn(2), torch.randn(2, 1), torch.randn(1)
    for bias in (LogDistanceBias(xy, xy, torch.ones(1)), DisplacementBias(xy, xy, *weights)):
        (gradient,) = torch.autograd.grad(object_attention(x, x, x, bias).sum(), xy)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("learned", [True, False])
def test_places_that_are_missing_may_be_nan(learned, monkeypatch):
    q, k, v, bias, leaves = _case("features")
    bias.weight1.requires_grad_(learned)
    with torch.no_grad():
        bias.query_xy[~bias.query_placed] = torch.nan
        bias.key_xy[~bias.key_placed] = torch.nan
    leaves = [x for x in leaves if x.requires_grad]
    for large in (False, True):
        if large:
            _in_blocks(monkeypatch)
        gradients = torch.autograd.grad(object_attention(q, k, v, bias).sum(), leaves)
        assert all(x.isfinite().all() for x in gradients)


def test_what_arrives_at_the_lse_of_an_empty_row_goes_nowhere(monkeypatch):
    q, k, v, bias, leaves = _case("gaussian")
    mask = torch.tensor([[True] * 6, [False] * 6])
    _in_blocks(monkeypatch)
    found, right = (
        torch.autograd.grad(
            object_attention(q, k, v, bias, mask=mask, return_lse=True, impl=impl)[1].square().sum(),
            leaves,
            allow_unused=True,
            materialize_grads=True,
        )
        for impl in ("auto", "reference")
    )
    torch.testing.assert_close(found, right)


def test_blocks_choose_their_dtypes_under_autocast(monkeypatch):
    *tensors, bias, _ = _case("displacement")
    single = [x.detach().float().requires_grad_() for x in tensors]
    bias = blocks.replace(bias, **{name: x.detach().float() for name, x in bias.tensors().items()})
    bias.weight1.requires_grad_()
    leaves = [*single, bias.weight1]
    wanted = torch.autograd.grad(object_attention(*single, bias).sum(), leaves)
    _in_blocks(monkeypatch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = object_attention(*single, bias)
        found = torch.autograd.grad(out.sum(), leaves)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["gaussian", "displacement"])
def test_blocks_without_torchs_private_kernel_and_without_gradients(kind, monkeypatch):
    q, k, v, bias, leaves = _case(kind)
    for x in leaves[3:]:
        x.requires_grad_(False)
    wanted = object_attention(q, k, v, bias, impl="reference")
    right = torch.autograd.grad(wanted.sum(), leaves[:3])
    _in_blocks(monkeypatch)
    monkeypatch.setattr(blocks, "HAS_FUSED", False)
    found = object_attention(q, k, v, bias)
    torch.testing.assert_close(found, wanted)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), leaves[:3]), right)
    leaves[3].requires_grad_()
    rows, attend = [], blocks._attend
    monkeypatch.setattr(blocks, "_attend", lambda q, *more: (rows.append(q.shape[1]), attend(q, *more))[1])
    object_attention(q, k, v, bias)
    with torch.no_grad():
        object_attention(q, k, v, bias)
    assert rows == [3, 3, 1, 4, 3]  # larger blocks where nothing is learned


def test_tensor_bias_and_none():
    nothing = torch.zeros(1, 1, 2, 0)
    value = torch.tensor([[[[0.0], [1.0]]]])
    assert object_attention(nothing, nothing, value).eq(0.5).all()  # D = 0: content says nothing
    q, k, v, _, _ = _case("gaussian", m=6, n=6)
    row = _random(3, 1, 6)
    mask = torch.rand(2, 6) > 0.3
    for bias in (None, row, row.float()):
        for causal in (False, True):
            found = object_attention(q, k, v, bias, mask=mask, causal=causal)
            wanted = object_attention_reference(q, k, v, bias, mask, causal, 0.5)[0]
            torch.testing.assert_close(found, wanted)
    assert object_attention(q, k, v, row, return_lse=True)[1].shape == (2, 3, 6)


def test_dropout_drops_weights_and_keeps_their_mean():
    q, k, v, bias, _ = _case("gaussian")
    n, whole = 2000, object_attention(q, k, v, bias)[0]
    q, k, v = (x[:1].expand(n, -1, -1, -1) for x in (q, k, v))
    places = {name: getattr(bias, name)[:1].expand(n, -1, -1) for name in ("query_xy", "key_xy")}
    torch.manual_seed(0)
    dropped = object_attention(q, k, v, blocks.replace(bias, **places), dropout=0.4)
    assert (dropped[0] - dropped[1]).abs().max() > 0.01
    torch.testing.assert_close(dropped.mean(0), whole, rtol=0, atol=6 * dropped.std(0).max().item() / n**0.5)
    with pytest.raises(ValueError, match=r"dropout must be from 0 to 1, got 1\.5"):
        object_attention(q, k, v, dropout=1.5)
    for more in ({"return_lse": True}, {"impl": "reference"}):
        with pytest.raises(ValueError, match="supports neither return_lse nor"):
            object_attention(q, k, v, dropout=0.5, **more)
    with pytest.raises(ValueError, match="cannot run here: it does not support dropout"):
        object_attention(q.float(), k.float(), v.float(), dropout=0.5, impl="triton")


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.floats(-50, 50), st.sampled_from(["gaussian", "log", "displacement"]))
def test_only_displacements_count_and_order_of_keys_does_not(seed, shift, kind):
    q, k, v, bias, _ = _case(kind)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(seed))
    moved = blocks.replace(bias, query_xy=bias.query_xy + shift, key_xy=(bias.key_xy + shift)[:, order])
    found = object_attention(q, k[:, :, order], v[:, :, order], moved)
    torch.testing.assert_close(found, object_attention(q, k, v, bias), rtol=1e-6, atol=1e-6)


def test_errors():
    q, k, v, bias, _ = _case("gaussian")
    for match, run in {
        r"query must be \[B, H, M, D\], got \[3, 7, 4\]": lambda: object_attention(q[0], k, v),
        r"key must be \[B=2, H=3, N, D=4\], got \[2, 3, 6, 3\]": lambda: object_attention(q, k[..., :3], v),
        r"value must be \[B=2, H=3, N=6, Dv\], got": lambda: object_attention(q, k, v[:, :, :5]),
        r"causal needs as many queries as keys, got M=7, N=6": lambda: object_attention(q, k, v, causal=True),
        r"broadcastable to \[B, H, M, N\] = \[2, 3, 7, 6\], got torch.float64 \[5\]": (
            lambda: object_attention(q, k, v, _random(5))
        ),
        r"bias must be of \[B, H, M, N\] = \[2, 3, 5, 6\], got \[2, 3, 7, 6\]": (
            lambda: object_attention(q[:, :, :5], k, v, bias)
        ),
        "give only one of them": lambda: object_attention(q, k, v, mask=torch.ones(2, 6) > 0, lengths=[1, 2]),
        r"mask must be bool \[B=2, N=6\], got torch.float32": (
            lambda: object_attention(q, k, v, mask=torch.ones(2, 6))
        ),
        r"lengths must be \[B=2\] integers, got torch.float32": (
            lambda: object_attention(q, k, v, lengths=[1.0, 2])
        ),
        r"lengths must be from 0 to N=6, got \[2, 7\]": lambda: object_attention(q, k, v, lengths=[2, 7]),
        r"lengths must be from 0 to N=6, got \[-1, 6\]": lambda: object_attention(q, k, v, lengths=[-1, 6]),
        r"sigma must be floating \[H\], got": (
            lambda: GaussianBias(q[0, :, :, :2], k[0, :, :, :2], torch.ones(1, 1))
        ),
        r"key_xy must be floating \[B=3, N, 2\], got torch.float64 \[2, 6, 2\]": (
            lambda: GaussianBias(q[0, :, :, :2], bias.key_xy, torch.ones(1))
        ),
        "impl must be": lambda: object_attention(q, k, v, impl="fast"),
    }.items():
        with pytest.raises(ValueError, match=match):
            run()
    with pytest.raises(TypeError, match="one floating dtype"):
        object_attention(q, k, v.float())
    with pytest.raises(TypeError, match="bias must be a tensor, one of the biases or None, got str"):
        object_attention(q, k, v, "gaussian")


def test_bench_runs_small():
    for case in bench.cases(sizes=bench.Sizes((5,), (5,), (), heads=2, depth=8, hidden=3)):
        ours, reference = case.run(), case.run_reference()
        if "backward" not in case.name:
            torch.testing.assert_close(ours, reference, rtol=1e-4, atol=1e-4)
