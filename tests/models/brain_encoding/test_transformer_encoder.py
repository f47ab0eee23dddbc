"""The transformer encoder: its definition, what must not change it, and the released layout."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from gazekit.errors import DataError
from gazekit.models.brain_encoding.regions import REST, queries_of
from gazekit.models.brain_encoding.released import load_released
from gazekit.models.brain_encoding.transformer import TransformerEncoder

SHAPE = (16, 3, 5)
REGIONS = {"a": [0, 1, 2], "b": [2, 3], "c": [8]}
SIDES = [0, 0, 0, 0, 1, 1, 1, 1, 1]


def encoder(**settings) -> TransformerEncoder:
    torch.manual_seed(0)
    made = TransformerEncoder(
        SHAPE, 9, regions=REGIONS, hemisphere_of=SIDES, heads=4, feedforward=24, **settings
    )
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made.eval()


def by_the_book(net: TransformerEncoder, maps: torch.Tensor) -> torch.Tensor:
    """The equations with torch's own multi-head attention, and masks as in the source."""
    width = net.query.shape[1]
    attention = nn.MultiheadAttention(width, net.heads, batch_first=True)
    with torch.no_grad():
        attention.in_proj_weight.copy_(
            torch.cat([net.in_query.weight, net.in_key.weight, net.in_value.weight])
        )
        attention.in_proj_bias.copy_(torch.cat([net.in_query.bias, net.in_key.bias, net.in_value.bias]))
        attention.out_proj.load_state_dict(net.out.state_dict())
    tokens = net.project(maps.flatten(2).transpose(1, 2))
    query = net.query.expand(len(maps), -1, -1)
    state = attention(query, tokens + net.positions, tokens)[0]
    state = state + net.back(torch.relu(net.hidden(net.norm_in(state))))
    token = net.norm_out(state)
    all_voxels = token @ net.weight.T + net.bias  # [B, R, V]
    mask = torch.zeros(len(net.names), net.voxels)
    for r, part in enumerate(net.members.split(net.sizes)):
        mask[r, part] = 1
    return (all_voxels * mask).sum(1)


@pytest.mark.parametrize("queries", ["regions", "hemispheres", "voxels"])
@pytest.mark.parametrize("width", [None, 24])
@pytest.mark.parametrize("folds", [True, False])
def test_both_forms_are_the_equations(queries: str, width: int | None, folds: bool, monkeypatch) -> None:
    net = encoder(queries=queries, width=width)
    monkeypatch.setattr(TransformerEncoder, "folds", property(lambda _: folds))
    maps = torch.randn(4, *SHAPE)
    torch.testing.assert_close(net(maps), by_the_book(net, maps), atol=2e-5, rtol=1e-4)


def test_a_voxel_in_two_regions_gets_both_tokens() -> None:
    net = encoder()
    assert net.names == ["a, left", "b, left", "c, right", f"{REST}, right"]
    tokens = torch.randn(2, 4, 16)
    found = net.responses(tokens)
    expected = (tokens[:, 0] + tokens[:, 1]) @ net.weight[2] + 2 * net.bias[2]
    torch.testing.assert_close(found[:, 2], expected)


def test_tokens_may_be_permuted_with_their_positions() -> None:
    net = encoder()
    maps = torch.randn(2, *SHAPE)
    order = torch.randperm(15)
    before = net(maps)
    net.positions = net.positions[order]
    torch.testing.assert_close(net(maps.flatten(2)[..., order].view_as(maps)), before, atol=1e-5, rtol=1e-4)


def test_equal_queries_give_equal_tokens_and_uniform_attention_is_a_mean() -> None:
    net = encoder()
    with torch.no_grad():
        net.query[1] = net.query[0]
        tokens = net.tokens(torch.randn(3, *SHAPE))
        torch.testing.assert_close(tokens[:, 0], tokens[:, 1])
        net.in_key.weight.zero_()
        maps = torch.randn(3, *SHAPE)
        pooled = maps.mean((2, 3), keepdim=True).expand_as(maps)
        torch.testing.assert_close(net(maps), net(pooled), atol=1e-5, rtol=1e-4)


def test_attention_is_a_distribution_over_the_picture() -> None:
    found = encoder().attention(torch.randn(2, *SHAPE))
    assert found.shape == (2, 4, 15)
    torch.testing.assert_close(found.sum(2), torch.ones(2, 4))


def test_folding_is_chosen_for_few_queries() -> None:
    assert TransformerEncoder((768, 3, 3), 4, "hemispheres", hemisphere_of=[0, 0, 1, 1], heads=16).folds
    assert not encoder(queries="voxels").folds


def test_dropout_acts_in_training_only() -> None:
    net, maps = encoder(dropout=0.5), torch.randn(2, *SHAPE)
    assert torch.equal(net(maps), net(maps))
    net.train()
    assert not torch.equal(net(maps), net(maps))


def test_queries_follow_subjects_and_refuse_strange_voxels() -> None:
    found = queries_of("regions", 4, {"a": [0, 2]}, [0, 0, 1, 1], None)
    assert found.names == ["a, subject 1", f"{REST}, subject 1", "a, subject 2", f"{REST}, subject 2"]
    assert [m.tolist() for m in found.members] == [[0], [1], [2], [3]]
    with pytest.raises(ValueError, match=r"region a has voxel numbers from 0 to 4, expected 0 to 3"):
        queries_of("regions", 4, {"a": [0, 4]}, None, None)
    with pytest.raises(ValueError, match=r"hemisphere_of must have a number for each of 4"):
        queries_of("regions", 4, {}, None, [0])
    with pytest.raises(ValueError, match=r"multiple of 4 and of heads=3"):
        TransformerEncoder(SHAPE, 4, heads=3)


def released(queries: int = 8, width: int = 16, voxels: tuple[int, int] = (4, 5)) -> dict[str, torch.Tensor]:
    """A file of the released layout with three regions."""
    draw = torch.Generator().manual_seed(1)
    layer = "transformer.decoder.layers.0."
    sizes = {
        "query_embed.weight": (queries, width),
        f"{layer}multihead_attn.in_proj_weight": (3 * width, width),
        f"{layer}multihead_attn.in_proj_bias": (3 * width,),
        f"{layer}multihead_attn.out_proj.weight": (width, width),
        f"{layer}multihead_attn.out_proj.bias": (width,),
        f"{layer}self_attn.in_proj_weight": (3 * width, width),
        f"{layer}linear1.weight": (24, width),
        f"{layer}linear1.bias": (24,),
        f"{layer}linear2.weight": (width, 24),
        f"{layer}linear2.bias": (width,),
        **{f"{layer}norm{k}.{x}": (width,) for k in (1, 2, 3) for x in ("weight", "bias")},
        **{f"transformer.decoder.norm.{x}": (width,) for x in ("weight", "bias")},
        "transformer.memory_proj.weight": (64, width, 1, 1),
        "lh_embed.0.weight": (voxels[0], width),
        "lh_embed.0.bias": (voxels[0],),
        "rh_embed.0.weight": (voxels[1], width),
        "rh_embed.0.bias": (voxels[1],),
    }
    return {name: torch.randn(size, generator=draw) for name, size in sizes.items()}


def test_released_weights_are_read_by_key_and_shape(tmp_path) -> None:
    state = released()
    torch.save({"model": state}, tmp_path / "checkpoint.pth")
    net = encoder()
    load_released(net, tmp_path / "checkpoint.pth", SIDES, list(REGIONS))
    shift = state["transformer.decoder.layers.0.norm1.bias"]
    torch.testing.assert_close(net.query[2], state["query_embed.weight"][6] + shift)  # c, right
    torch.testing.assert_close(net.weight[:4], state["lh_embed.0.weight"])
    torch.testing.assert_close(
        net.in_key.weight, state["transformer.decoder.layers.0.multihead_attn.in_proj_weight"][16:32]
    )
    maps = torch.randn(2, *SHAPE)
    torch.testing.assert_close(net(maps), by_the_book(net, maps), atol=1e-4, rtol=1e-4)


def test_what_does_not_fit_is_named() -> None:
    state = released()
    del state["lh_embed.0.bias"]
    state["extra.weight"] = torch.zeros(1)
    with pytest.raises(DataError, match=r"extra.weight has no place; bias is missing|bias is missing; extra"):
        load_released(encoder(), state, SIDES, list(REGIONS))
    with pytest.raises(DataError, match=r"has 8 queries, expected 50 for 24 regions"):
        load_released(encoder(), released(), SIDES)
    with pytest.raises(DataError, match=r"hidden.weight has shape \[24, 8\], expected \[24, 16\]"):
        load_released(encoder(), released(width=8), SIDES, list(REGIONS))
    with pytest.raises(
        DataError, match=r"5 voxels in the left and 4 in the right hemisphere, expected 4 and 5"
    ):
        load_released(encoder(), released(voxels=(5, 4)), SIDES, list(REGIONS))
