"""Glimpse prediction in closed form: its aim, its weights, and that it sees nothing of later steps."""

from __future__ import annotations

import pytest
import torch
from glimpse_toys import toy
from torch.nn.functional import normalize

from gazekit.base.scores import Settings
from gazekit.models.glimpse import CopyGlimpse, DisplacementRidge, GlimpseScores, cosine_contrast, steps_of
from gazekit.models.glimpse.displacement import aims_of


@pytest.mark.parametrize("ragged", [False, True])
def test_the_contrast_is_the_mean_product_with_the_aim(ragged: bool) -> None:
    data = toy(ragged=ragged)
    known = steps_of(data.batch(data.parts["train"].tolist()))
    targets = normalize(known.target, dim=2)[known.mask].mean(0)
    said = torch.randn(known.target.shape, generator=torch.Generator().manual_seed(0))
    product = (normalize(said, dim=2) * aims_of(known, targets)).sum(2)[known.mask].mean()
    expected = -cosine_contrast(known.target, said, known.mask).loss
    assert float(product) == pytest.approx(
        float(expected), abs=0.03
    )  # other scanpaths, of which the own is no part


def test_it_recalls_what_was_seen_where_the_eye_returns() -> None:
    data = toy(pictures=60)
    row, copy = DisplacementRidge(data.facts()), CopyGlimpse(data.facts(), centred=True)
    for each in (row, copy):
        each.fit(data)
    rows = {"ridge": row, "copy": copy}
    scores = GlimpseScores(differences={"ridge - copy": [["ridge"], ["copy"]]})
    table = scores.scores(rows, data, Settings(resamples=200), lambda *_: None).table
    assert table["ridge - copy"]["contrast"].low > 0.05
    assert table["ridge - copy"]["sensitivity"].low > 0.05
    again = DisplacementRidge(data.facts())
    again.load_state_dict(row.state_dict())
    batch = data.batch(data.parts["test"].tolist())
    assert torch.equal(again.predict(batch, None)["glimpse"], row.predict(batch, None)["glimpse"])


def test_nothing_of_later_steps_is_seen() -> None:
    data = toy(ragged=False)
    row = DisplacementRidge(data.facts())
    row.fit(data)
    batch = data.batch(data.parts["test"].tolist())
    before = row.predict(batch, None)["glimpse"]
    later = {**batch, "glimpse": batch["glimpse"].clone(), "xy_px": batch["xy_px"].clone()}
    later["glimpse"][:, 3:] += 1
    later["xy_px"][:, 4:] += 50
    torch.testing.assert_close(row.predict(later, None)["glimpse"][:, :3], before[:, :3])
    assert not torch.allclose(row.predict(later, None)["glimpse"][:, 3], before[:, 3])


def test_places_are_relative() -> None:
    data = toy()
    row = DisplacementRidge(data.facts())
    row.fit(data)
    batch = data.batch(data.parts["test"].tolist())
    moved = {**batch, "xy_px": batch["xy_px"] + 20}
    torch.testing.assert_close(row.predict(moved, None)["glimpse"], row.predict(batch, None)["glimpse"])
