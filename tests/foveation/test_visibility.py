import numpy as np
import pytest
import torch

from gazekit.foveation import GaussianVisibility, Grid

SIGMA = (70.0, 50.0)


def all_pairs(grid, exponent):
    """The definition, pair by pair, in double precision."""
    xy = grid.centres_px.double().numpy()
    g = np.exp(-((xy[:, None] - xy) ** 2 / (2 * np.array(SIGMA) ** 2)).sum(-1))
    return ((g - g.min()) / (g.max() - g.min())) ** exponent


@pytest.mark.parametrize("exponent", [0.2, 1.0, 2.0])
@pytest.mark.parametrize("size", [(300, 200), (90, 250), (64, 64)])
def test_against_all_pairs(size, exponent):
    grid = Grid(size, 32.0)
    seen = GaussianVisibility(grid, SIGMA).seen_from(torch.arange(len(grid)), exponent)
    np.testing.assert_allclose(seen, all_pairs(grid, exponent), atol=2e-4 if exponent < 1 else 1e-6)
    assert seen.diagonal().eq(1).all()
    assert seen.min() == 0


def test_leading_dimensions():
    grid = Grid((300, 200))
    seen = GaussianVisibility(grid, SIGMA).seen_from(torch.tensor([[3, 5], [0, 7]]))
    assert seen.shape == (2, 2, len(grid))
    assert torch.equal(seen[1, 0], GaussianVisibility(grid, SIGMA).seen_from(torch.tensor(0)))


@pytest.mark.parametrize("size", [(300, 200), (1280, 1024), (64, 40)])
def test_expected_square_against_all_pairs(size):
    grid = Grid(size, 32.0)
    p = torch.rand(2, len(grid), generator=torch.Generator().manual_seed(0))
    p /= p.sum(-1, keepdim=True)
    found = GaussianVisibility(grid, SIGMA).expected_square(p)
    np.testing.assert_allclose(found, p.numpy() @ all_pairs(grid, 2.0).T, rtol=1e-4, atol=1e-6)


def test_one_cell_is_seen_perfectly():
    seen = GaussianVisibility(Grid((20, 10)), SIGMA)
    assert seen.seen_from(torch.tensor([0])).tolist() == [[1.0]]
    assert seen.expected_square(torch.ones(1, 1)).tolist() == [[1.0]]


def test_kept_once_per_geometry():
    assert GaussianVisibility.of(Grid((64, 64)), SIGMA) is GaussianVisibility.of(Grid((64, 64)), SIGMA)
    assert GaussianVisibility.of(Grid((64, 64)), (1.0, 2.0)) is not GaussianVisibility.of(
        Grid((64, 64)), SIGMA
    )


def test_errors():
    with pytest.raises(ValueError, match="sigma_px must be positive"):
        GaussianVisibility(Grid((64, 64)), (0.0, 1.0))
    with pytest.raises(ValueError, match="exponent of the visibility"):
        GaussianVisibility(Grid((64, 64)), SIGMA).seen_from(torch.tensor([0]), 0.0)
