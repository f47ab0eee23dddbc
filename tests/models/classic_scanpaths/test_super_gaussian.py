"""SGC: components with heavy tails, and the patches that they respond to."""

import pytest
import torch
from classic_toys import scenes

from gazekit.models.classic_scanpaths import SuperGaussian
from gazekit.models.classic_scanpaths.super_gaussian import component, whitened_patches


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def texture(x, y, seed=0):
    """Weak noise of 128 x 96, with one strong chequered patch."""
    picture = 128 + 12 * torch.randn(96, 128, 3, generator=draw(seed))
    chequered = (torch.arange(12)[:, None] + torch.arange(12)) % 4 < 2
    picture[y - 6 : y + 6, x - 6 : x + 6] = torch.where(chequered, 250.0, 5.0)[..., None]
    return scenes(picture.clamp(0, 255).to(torch.uint8)[None])


@pytest.mark.parametrize("x, y", [(30, 20), (100, 70), (64, 48)])
def test_an_implanted_patch_is_found_first(x, y):
    path = SuperGaussian().view(texture(x, y), 8, 1, draw()).xy_px[0, :, 0]
    assert ((path - torch.tensor([x, y])).abs().amax(-1) <= 10).float().mean() >= 0.75


def test_patches_are_white():
    z, places = whitened_patches(texture(30, 20).pictures)
    assert z.shape == (1, places.shape[0], 32)
    assert z.mean(1).abs().max() < 1e-4
    covariance = z[0].T @ z[0] / z.shape[1]
    assert torch.allclose(covariance, torch.eye(32), atol=2e-2)
    assert (places > 0).all() and (places < 1).all()


def test_the_heaviest_tail_is_a_component():
    """Independent signals, one Laplacian among Gaussian ones, turned: the fixed point turns it back."""
    signals = torch.randn(1, 20000, 6, generator=draw())
    uniform = torch.rand(20000, generator=draw(1)) - 0.5
    signals[0, :, 2] = -uniform.sign() * (1 - 2 * uniform.abs()).log() / 2**0.5
    turn = torch.linalg.qr(torch.randn(6, 6, generator=draw(2)))[0]
    z = signals @ turn.T
    w = component(z, torch.randn(1, 5, 6, generator=draw(3)), [])
    found = (w @ turn)[0, :, 2].abs()
    assert (found > 0.98).all()


def test_components_are_orthogonal():
    z = torch.randn(2, 300, 5, generator=draw())
    found = []
    for k in range(5):
        found.append(component(z, torch.randn(2, 3, 5, generator=draw(k)), found))
    w = torch.stack(found, 2)
    assert torch.allclose(w @ w.transpose(-1, -2), torch.eye(5).expand(2, 3, 5, 5), atol=1e-4)


def test_more_fixations_than_dimensions():
    path = SuperGaussian().view(texture(30, 20), 1, 40, draw())
    assert path.xy_px.isfinite().all() and path.xy_px.shape == (1, 1, 40, 2)
