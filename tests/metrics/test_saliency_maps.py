"""NSS, CC, SIM, KLD, EMD, likelihood and information gain against NumPy and SciPy; properties, gradients."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.autograd import forward_ad

import gazekit.metrics.functional as f
from gazekit.metrics.functional import map_blocks
from gazekit.metrics.functional import maps as reading
from gazekit.scanpath import Scanpaths

seeds = st.integers(0, 10**6)
NAN = math.nan
XY = np.array([[0, 0], [4.5, 3.2], [4.2, 3.9], [6, 1]])
PAIRS = [
    f.correlation_coefficient,
    f.similarity,
    lambda s, q: f.similarity(s, q, "matlab"),
    f.kld,
    lambda s, q: f.kld(s, q, variant="pysaliency"),
    lambda s, q: f.earth_movers_distance(s, q, (2, 3)),
]


def two_maps(seed: int, *lead: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(*lead, 5, 8)), draw.gamma(0.5, size=(*lead, 5, 8))


def close(found: torch.Tensor, expected, atol: float = 1e-10) -> None:
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), expected, rtol=0, atol=atol)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_against_numpy_and_scipy(seed: int) -> None:
    s, q = two_maps(seed)
    values = s[XY[:, 1].astype(int), XY[:, 0].astype(int)]
    close(f.nss(s, XY), ((values - s.mean()) / s.std()).mean())
    close(f.nss(s, XY, "matlab"), ((values[[0, 1, 3]] - s.mean()) / s.std(ddof=1)).mean())
    close(f.correlation_coefficient(s, q), stats.pearsonr(s.ravel(), q.ravel())[0])
    low = s - s.min()
    p, t = low / low.sum(), q / q.sum()
    close(f.similarity(s, q), np.minimum(p, t).sum())
    eps = 2.2204e-16
    close(f.kld(s, q), (t * np.log(eps + t / (p + eps))).sum())
    close(f.kld(low + 1, q), stats.entropy(q.ravel(), (low + 1).ravel()))
    p, b = (low + 0.1) / (low + 0.1).sum(), t * 0.9 + 0.1 / 40
    at = (XY[:, 1].astype(int), XY[:, 0].astype(int))
    close(f.log_likelihood_nats(p, XY), np.log(p[at]).mean())
    close(f.map_information_gain_bits(p, b, XY), (np.log2(p[at]) - np.log2(b[at])).mean())
    close(f.map_information_gain_bits(p, b, XY, 0.01), (np.log2(p[at] + 0.01) - np.log2(b[at] + 0.01)).mean())


@settings(deadline=None, max_examples=20)
@given(seeds)
def test_emd_on_one_row_is_the_distance_of_the_distribution_functions(seed: int) -> None:
    p, q = np.random.default_rng(seed).random((2, 1, 12))
    expected = stats.wasserstein_distance(range(12), range(12), p[0], q[0])
    close(f.earth_movers_distance(p, q, None), expected, 1e-9)
    assert f.earth_movers_distance(p, p, None) == 0
    close(f.earth_movers_distance(q, p, None), expected, 1e-9)


def test_emd_cells_share_pixels_by_area() -> None:
    saliency, density = np.zeros((2, 1, 3))
    saliency[0, 1] = 1  # the border between two cells halves the middle pixel
    density[0, 2] = 1
    close(f.earth_movers_distance(saliency, density, (1, 2)), 0.5)
    bigger = np.kron(np.random.default_rng(0).random((2, 4, 4)), np.ones((1, 6, 5)))
    small = bigger[:, ::6, ::5]
    close(f.earth_movers_distance(*bigger, (4, 4)), f.earth_movers_distance(*small, None).numpy(), 1e-9)


@settings(deadline=None, max_examples=30)
@given(seeds, st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_what_does_not_matter(seed: int, scale: float, shift: float) -> None:
    s, q = two_maps(seed)
    close(f.nss(s * scale + shift, XY), f.nss(s, XY).numpy(), 1e-9)
    close(f.correlation_coefficient(s * scale + shift, q), f.correlation_coefficient(s, q).numpy(), 1e-9)
    close(f.correlation_coefficient(-s, q), -f.correlation_coefficient(s, q).numpy())
    for score in (f.similarity, f.kld):
        close(score(s * scale, q * 3), score(s, q).numpy(), 1e-9)
    p, b = f.density_of_map(s, 0.01), f.density_of_map(q, 0.01)
    gain = f.map_information_gain_bits(f.density_of_map(s * scale, 0.01 * scale), b, XY)
    close(gain, f.map_information_gain_bits(p, b, XY).numpy(), 1e-9)
    close(f.map_information_gain_bits(b, p, XY), -f.map_information_gain_bits(p, b, XY).numpy())
    uniform = np.full(s.shape, 1 / s.size)
    bits = (f.log_likelihood_nats(p, XY) + math.log(s.size)) / math.log(2)
    close(f.map_information_gain_bits(p, uniform, XY), bits.numpy())


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_bounds_and_identity(seed: int) -> None:
    s, q = two_maps(seed)
    assert -1 <= f.correlation_coefficient(s, q) <= 1
    assert f.correlation_coefficient(s, s * 7).item() <= 1
    close(f.correlation_coefficient(s, s * 7 + 2), 1)
    close(f.similarity(q, q), 1)
    assert 0 <= f.similarity(s, q) <= 1
    close(f.kld(q, q), 0)
    assert f.kld(s, q) >= 0
    close(f.similarity(s, q), f.similarity(q, s).numpy())


def test_digits_survive_an_offset() -> None:
    """The spread is a millionth of the mean, and neither the mean nor the maximum is at hand."""
    draw = np.random.default_rng(0)
    s, q = draw.normal(size=(2, 40, 50))
    value = f.nss(s, XY).item()
    high = np.round(s * 2**10) * 2**-10 + 2**20  # exact in float64
    low = high - 2**20
    assert f.nss(high, XY).item() == pytest.approx(f.nss(low, XY).item(), abs=1e-10)
    assert f.correlation_coefficient(high, q).item() == pytest.approx(
        f.correlation_coefficient(low, q).item(), abs=1e-10
    )
    assert f.similarity(high, q, "matlab").item() == pytest.approx(
        f.similarity(low - low.min(), q, "matlab").item(), abs=1e-10
    )
    assert f.nss(high, XY).item() == pytest.approx(value, abs=0.01)
    for constant in (0.1, 1e-300, 1e9 + 0.1, -3.7):
        assert f.nss(np.full((40, 50), constant), XY).isnan()
        assert f.correlation_coefficient(np.full((40, 50), constant), q).isnan()


@pytest.mark.parametrize("piece", [7, 100, 10**6])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pieces_and_batches_change_nothing(monkeypatch, piece: int, dtype: type) -> None:
    s, q = (part.astype(dtype) for part in two_maps(3, 2, 3))
    xy = np.random.default_rng(0).random((2, 3, 4, 2)) * [8, 5]
    s[0, 0] += 1e3
    images = list(
        zip(*(part.reshape(6, 5, 8).astype(float) for part in (s, q)), xy.reshape(6, 4, 2), strict=True)
    )
    single = [[score(a, b).item() for a, b, _ in images] for score in PAIRS]
    alone = [f.nss(a, x).item() for a, _, x in images]
    for module, name in ((map_blocks, "_BLOCK"), (map_blocks, "_DOT"), (reading, "_A_THREAD")):
        monkeypatch.setattr(module, name, piece)
    monkeypatch.setattr(reading, "_AT_ONCE", {"cpu": piece})
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    for score, expected in zip(PAIRS, single, strict=True):
        close(score(torch.as_tensor(s), q).flatten(), expected, 1e-9)
        with torch.no_grad():
            found = score(torch.as_tensor(s).requires_grad_(), q)
        assert not found.requires_grad
        close(found.flatten(), expected, 1e-9)
    close(f.nss(s, xy).flatten(), alone, 1e-9)
    assert f.kld(s[:0], q[:0]).shape == (0, 3)


def test_the_differentiable_expression_is_the_same_score() -> None:
    s, q = two_maps(3, 4)
    s[0] += 1e4  # moments of the second reading
    q[1] = NAN
    xy = np.random.default_rng(0).random((4, 6, 2)) * [8, 5]
    wanted = torch.as_tensor(s).requires_grad_()
    scores = [*PAIRS[:-1], lambda a, _: f.nss(a, xy), lambda a, _: f.nss(a, xy, "matlab")]
    for score in scores:
        found = score(wanted, q)
        assert found.requires_grad
        close(found.detach(), score(s, q).numpy())


@pytest.mark.filterwarnings(
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning"
)  # torch's own use of it
def test_derivatives_of_other_kinds_are_not_lost() -> None:
    s, q = (torch.as_tensor(part) for part in two_maps(1))
    wanted, direction = s.clone().requires_grad_(), s**2
    for score in (
        lambda a: f.kld(a.exp(), q),
        lambda a: f.correlation_coefficient(a, q),
        lambda a: f.nss(a, XY),
    ):
        (gradient,) = torch.autograd.grad(score(wanted), wanted)
        close(torch.func.grad(score)(s), gradient.numpy())
        _, along = torch.func.jvp(score, (s,), (direction,))
        close(along, (gradient * direction).sum().item())
        with forward_ad.dual_level():
            along = forward_ad.unpack_dual(score(forward_ad.make_dual(s, direction))).tangent
        close(along, (gradient * direction).sum().item())


def test_an_error_in_one_thread_is_the_error_of_the_call(monkeypatch) -> None:
    monkeypatch.setattr(reading, "_A_THREAD", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    s, q = two_maps(0, 6)
    s[4, 2, 3] = NAN
    with pytest.raises(ValueError, match=r"saliency: the pixel in row 2, column 3 of image \(4,\)"):
        f.kld(s, q)


def test_undefined_is_nan() -> None:
    s, q = two_maps(0)
    nothing, flat = np.zeros((5, 8)), np.ones((5, 8))
    missing = np.full((5, 8), NAN)
    assert f.correlation_coefficient(flat, q).isnan()
    assert f.correlation_coefficient(s, flat).isnan()
    assert f.similarity(flat, q, "matlab").isnan()
    assert f.map_information_gain_bits(flat, q, XY, 1e-9, "matlab").isnan()
    for score in (f.similarity, f.kld, f.earth_movers_distance):
        for a, b in ((nothing, q), (s, nothing), (-flat, q), (nothing, nothing)):
            arguments = {"grid": (2, 2)} if score is f.earth_movers_distance else {}
            assert score(a, b, **arguments).isnan()
    for score in PAIRS:
        both = score(np.stack([s, s]), np.stack([missing, q]))
        assert both.isnan().tolist() == [True, False]
    none = np.zeros((0, 2))
    p = f.density_of_map(q)
    undefined = [f.nss(s, none), f.log_likelihood_nats(p, none), f.map_information_gain_bits(p, p, none)]
    assert all(value.isnan() for value in undefined)


def test_what_a_density_excludes() -> None:
    p = np.array([[0.5, 0.5], [0.0, 0.0]])
    b = np.array([[0.5, 0.0], [0.5, 0.0]])
    assert f.log_likelihood_nats(p, [[0, 0], [0, 1]]) == -math.inf
    assert f.map_information_gain_bits(p, b, [[0, 0], [0, 1]]) == -math.inf
    assert f.map_information_gain_bits(p, b, [[0, 0], [1, 0]]) == math.inf
    assert f.map_information_gain_bits(p, b, [[1, 1]]).isnan()
    assert f.map_information_gain_bits(p, b, [[0, 1]], eps=0.5).item() == pytest.approx(-1)


@pytest.mark.parametrize("bad", [NAN, math.inf])
@pytest.mark.parametrize("score", PAIRS)
def test_a_value_that_is_not_finite_is_found(score, bad: float) -> None:
    s, q = two_maps(0, 2)
    for which, name in ((0, "saliency"), (1, "density")):
        maps = [s.copy(), q.copy()]
        maps[which][1, 2, 3] = bad
        with pytest.raises(
            ValueError, match=re.escape(f"{name}: the pixel in row 2, column 3 of image (1,)")
        ):
            score(*maps)
    with pytest.raises(ValueError, match=r"saliency: the pixel in row 0, column 0 of image \(0,\)"):
        score(np.full_like(s, NAN), q)


def test_wrong_input_is_named() -> None:
    s, q = two_maps(0)
    p = f.density_of_map(q)
    with pytest.raises(ValueError, match=r"density must be at least 0 and sum to 1, got minimum .* and sum"):
        f.log_likelihood_nats(s, XY)
    with pytest.raises(ValueError, match="baseline must be at least 0 and sum to 1"):
        f.map_information_gain_bits(p, q, XY)
    with pytest.raises(ValueError, match=r"baseline must have the shape of density \[5, 8\].*got \[5, 7\]"):
        f.map_information_gain_bits(p, q[:, :7], XY)
    with pytest.raises(ValueError, match="eps must be finite and at least 0, got -1"):
        f.map_information_gain_bits(p, p, XY, -1)
    with pytest.raises(ValueError, match="eps must be positive and finite, got 0"):
        f.kld(s, q, 0)
    with pytest.raises(ValueError, match="eps has no place in the variant 'pysaliency'"):
        f.kld(s, q, 1e-12, "pysaliency")
    for score in (
        lambda v: f.similarity(s, q, v),
        lambda v: f.kld(s, q, variant=v),
        lambda v: f.nss(s, XY, v),
    ):
        with pytest.raises(ValueError, match="variant must be pysaliency or matlab, got 'other'"):
            score("other")
    with pytest.raises(ValueError, match="variant must be density or matlab"):
        f.map_information_gain_bits(p, p, XY, variant="pysaliency")
    with pytest.raises(
        ValueError, match=r"grid must be \(rows, columns\) from \(1, 1\) to \(5, 8\), got \(8, 8\)"
    ):
        f.earth_movers_distance(s, q)


def test_one_baseline_for_all_images() -> None:
    s, _ = two_maps(0, 3)
    p, b = f.density_of_map(s, 0.1), f.center_bias_density((8, 5), 3)
    xy = Scanpaths.of([XY, XY[:1], np.zeros((0, 2))])
    found = f.map_information_gain_bits(p, b, xy)
    each = f.map_information_gain_bits(p, b.expand(3, 5, 8), xy)
    torch.testing.assert_close(found, each, rtol=0, atol=1e-12, equal_nan=True)
    assert found.isnan().tolist() == [False, False, True]


@pytest.mark.parametrize("offset", [0.0, 500.0])
def test_gradients(offset: float) -> None:
    s, q = (torch.as_tensor(part) for part in two_maps(1, 2))
    q = q / q.sum((-1, -2), keepdim=True)
    xy = np.stack([XY, XY])
    s = (s + offset).requires_grad_()
    b = f.center_bias_density((8, 5), 3)
    scores = [
        lambda s: f.nss(s, xy),
        lambda s: f.nss(s, xy, "matlab"),
        lambda s: f.correlation_coefficient(s, q),
        lambda s: f.similarity(s, q),
        lambda s: f.similarity(s, q, "matlab"),
        lambda s: f.kld(s.exp() if not offset else s, q),
        lambda s: f.kld(s.exp() if not offset else s, q, variant="pysaliency"),
        lambda s: f.density_of_map(s, 0.3),
        lambda s: f.log_likelihood_nats(f.density_of_map(s, 0.3), xy),
        lambda s: f.map_information_gain_bits(f.density_of_map(s, 0.3), b, xy),
    ]
    for score in scores:
        assert torch.autograd.gradcheck(score, (s,), atol=1e-5)


def test_gradient_reaches_the_density_too() -> None:
    s, q = (torch.as_tensor(part) for part in two_maps(1))
    q.requires_grad_()
    for score in (f.correlation_coefficient, f.similarity, lambda s, q: f.kld(s.exp(), q)):
        assert torch.autograd.gradcheck(lambda q, score=score: score(s, q), (q,), atol=1e-5)


def test_no_map_without_a_value_spoils_the_gradients_of_a_batch() -> None:
    s, q = two_maps(2, 3)
    s[0], q[1] = 0, NAN  # no mass and constant; no fixation
    xy = Scanpaths.of([XY, np.zeros((0, 2)), XY])
    scores = [*PAIRS[:-1], lambda s, _: f.nss(s, xy), lambda s, _: f.density_of_map(s)[:, 0, 0]]
    for score in scores:
        wanted = torch.as_tensor(s).requires_grad_()
        found = score(wanted, q)
        assert found[0].isnan() == (score is not PAIRS[4])  # the constant added is mass
        found.nansum().backward()
        assert wanted.grad.isfinite().all()
        assert wanted.grad[2].any()


@pytest.mark.parametrize("scale", [1e160, 1e307, 1e-170, 1e-307])
def test_squares_beyond_the_range_of_numbers(scale: float) -> None:
    s, q = two_maps(0, 2)
    large = s.copy()
    large[1] *= scale
    xy = np.stack([XY, XY])
    for score in (lambda s: f.nss(s, xy), lambda s: f.correlation_coefficient(s, q)):
        close(score(large), score(s).numpy(), 1e-9)
        close(score(torch.as_tensor(large).requires_grad_()).detach(), score(s).numpy(), 1e-9)
    close(f.correlation_coefficient(q, large), f.correlation_coefficient(q, s).numpy(), 1e-9)


def test_one_pixel_has_no_spread() -> None:
    for variant in ("pysaliency", "matlab"):
        assert f.nss(np.ones((1, 1)), [[0, 0]], variant).isnan()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int64])
def test_whole_numbers_are_not_copied_as_a_whole(dtype: type) -> None:
    whole = np.random.default_rng(0).integers(0, 200, size=(2, 5, 8)).astype(dtype)
    _, q = two_maps(0, 2)
    if dtype != np.uint16:  # which torch cannot compare
        assert np.shares_memory(reading.as_map("saliency", whole).numpy(), whole)
    for score in (*PAIRS, lambda s, _: f.nss(s, np.stack([XY, XY]))):
        close(score(whole, q), score(whole.astype(float), q).numpy(), 1e-12)
