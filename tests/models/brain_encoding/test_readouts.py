"""Read-outs of maps: invariants, special cases, independent oracles."""

import pytest
import torch
from torch.nn import functional as F

from gazekit.models.brain_encoding import (
    AttentionReadout,
    FactorisedReadout,
    GaussianReadout,
    LinearReadout,
    SpatialTransformerReadout,
    bilinear_places,
    sine_positions,
)

SHAPE, V, B = (8, 5, 6), 4, 3
CLASSES = (LinearReadout, FactorisedReadout, GaussianReadout, SpatialTransformerReadout, AttentionReadout)


def maps(seed=0, items=B):
    return torch.randn(items, *SHAPE, generator=torch.Generator().manual_seed(seed))


def made(kind, **options):
    torch.manual_seed(1)
    readout = kind(SHAPE, V, **options)
    with torch.no_grad():
        for parameter in readout.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return readout.eval()


@pytest.mark.parametrize("kind", CLASSES)
def test_items_are_independent_and_gradients_reach_everything(kind):
    readout, x = made(kind).double(), maps().double()
    together = readout(x)
    assert together.shape == (B, V)
    assert torch.allclose(together, torch.cat([readout(one[None]) for one in x]))
    readout.train()
    (readout(x).square().sum() + readout.penalty()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in readout.parameters())
    assert len(readout.parameter_groups(1.0)) == 1 + len(set(readout.rates.values()))


@pytest.mark.parametrize("kind", CLASSES[1:])
def test_places_are_what_the_response_is_made_of(kind):
    """With one head, the response is the weighted sum of tokens, whatever chose the weights."""
    readout, x = made(kind), maps()
    attention = readout.attention(x)
    assert attention.shape == (B, V, SHAPE[1] * SHAPE[2])
    weight = readout.weight.reshape(V, SHAPE[0])
    expected = torch.stack(
        [torch.stack([(attention[b, v] @ x[b].flatten(1).T) @ weight[v] for v in range(V)]) for b in range(B)]
    )
    assert torch.allclose(readout(x), expected + readout.bias, atol=1e-5)


@pytest.mark.parametrize("kind", CLASSES)
def test_units_of_features_and_responses_do_not_matter(kind):
    """Maps in other units, read by a read-out that was standardised on them, give the same responses in other units."""
    readout, x = made(kind), maps(items=40)
    response = torch.randn(40, V, generator=torch.Generator().manual_seed(2))
    readout.standardise(x, response)
    before = readout(x)
    gain = torch.rand(SHAPE[0], 1, 1, generator=torch.Generator().manual_seed(3)) + 0.5
    other = x * gain * 7 - 3
    readout.standardise(other, response * 5 + 2)
    assert torch.allclose(readout(other), before * 5 + 2, atol=1e-3)


@pytest.mark.parametrize("kind", CLASSES)
def test_a_flat_channel_and_a_flat_voxel_stay_finite(kind):
    readout, x = made(kind), maps(items=10)
    x[:, 0] = 3.7
    response = torch.randn(10, V)
    response[:, 0], response[:, 1] = 4.2, torch.nan
    readout.standardise(x, response)
    assert readout(x).isfinite().all()


def test_attention_sums_to_one_and_follows_its_tokens():
    """Tokens that move together with their positions and logits leave the response as it is."""
    readout, x = made(AttentionReadout, heads=2), maps()
    places = readout.places(x.flatten(2).transpose(1, 2))
    assert torch.allclose(places.sum(-1), torch.ones(B, V, 2))
    before, order = readout(x), torch.randperm(30, generator=torch.Generator().manual_seed(4))
    readout.positions.copy_(readout.positions[order])
    with torch.no_grad():
        readout.logits.copy_(readout.logits[..., order])
    moved = x.flatten(2)[..., order].unflatten(2, SHAPE[1:])
    assert torch.allclose(readout(moved), before, atol=1e-5)


def test_attention_without_content_is_factorised():
    attention, factorised = made(AttentionReadout), made(FactorisedReadout, softmax=True)
    with torch.no_grad():
        attention.key.weight.zero_()
        factorised.mask.copy_(attention.logits[:, 0])
        factorised.weight.copy_(attention.weight[:, 0])
        factorised.bias.copy_(attention.bias)
    assert torch.allclose(attention(maps()), factorised(maps()), atol=1e-5)


def test_uniform_attention_is_global_average_pooling():
    attention, pooled = made(AttentionReadout), made(LinearReadout, pool="mean")
    with torch.no_grad():
        attention.key.weight.zero_()
        attention.logits.zero_()
        pooled.linear.weight.copy_(attention.weight[:, 0])
        pooled.linear.bias.copy_(attention.bias)
    assert torch.allclose(attention(maps()), pooled(maps()), atol=1e-5)


def test_shared_features_are_a_relu_and_a_control_ignores_content():
    readout = made(AttentionReadout, hidden=7, content=False)
    x = maps().flatten(2).transpose(1, 2)
    assert torch.allclose(readout.values(x), F.linear(x, *readout.features.parameters()).relu())
    assert torch.equal(readout.attention(maps(0)), readout.attention(maps(1)))
    assert not torch.equal(*(made(AttentionReadout).attention(maps(seed)) for seed in (0, 1)))
    (readout(maps()).square().sum()).backward()
    assert all(p.grad is not None for p in readout.parameters())


def test_equal_queries_look_at_the_same_places():
    readout = made(AttentionReadout)
    with torch.no_grad():
        readout.query[1], readout.logits[1] = readout.query[0], readout.logits[0]
    attention = readout.attention(maps())
    assert torch.allclose(attention[:, 0], attention[:, 1])
    assert not torch.allclose(attention[:, 0], attention[:, 2])


@pytest.mark.parametrize("softmax", [False, True])
def test_masks_are_normalised(softmax):
    places = made(FactorisedReadout, softmax=softmax).places()
    assert torch.allclose(places.norm(dim=1) if not softmax else places.sum(1), torch.ones(V))


def test_penalties_are_l1():
    readout = made(FactorisedReadout, mask_l1=2.0, weight_l1=3.0)
    expected = 2 * readout.places().abs().sum() / V + 3 * readout.weight.abs().sum() / V
    assert torch.allclose(readout.penalty(), expected)
    assert made(FactorisedReadout).penalty() == 0


def test_bilinear_places_sample_as_torch_does():
    points = torch.rand(B, V, 2, generator=torch.Generator().manual_seed(5)) * 2.6 - 1.3
    found = torch.einsum("bvn,bcn->bcv", bilinear_places(points, *SHAPE[1:]), maps().flatten(2))
    expected = F.grid_sample(maps(), points[:, None], align_corners=True, padding_mode="border")[:, :, 0]
    assert torch.allclose(found, expected, atol=1e-5)
    assert torch.allclose(bilinear_places(torch.zeros(1, 2), 1, 1), torch.ones(1, 1))


def test_shifting_the_gaze_moves_the_position():
    readout = made(GaussianReadout)
    shift = torch.tensor([[0.2, -0.4]]).repeat(B, 1)
    before = readout(maps(), shift=shift)
    with torch.no_grad():
        readout.position.add_(shift[0])
    assert torch.allclose(readout(maps()), before, atol=1e-5)
    with pytest.raises(ValueError, match=r"shift must have shape \[3, 2\]"):
        readout(maps(), shift=shift[:1])


@pytest.mark.parametrize("covariance", ["full", "isotropic"])
def test_training_draws_points_around_the_position(covariance):
    readout = made(GaussianReadout, covariance=covariance)
    with torch.no_grad():
        readout.spread.zero_()
    at_rest = readout(maps())
    assert torch.allclose(readout.train()(maps()), at_rest)
    with torch.no_grad():
        readout.spread.fill_(0.3)
    assert not torch.allclose(readout(maps()), at_rest)


def test_one_centred_point_of_a_spatial_transformer_is_a_gaussian_readout():
    one, gaussian = made(SpatialTransformerReadout, points=1), made(GaussianReadout)
    with torch.no_grad():
        one.share.fill_(1.0)
        gaussian.position.copy_(one.theta[:, :, 2])
        gaussian.weight.copy_(one.weight)
        gaussian.bias.copy_(one.bias)
    assert torch.allclose(one(maps()), gaussian(maps()), atol=1e-5)


@pytest.mark.parametrize("pool, features", [(None, 240), ("mean", 8), (2, 32), ("conv", 256 * 2 * 2)])
def test_linear_readouts_pool(pool, features):
    readout = made(LinearReadout, pool=pool, norm_penalty=0.5)
    assert readout.linear.in_features == features
    assert torch.allclose(readout.penalty(), 0.5 * sum(p.norm() for p in readout.parameters()))


def test_the_papers_linear_model_has_its_size():
    """31 x 31 places become 11 x 11, times 256 channels: 30,976."""
    assert LinearReadout((4, 31, 31), 1, pool="conv").linear.in_features == 30976


def test_position_code():
    code = sine_positions(16, 5, 6)
    assert code.shape == (16, 5, 6)
    assert torch.allclose(code[0, :, 0], torch.arange(1, 6).float().sin())
    assert torch.allclose(code[9, 0], torch.arange(1, 7).float().cos())
    assert torch.allclose(code.square().sum(0), torch.full((5, 6), 8.0))


def test_wrong_shapes_are_told():
    with pytest.raises(ValueError, match=r"expected maps \[B, 8, 5, 6\]"):
        made(FactorisedReadout)(torch.zeros(1, 8, 6, 5))
    with pytest.raises(ValueError, match="shape C, H, W"):
        FactorisedReadout((8, 5), 3)
    with pytest.raises(ValueError, match="pool must be"):
        LinearReadout(SHAPE, 3, pool="max")
    with pytest.raises(TypeError, match="LinearReadout has no weights of places"):
        made(LinearReadout).attention(maps())
