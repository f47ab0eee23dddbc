"""Losses of all heads against plain forms, and what they refuse."""

from __future__ import annotations

import pytest
import torch
from glimpse_toys import batch
from torch.nn.functional import cosine_similarity

from gazekit.models.glimpse import cosine_contrast, glimpse_losses, steps_of


def said_at(known, **heads) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(*known.mask.shape, size, generator=generator) for name, size in heads.items()}


def test_steps_are_pairs_of_fixations_that_took_place() -> None:
    made = batch()
    known = steps_of(made)
    assert known.mask.sum() == made["mask"].sum() - len(made["mask"])
    torch.testing.assert_close(
        known.location_px + 96, made["xy_px"][:, 1:] * known.mask[..., None] + 96 * ~known.mask[..., None]
    )
    assert not known.saccade_px[~known.mask].any()
    b, t = known.mask.nonzero()[7]
    torch.testing.assert_close(known.saccade_px[b, t], made["xy_px"][b, t + 1] - made["xy_px"][b, t])
    torch.testing.assert_close(known.target[b, t], made["glimpse"][b, t + 1])


def test_every_head_has_its_loss() -> None:
    made = batch(heads=True)
    known = steps_of(made)
    said = said_at(known, glimpse=10, caption=768, category=4, location=2)
    terms = glimpse_losses(said, made, {"caption": 2.0, "location": 0.5})
    expected = cosine_contrast(known.target, said["glimpse"], known.mask).loss
    torch.testing.assert_close(terms["glimpse"], expected)
    rows = known.mask.nonzero()
    pairs = torch.stack(
        [cosine_similarity(said["caption"][b, t], made["caption"], dim=1) for b, t in rows]
    )  # [N, B]
    steps = known.mask.sum(1)
    own = torch.nn.functional.one_hot(rows[:, 0], len(steps)).bool()
    other = (pairs * steps * ~own).sum() / (steps * ~own).sum()
    torch.testing.assert_close(terms["caption"], other - pairs[own].mean(), atol=1e-5, rtol=1e-4)
    logits = said["category"][known.mask]
    labels = made["category"][rows[:, 0]]
    expected = -(labels * logits.sigmoid().log() + (1 - labels) * (1 - logits.sigmoid()).log()).mean()
    torch.testing.assert_close(terms["category"], expected)
    error = (said["location"] - known.location_px)[known.mask]
    torch.testing.assert_close(terms["location"], error.square().mean().sqrt())
    total = terms["glimpse"] + 2 * terms["caption"] + terms["category"] + 0.5 * terms["location"]
    torch.testing.assert_close(terms["loss"], total)


def test_a_perfect_location_has_a_finite_gradient() -> None:
    made = batch()
    known = steps_of(made)
    said = {"location": known.location_px.clone().requires_grad_()}
    loss = glimpse_losses(said, made)["loss"]
    assert loss < 1e-5
    assert torch.autograd.grad(loss, said["location"])[0].isfinite().all()


def test_a_permuted_batch_has_the_same_loss() -> None:
    made = batch(heads=True)
    known = steps_of(made)
    said = said_at(known, glimpse=10, caption=768, category=4, location=2)
    order = torch.randperm(len(known.mask), generator=torch.Generator().manual_seed(1))
    permuted = glimpse_losses({k: v[order] for k, v in said.items()}, {k: v[order] for k, v in made.items()})
    for name, value in glimpse_losses(said, made).items():
        torch.testing.assert_close(permuted[name], value)


def test_padding_changes_nothing() -> None:
    made = batch(heads=True)
    known = steps_of(made)
    said = said_at(known, glimpse=10, caption=768, category=4, location=2)
    longer = {
        k: torch.cat([v, torch.full_like(v[:, :2], 7)], 1)
        for k, v in made.items()
        if k in ("glimpse", "xy_px")
    }
    longer["mask"] = torch.cat([made["mask"], torch.zeros(len(known.mask), 2, dtype=torch.bool)], 1)
    padded = {k: torch.cat([v, torch.full_like(v[:, :2], -3)], 1) for k, v in said.items()}
    found = glimpse_losses(padded, made | longer)
    for name, value in glimpse_losses(said, made).items():
        torch.testing.assert_close(found[name], value)


def test_what_is_missing_is_told() -> None:
    made = batch()
    with pytest.raises(ValueError, match="the head 'caption' is trained with an entry 'caption' of the data"):
        glimpse_losses(said_at(steps_of(made), caption=768), made)
    one = {
        name: value[:, :1] if value.dim() > 1 and name != "centre_px" else value
        for name, value in made.items()
    }
    with pytest.raises(ValueError, match=r"at least two fixations, .* got \[12, 1, 10\]"):
        steps_of(one)
