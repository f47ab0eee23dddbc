"""RSA in draws of pictures and the nested layer search, against slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brain_toys import ToyBrain
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.base import Predictor
from gazekit.base.scores import Settings
from gazekit.brain.intervals import drawn_blocks
from gazekit.brain.similarity import (
    GivenRDM,
    nested_choice,
    pair_weights,
    random_halves,
    rank_correlations,
    ranked,
)
from gazekit.brain.similarity_scores import LOWER, UPPER, SimilarityScores, brain_rdms
from gazekit.metrics.functional import rdm, rsa, rsa_ceiling
from gazekit.metrics.functional.rsa import rsa_of_draw


def matrices(count: int, n: int = 12, ties: bool = False, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    found = rdm(torch.randn(count, n, 8, generator=generator))
    return (4 * found).round() if ties else found


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), ties=st.booleans())
def test_weights_equal_the_drawn_pictures(seed: int, ties: bool) -> None:
    models, brains = matrices(3, ties=ties, seed=seed), matrices(2, ties=not ties, seed=seed + 1)
    draws = drawn_blocks(12, 5, seed)
    found = rank_correlations(ranked(models), ranked(brains), pair_weights(draws))
    for r, times in enumerate(draws.long()):
        for m in range(3):
            for s in range(2):
                expected = float(rsa_of_draw(models[m], brains[s], times, "spearman"))
                assert float(found[r, m, s]) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_once_each_is_rsa_and_single_precision_is_enough() -> None:
    models, brains = matrices(3), matrices(2, seed=1)
    once = torch.ones(1, 12, dtype=torch.float64)
    exact = rank_correlations(ranked(models), ranked(brains), pair_weights(once))[0]
    assert torch.allclose(exact, rsa(models[:, None], brains[None]))
    draws = drawn_blocks(12, 50, 0)
    a, b = (
        rank_correlations(ranked(models), ranked(brains), pair_weights(x)) for x in (draws, draws.float())
    )
    assert torch.allclose(a, b, atol=1e-5)


def test_halves_hold_half_of_the_pictures_and_their_pairs_alone() -> None:
    halves = random_halves(11, 20, torch.Generator().manual_seed(0))
    assert (halves.sum(1) == 5).all()
    models, brains = matrices(2, 11), matrices(1, 11, seed=2)
    weights = pair_weights(torch.ones(20, 11, dtype=torch.float64), halves)
    found = rank_correlations(ranked(models), ranked(brains), weights)
    for r in (0, 7):
        own = halves[r]
        expected = rsa(models[:, own][..., own], brains[0][own][:, own])
        assert torch.allclose(found[r, :, 0], expected)


def test_the_nested_choice_never_sees_what_it_is_scored_on() -> None:
    generator = torch.Generator().manual_seed(0)
    halves = [torch.rand(6, 5, 3, generator=generator) for _ in range(2)]
    scores, choices = nested_choice(halves)
    for r in range(6):
        for s in range(3):
            others = [t for t in range(3) if t != s]
            picks = [int(half[r][:, others].mean(1).argmax()) for half in halves]
            assert choices[:, r, s].tolist() == picks
            expected = (halves[1][r, picks[0], s] + halves[0][r, picks[1], s]) / 2
            assert float(scores[r, s]) == pytest.approx(float(expected))
    changed = halves[0].clone()
    changed[:, :, 1] = 0  # a subject's own values do not matter to its choice
    assert torch.equal(nested_choice([changed, halves[1]])[1][0, :, 1], choices[0, :, 1])


class Layers(Predictor):
    """Layers with a matrix each."""

    def __init__(self, **layers: torch.Tensor) -> None:
        super().__init__()
        self.layers = layers

    def rdms(self, data) -> dict[str, torch.Tensor]:
        return self.layers


def test_undefined_layers_are_not_chosen() -> None:
    """argmax takes NaN for the largest."""
    seen = torch.tensor([[[torch.nan], [0.2], [0.4]]])
    score, choices = nested_choice([seen, torch.tensor([[[0.9], [0.1], [0.3]]])])
    assert choices.flatten().tolist() == [2, 0]
    assert score.isnan().all()  # the first half has no score of the layer that the other half chose
    assert nested_choice([seen, seen])[0].item() == pytest.approx(0.4)


class ToyRDMs:
    """Brains of three subjects and of one."""

    split = "test"

    def __init__(self, n: int = 30) -> None:
        generator = torch.Generator().manual_seed(0)
        self.true = torch.randn(n, 20, generator=generator)
        noise = torch.randn(3, n, 20, generator=generator)
        self.people = rdm(self.true + noise)
        self.monkeys = rdm(self.true + 0.5 * torch.randn(n, 20, generator=generator))[None]

    def brains(self) -> dict[str, torch.Tensor]:
        return {"people": self.people, "monkeys": self.monkeys}

    def references(self) -> dict[str, Predictor]:
        return {}


def judged(rows, data, resamples: int = 100, **options):
    return SimilarityScores(**options).scores(rows, data, Settings(resamples=resamples), lambda *_: None)


def test_columns_best_layer_ceiling_and_subjects() -> None:
    data = ToyRDMs()
    noise = rdm(torch.randn(30, 20, generator=torch.Generator().manual_seed(9)))
    true = rdm(data.true)
    found = judged({"net": Layers(first=noise, last=true), "noise": GivenRDM(noise, "Noise.")}, data)
    each = [float(rsa(true, own)) for own in data.people]
    assert found.table["net"]["rsa.people"].value == pytest.approx(np.mean(each))
    assert found.table["net"]["rsa.monkeys"].value == pytest.approx(float(rsa(true, data.monkeys[0])))
    assert found.table["net"]["rsa.people over subjects"].n == 3
    assert "rsa.monkeys over subjects" not in found.table["net"]
    assert found.details["layers"]["net"]["people"]["best"] == "last"
    assert found.details["layers"]["net"]["people"]["chosen"] == {"last": 2 * 50 * 3}
    bounds = rsa_ceiling(data.people)
    assert found.table[LOWER]["rsa.people"].value == pytest.approx(float(bounds.lower))
    assert found.table[UPPER]["rsa.people"].value == pytest.approx(float(bounds.upper))
    assert "rsa.monkeys" not in found.table[LOWER]
    draws = drawn_blocks(30, 100, 0).long()
    drawn = [np.mean([float(rsa_of_draw(true, own, t, "spearman")) for own in data.people]) for t in draws]
    assert found.table["net"]["rsa.people"][1:3] == pytest.approx(
        np.quantile(drawn, [0.025, 0.975]), abs=1e-5
    )


def test_the_best_of_many_noisy_layers_is_optimistic_and_the_nested_search_is_not() -> None:
    data = ToyRDMs()
    generator = torch.Generator().manual_seed(1)
    layers = {f"layer{k}": rdm(torch.randn(30, 20, generator=generator)) for k in range(60)}
    found = judged({"noise": Layers(**layers)}, data).table["noise"]
    assert found["rsa.monkeys"].value > 0.08  # the largest of 60
    assert abs(found["rsa_nested.monkeys"].value) < 0.08
    assert found["rsa_nested.monkeys"].low < 0 < found["rsa_nested.monkeys"].high


def test_differences_are_paired_and_told() -> None:
    data = ToyRDMs()
    true = rdm(data.true)
    noise = rdm(torch.randn(30, 20, generator=torch.Generator().manual_seed(9)))
    found = judged({"net": Layers(only=true), "noise": GivenRDM(noise, "Noise.")}, data, against=["noise"])
    gap = found.details["differences"]["people"]["noise"]["net"]
    assert gap[0] == pytest.approx(
        found.table["net"]["rsa.people"].value - found.table["noise"]["rsa.people"].value, abs=1e-4
    )
    assert gap[1] > 0
    assert any("rsa.people less noise: above 0 in 1 of 2 rows" in note for note in found.notes)
    with pytest.raises(ValueError, match="against names hmax"):
        judged({"net": Layers(only=true)}, data, against=["hmax"])


def test_undefined_layers_and_refused_brains_are_told() -> None:
    data = ToyRDMs()
    broken = rdm(data.true).clone()
    broken[0, 1] = broken[1, 0] = torch.nan
    rows = {
        "net": Layers(flat=broken, good=rdm(data.true)),
        "none": Layers(flat=broken),
        "itself": GivenRDM(data.monkeys[0], "It.", {"monkeys": "it is itself"}),
    }
    found = judged(rows, data)
    assert any("net: constant patterns, left out of the layer search: flat" in note for note in found.notes)
    assert found.reasons["none", "rsa.people"] == "no layer has a matrix"
    assert found.reasons["itself", "rsa.monkeys"] == "it is itself"
    assert np.isnan(found.table["itself"]["rsa.monkeys"].value)
    assert found.table["itself"]["rsa.people"].n == 30
    with pytest.raises(ValueError, match=r"net, small: expected dissimilarities \[30, 30\]"):
        judged({"net": Layers(small=matrices(1)[0])}, data)


def test_matrices_of_responses_by_region_and_subject() -> None:
    data = ToyBrain()
    data.references = dict
    found = brain_rdms(data)
    response = data.arrays("test").response
    assert list(found) == ["all", "V1", "FFA"]  # "none" has no voxels
    assert found["all"].shape == (2, 30, 30) and found["V1"].shape == (1, 30, 30)  # one voxel is no pattern
    assert torch.allclose(found["FFA"][0], rdm(response[:, [4, 5]]))
    data.plain_facts |= {"voxels": 1, "subject_of": [0], "regions": {}}
    with pytest.raises(ValueError, match="no subject has two voxels"):
        brain_rdms(data)
    data = ToyBrain()
    data.presented[:, data.parts["test"][0], 0] = torch.nan
    with pytest.raises(ValueError, match="region all"):
        brain_rdms(data)
