"""Guidance against closed forms: a Gaussian, and a mixture of Gaussians in two dimensions."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gazekit.models.brain_guidance import blended_picture, clean_picture, ddim, gradient_guidance

MU, SIGMA = torch.tensor([0.5, -1.0]).double(), 0.7
W = torch.tensor([1.0, 0.5]).double()
SCALE = 1.5
ABARS = torch.sigmoid(torch.linspace(-8, 8, 200)).double()
CENTRES = torch.tensor([[-2.0, 0.0], [2.0, 0.0], [0.0, 2.5]]).double()
SHARES = torch.tensor([0.5, 0.2, 0.3]).double()
SPREAD = 0.4


def gaussian_noise(x, abar):
    """The noise that is expected in x of a Gaussian."""
    return (1 - abar).sqrt() * (x - abar.sqrt() * MU) / (abar * SIGMA**2 + 1 - abar)


def linear(x):
    return x @ W


def test_gaussian_mean_moves_by_the_posterior_variance_times_w():
    x = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)).double()
    for abar in (0.001, 0.3, 0.9):
        abar = torch.tensor(abar).double()
        guided = gradient_guidance(linear, gaussian_noise, SCALE)
        moved = clean_picture(x, guided(x, abar), abar) - clean_picture(x, gaussian_noise(x, abar), abar)
        variance = SIGMA**2 * (1 - abar) / (abar * SIGMA**2 + 1 - abar)
        torch.testing.assert_close(moved, (SCALE * variance * W).expand(5, 2))


def test_gaussian_samples_move_by_scale_variance_w():
    start = torch.randn(3000, 2, generator=torch.Generator().manual_seed(1)).double()
    free = ddim(gaussian_noise, start, ABARS)
    led = ddim(gradient_guidance(linear, gaussian_noise, SCALE), start, ABARS)
    torch.testing.assert_close(led - free, (SCALE * SIGMA**2 * W).expand_as(free), atol=0.02, rtol=0)
    torch.testing.assert_close(free.mean(0), MU, atol=0.05, rtol=0)
    torch.testing.assert_close(led.std(0), torch.full((2,), SIGMA).double(), atol=0.03, rtol=0)


@given(st.floats(0.01, 0.99), st.integers(0, 100))
def test_blended_is_between_clean_and_noisy(abar, seed):
    abar = torch.tensor(abar).double()
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(seed)).double()
    noise = gaussian_noise(x, abar)
    clean, blended = clean_picture(x, noise, abar), blended_picture(x, noise, abar)
    torch.testing.assert_close(blended - x, (1 - abar).sqrt() * (clean - x))


def test_noisy_and_blended_gradients_are_the_formula():
    x, abar = torch.ones(1, 2).double(), torch.tensor(0.4).double()
    noise = gaussian_noise(x, abar)
    noisy = gradient_guidance(linear, gaussian_noise, SCALE, seen="noisy")(x, abar)
    torch.testing.assert_close(noise - noisy, (SCALE * (1 - abar).sqrt() * W)[None])
    blended = gradient_guidance(linear, gaussian_noise, SCALE, seen="blended")(x, abar)
    share = (1 - abar).sqrt()
    slope = share * SIGMA**2 * abar.sqrt() / (abar * SIGMA**2 + 1 - abar) + 1 - share
    torch.testing.assert_close(noise - blended, (SCALE * share * slope * W)[None])


def mixture_shares(x, abar, tilted=0.0):
    """[B, 3] log weights of the components of noisy x, after a tilt of x_0 by exp(tilted w.x)."""
    variance = abar * SPREAD**2 + 1 - abar
    centres = CENTRES + tilted * SPREAD**2 * W
    log = SHARES.log() + tilted * CENTRES @ W
    return log - (x[:, None] - abar.sqrt() * centres).square().sum(2) / (2 * variance), variance, centres


def mixture_noise(x, abar, tilted=0.0):
    log, variance, centres = mixture_shares(x, abar, tilted)
    apart = x[:, None] - abar.sqrt() * centres
    return (1 - abar).sqrt() * (log.softmax(1)[..., None] * apart).sum(1) / variance


def test_mixture_is_sampled_as_tilted():
    start = torch.randn(2000, 2, generator=torch.Generator().manual_seed(2)).double()
    found = {}
    for name, noise in (("free", mixture_noise), ("tilted", lambda x, abar: mixture_noise(x, abar, SCALE))):
        found[name] = ddim(noise, start, ABARS)

    def exact(x):  # log of the mean of exp(s w.x_0) over what x may come from, divided by s
        tilted, plain = (mixture_shares(x, exact.abar, tilt)[0] for tilt in (SCALE, 0.0))
        return (tilted.logsumexp(1) - plain.logsumexp(1)) / SCALE

    guided = gradient_guidance(exact, mixture_noise, SCALE, seen="noisy")

    def noted(x, abar):
        exact.abar = abar
        return guided(x, abar)

    led = ddim(noted, start, ABARS)
    torch.testing.assert_close(led, found["tilted"], atol=1e-6, rtol=0)
    nearest = torch.cdist(led, CENTRES + SCALE * SPREAD**2 * W).argmin(1).bincount(minlength=3) / len(led)
    expected = (SHARES.log() + SCALE * CENTRES @ W).softmax(0)
    torch.testing.assert_close(nearest.double(), expected, atol=0.03, rtol=0)
    for k in range(3):
        own = led[torch.cdist(led, CENTRES).argmin(1) == k]
        if len(own) > 200:
            torch.testing.assert_close(own.mean(0), CENTRES[k] + SCALE * SPREAD**2 * W, atol=0.06, rtol=0)


def test_clean_guidance_of_a_mixture_raises_the_score():
    start = torch.randn(300, 2, generator=torch.Generator().manual_seed(3)).double()
    means = [
        float(linear(ddim(gradient_guidance(linear, mixture_noise, scale), start, ABARS)).mean())
        for scale in (0.0, 0.5, 1.0)
    ]
    assert means[0] < means[1] - 0.3 and means[1] < means[2] - 0.2


def test_what_is_refused():
    x, abar = torch.zeros(2, 2).double(), torch.tensor(0.5).double()
    with pytest.raises(ValueError, match="seen must be one of clean, blended, noisy, got 'all'"):
        gradient_guidance(linear, gaussian_noise, 1.0, seen="all")
    with pytest.raises(ValueError, match=r"differentiable scores \[2\], got \[2\], requires_grad=False"):
        gradient_guidance(lambda x: linear(x).detach(), gaussian_noise, 1.0)(x, abar)
    with pytest.raises(ValueError, match=r"differentiable scores \[2\], got \[\]"):
        gradient_guidance(lambda x: linear(x).sum(), gaussian_noise, 1.0)(x, abar)
    with pytest.raises(ValueError, match="abars must increase"):
        ddim(gaussian_noise, x, ABARS.flip(0))
