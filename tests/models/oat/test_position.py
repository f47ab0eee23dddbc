import math

import pytest
import torch
from torch.nn.functional import cosine_similarity

from gazekit.models.oat.position import DistanceEncoding, SinusoidEncoding, distance_table, sinusoid

# The tables released by the authors deviate from the Gaussian by at most this much.
TOLERANCE = 5e-4
SIGMAS = pytest.mark.parametrize("sigma", [1.5, 2.0, 2.5])


def gaussian(distance: torch.Tensor, sigma: float) -> torch.Tensor:
    return torch.exp(-(distance**2) / (2 * sigma**2))


def similarities(rows: torch.Tensor) -> torch.Tensor:
    return cosine_similarity(rows[:, None], rows[None], dim=-1)


@SIGMAS
@pytest.mark.parametrize("n", [14, 11])
def test_table_rows_have_gaussian_cosines_and_equal_norms(n, sigma):
    table = distance_table(n, 86, sigma)
    assert table.shape == (n, 86)
    index = torch.arange(n, dtype=torch.float64)
    expected = gaussian(index[:, None] - index, sigma)
    assert (similarities(table) - expected).abs().max() <= 1e-9
    torch.testing.assert_close(table.norm(dim=1), torch.ones(n, dtype=torch.float64))


def test_table_needs_a_column_an_index():
    assert distance_table(5, 5).shape == (5, 5)
    with pytest.raises(ValueError, match="a table of 6 indices needs width >= 6, got 5"):
        distance_table(6, 5)


@pytest.mark.parametrize(
    ("width", "sigma", "tolerance"),
    [(w, s, TOLERANCE) for w in (96, 258) for s in (1.5, 2.0, 2.5)]
    + [(48, 2.0, TOLERANCE), (48, 2.5, TOLERANCE), (48, 1.5, 1e-3)],  # 8 frequencies are few for sigma 1.5
)
@pytest.mark.parametrize("step", [1.0, 0.37])
def test_encoding_has_gaussian_cosines_everywhere_in_its_span(width, sigma, tolerance, step):
    encode = DistanceEncoding(width, sigma)
    x = torch.arange(-5.0, 11.0 + 1e-6, step)  # no two further apart than the span of 16
    tokens = encode(torch.stack([x, torch.zeros_like(x), torch.zeros_like(x)], -1))
    part = tokens[:, : width // 3]
    assert (similarities(part) - gaussian(x[:, None] - x, sigma)).abs().max() <= tolerance
    torch.testing.assert_close(tokens.norm(dim=1), torch.full((len(x),), math.sqrt(width)))


def test_on_a_grid_both_forms_agree():
    x = torch.arange(14.0)
    continuous = DistanceEncoding(48)(torch.stack([x, x * 0, x * 0], -1))[:, :16]
    torch.testing.assert_close(
        similarities(continuous), similarities(distance_table(14)).float(), rtol=0, atol=TOLERANCE
    )


@SIGMAS
def test_tokens_are_as_similar_as_the_mean_of_three_gaussians(sigma):
    tokens = torch.rand(30, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([14.0, 6.0, 1.0])
    encoded = DistanceEncoding(96, sigma)(tokens)
    expected = gaussian(tokens[:, None] - tokens, sigma).mean(-1)
    assert (similarities(encoded) - expected).abs().max() <= TOLERANCE


def test_target_flag_is_close_to_no_flag():
    place = DistanceEncoding(48)(torch.tensor([[3.0, 2.0, 0.0], [3.0, 2.0, 1.0]]))
    flags = place[:, 32:]
    torch.testing.assert_close(
        cosine_similarity(flags[0], flags[1], dim=0), torch.tensor(math.exp(-1 / 8)), rtol=0, atol=TOLERANCE
    )
    torch.testing.assert_close(place[0, :32], place[1, :32])


def test_columns_and_rows_do_not_mix():
    encode = DistanceEncoding(48)
    one, other = encode(torch.tensor([[1.0, 4.0, 0.0], [7.0, 4.0, 0.0]]))
    assert not torch.equal(one[:16], other[:16])
    torch.testing.assert_close(one[16:], other[16:])


def test_nothing_is_learned_or_saved():
    assert not list(DistanceEncoding(48).parameters())
    assert not DistanceEncoding(48).state_dict()


def test_leading_dimensions_are_kept():
    coordinates = torch.rand(2, 5, 3)
    for encode in (DistanceEncoding(24), SinusoidEncoding(24)):
        encoded = encode(coordinates)
        assert encoded.shape == (2, 5, 24)
        torch.testing.assert_close(encoded[1, 3], encode(coordinates[1, 3]))


@pytest.mark.parametrize("encoding", [DistanceEncoding, SinusoidEncoding])
def test_width_must_divide_by_six(encoding):
    with pytest.raises(ValueError, match="a width that is a multiple of 6, got 40"):
        encoding(40)


def test_sinusoid_by_the_textbook():
    width, encoded = 8, sinusoid(torch.tensor([0.0, 3.0]), 8)
    for k in range(width // 2):
        angle = 3.0 / 10000 ** (2 * k / width)
        assert encoded[1, 2 * k].item() == pytest.approx(math.sin(angle), abs=1e-6)
        assert encoded[1, 2 * k + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)
    assert encoded[0].tolist() == [0, 1] * 4
    assert sinusoid(torch.tensor(2.0), 7).shape == (7,)
