"""The generated world of glimpses: its embeddings, and that the best predictions are what they are said to be."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from gazekit.datasets.glimpse_ideal import IdealGlimpses
from gazekit.datasets.glimpse_world import PLACE_PX, SHARES, GlimpseWorld, Walks
from gazekit.datasets.synthetic_glimpses import SyntheticGlimpses
from gazekit.errors import DataError
from gazekit.models.glimpse.contrast import cosine_contrast

INFORMED = list(product((False, True), (False, True)))  # memory, saccades


@lru_cache
def made(covered: float, world_seed: int = 0) -> SyntheticGlimpses:
    found = SyntheticGlimpses(pictures=30, scored=600, scanpaths=2, covered=covered, world_seed=world_seed)
    found.setup()
    return found


@pytest.fixture(scope="module")
def data() -> SyntheticGlimpses:
    return made(0.4)


@pytest.fixture(scope="module")
def batch(data) -> dict:
    return data.batch(data.parts["test"].tolist())


@pytest.fixture(scope="module")
def small() -> tuple[GlimpseWorld, Walks]:
    world = GlimpseWorld(24, covered=0.3, side=2, families=2, strays=1)
    return world, world.walk(80_000, 1, 4, 3)


def cosine(world: GlimpseWorld, batch: dict, **told) -> torch.Tensor:
    """[T] mean over scanpaths."""
    said = IdealGlimpses(world, **told).predict(batch)["glimpse"]
    return torch.cosine_similarity(said, batch["glimpse"][:, 1:], dim=2).mean(0)


def test_embeddings_are_unit_vectors_around_their_codes(data, batch):
    codes, embeddings = torch.from_numpy(data.world.codes), batch["glimpse"].double()
    torch.testing.assert_close(embeddings.norm(dim=2), torch.ones(1200, 7, dtype=torch.float64))
    torch.testing.assert_close(codes.norm(dim=1) ** 2, torch.full((52,), 1 - SHARES[3], dtype=torch.float64))
    told = embeddings @ codes.mT  # the detail is orthogonal to all codes
    torch.testing.assert_close(
        told.amax(2), torch.full((1200, 7), 1 - SHARES[3], dtype=torch.float64), atol=1e-6, rtol=0
    )
    covered = (told.argmax(2) >= 36).double().mean()
    assert covered == pytest.approx(data.world.covered, abs=0.02)


def test_a_content_and_a_saccade_name_the_next_content(data, batch):
    world = data.world
    code = (batch["glimpse"].double() @ torch.from_numpy(world.codes).mT).argmax(2)
    both = (code[:, 1:] < 36) & (code[:, :-1] < 36)
    jump = (batch["xy_px"].diff(dim=1) / PLACE_PX).round().long()[both]
    before, after = code[:, :-1][both], code[:, 1:][both]
    assert torch.equal(before // 9, after // 9)  # one family
    assert torch.equal((before % 3 + jump[:, 0]) % 3, after % 3)
    assert torch.equal((before % 9 // 3 + jump[:, 1]) % 3, after % 9 // 3)
    assert (before != after).all()


def test_generation_is_a_function_of_the_seeds(data):
    made.cache_clear()
    same, other = made(0.4), made(0.4, 1)
    assert same.records.fingerprint() == data.records.fingerprint() != other.records.fingerprint()
    assert torch.equal(same.batch([5])["glimpse"], data.batch([5])["glimpse"])
    assert not np.allclose(same.world.codes, other.world.codes)


def test_labels_are_families(data, batch):
    assert batch["category"].sum(1).eq(1).all() and batch["caption"].shape == (1200, 768)
    assert data.facts()["categories"] == 4 and data.facts()["glimpse_px"] == PLACE_PX
    assert len(torch.cat([batch["category"], batch["caption"]], 1).unique(dim=0)) == 4


@pytest.mark.parametrize("memory, saccades", INFORMED)
@pytest.mark.parametrize("covered", [0.0, 0.4])
def test_the_length_of_the_best_prediction_is_its_expected_score(memory, saccades, covered):
    """Only a calibrated posterior scores what it expects to, at every glimpse number."""
    data = made(covered)
    batch = data.batch(data.parts["test"].tolist())
    target = batch["glimpse"][:, 1:]
    said = IdealGlimpses(data.world, memory, saccades).predict(batch)["glimpse"]
    cos = torch.cosine_similarity(said, target, dim=2)
    error = 4 * (cos - said.norm(dim=2)).std(0) / len(cos) ** 0.5 + 1e-6
    assert ((cos - said.norm(dim=2)).mean(0).abs() < error).all()
    said = IdealGlimpses(data.world, memory, saccades, "contrast").predict(batch)["glimpse"]
    assert -cosine_contrast(target, said).loss == pytest.approx(float(said.norm(dim=2).mean()), abs=0.015)


@pytest.mark.parametrize("memory, saccades", INFORMED)
def test_the_posterior_is_that_of_brute_force(small, memory, saccades):
    """Mean of the next glimpse over all generated scanpaths that look alike up to now."""
    world, walks = small
    jump = (
        np.diff(np.floor(walks.xy_px / PLACE_PX), axis=1).astype(int) % 2
    )  # 2 places a side, without an end
    told = [walks.code[:, 2:3]] + ([walks.code[:, :2]] if memory else [])
    told += [jump[:, 2]] + ([jump[:, :2].reshape(-1, 4)] if memory else []) if saccades else []
    _, alike, count = np.unique(np.concatenate(told, 1), axis=0, return_inverse=True, return_counts=True)
    mean = np.zeros((len(count), 24))
    np.add.at(mean, alike.reshape(-1), walks.embedding[:, 3])
    mean /= count[:, None]
    often = np.flatnonzero(count > 100)
    assert len(often) > 8
    first = np.unique(alike.reshape(-1), return_index=True)[1][often]
    batch = {
        "glimpse": torch.from_numpy(walks.embedding[first]),
        "xy_px": torch.from_numpy(walks.xy_px[first]),
        "mask": torch.ones(len(first), 4, dtype=torch.bool),
    }
    said = IdealGlimpses(world, memory, saccades).predict(batch)["glimpse"][:, 2]
    error = np.sqrt((1 / count[often])[:, None])  # a unit vector has at most this standard error
    assert (np.linalg.norm(said.numpy() - mean[often], axis=1) < 3 * error[:, 0]).all()


def test_saccades_help_and_memory_helps_only_where_glimpses_are_covered(data, batch):
    both, present, unmoved = (
        cosine(data.world, batch, memory=m, saccades=s)
        for m, s in ((True, True), (False, True), (True, False))
    )
    assert (both - unmoved).min() > 0.03
    gain = both - present
    assert gain[0] == 0 and gain[1] > 0.03 and gain[3:].mean() > gain[1] + 0.01
    plain = made(0.0)
    seen = plain.batch(plain.parts["test"][:200].tolist())
    both, present, unmoved = (
        IdealGlimpses(plain.world, m, s).predict(seen)["glimpse"]
        for m, s in ((True, True), (False, True), (True, False))
    )
    torch.testing.assert_close(both, present)
    torch.testing.assert_close(both.norm(dim=2), torch.full((200, 6), (1 - SHARES[3]) ** 0.5))


@pytest.mark.parametrize("objective", ["cosine", "contrast"])
def test_no_other_prediction_does_better(data, batch, objective):
    """Towards anything else the score falls: other codes, the past, noise."""
    target, draw = batch["glimpse"][:, 1:], torch.Generator().manual_seed(0)
    best = normalize(IdealGlimpses(data.world, objective=objective).predict(batch)["glimpse"], dim=2)

    def score(prediction: torch.Tensor) -> torch.Tensor:
        found = cosine_contrast(target, prediction)
        return found.target if objective == "cosine" else -found.loss

    noise = torch.randn(best.shape, generator=draw)
    codes = torch.from_numpy(data.world.codes).float()
    for other in (
        noise,
        batch["glimpse"][:, :-1],
        codes[:36].mean(0).expand_as(best),
        codes[3].expand_as(best),
    ):
        for amount in (0.1, -0.1):
            assert score(best + amount * normalize(other, dim=2)) < score(best) + 1e-3


def test_references_name_what_they_are_told(data, batch):
    rows = data.references()
    assert list(rows)[:2] == ["best possible", "best contrast"] and len(rows) == 5
    loss = {
        name: float(cosine_contrast(batch["glimpse"][:, 1:], row.predict(batch)["glimpse"]).loss)
        for name, row in rows.items()
    }
    assert min(loss, key=loss.get) == "best contrast"
    assert loss["best contrast without memory"] < loss["best contrast with neither"] - 0.05
    assert loss["best contrast"] < loss["best contrast without saccades"] - 0.05


def test_one_saccade_and_padding(data):
    batch = data.batch([0, 1])
    short = {**batch, "mask": batch["mask"].clone()}
    short["mask"][1, 2:] = False
    short["glimpse"] = batch["glimpse"] * short["mask"][..., None]
    short["xy_px"] = batch["xy_px"] * short["mask"][..., None]
    for row in data.references().values():
        said = row.predict(short)["glimpse"]
        assert said[1, 1:].eq(0).all()
        torch.testing.assert_close(said[0], row.predict(batch)["glimpse"][0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fixations": 1}, r"data\.fixations must be at least 2"),
        ({"pictures": 0}, r"data\.pictures must be at least 1"),
        ({"covered": 1.0}, r"data\.covered must be a chance"),
        ({"size": 20}, r"data\.size must be at least 31"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SyntheticGlimpses(**settings)


def test_an_unknown_part_is_refused():
    with pytest.raises(DataError, match=r"data\.split=video has no scanpaths"):
        SyntheticGlimpses(2, 2, split="video").setup()
