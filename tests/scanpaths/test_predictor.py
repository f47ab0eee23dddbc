"""Scanpath models as rows: what they say to metrics, and where their fixations are."""

from types import SimpleNamespace

import pytest
import torch
from toys import one_row_a_trial, random_batch

from gazekit.metrics.functional import information_gain_bits
from gazekit.scanpaths.baselines import Pairwise, Uniform
from gazekit.scanpaths.likelihood import next_fixation, next_outcome
from gazekit.scanpaths.model import sample
from gazekit.scanpaths.predictor import ModelRow, likelihood_arguments, people_arguments


@pytest.fixture
def model() -> Pairwise:
    torch.manual_seed(0)
    return Pairwise({"max_fixations": 9}, width=8)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@torch.no_grad()
def test_likelihoods_have_the_names_of_the_arguments(model):
    batch = random_batch(targets=(2, None, 3))
    log_prob = model.log_prob(batch)
    said = likelihood_arguments(log_prob, batch)
    fixation, outcome = next_fixation(log_prob, batch), next_outcome(log_prob, batch)
    wanted = {
        "log_prob": fixation.log_prob, "log_chance": fixation.log_chance, "mask": fixation.mask,
        "outcome_log_prob": outcome.log_prob, "outcome_log_chance": outcome.log_chance,
        "outcome_mask": outcome.mask,
    }  # fmt: skip
    assert said.keys() == wanted.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(said[name], value, rtol=0, atol=0)


def test_likelihood_by_hand():
    """Two objects: a half for each of two fixations, then a third for STOP."""
    batch = random_batch(objects=(2,), lengths=(2,), targets=(None,))
    said = likelihood_arguments(Uniform().log_prob(batch), batch)
    torch.testing.assert_close(said["log_prob"].exp(), torch.full((1, 2), 1 / 2))
    torch.testing.assert_close(said["outcome_log_prob"].exp(), torch.tensor([[1 / 2, 1 / 3, 1 / 3]]))
    torch.testing.assert_close(said["outcome_log_chance"], said["outcome_log_prob"])
    assert said["outcome_mask"].tolist() == [[True] * 3]


def test_uniform_gains_nothing_exactly():
    batch = random_batch()
    said = Uniform().predict(batch, seeded(0))
    # float32 holds no logarithm of 1/5 that two ways of computing it share to the last bit
    for kind in ("", "outcome_"):
        gap = said[f"{kind}log_prob"] - said[f"{kind}log_chance"]
        assert gap[said["mask" if not kind else "outcome_mask"]].abs().max() < 2e-6
    assert said["mask"].sum(1).tolist() == [6, 1, 4, 0, 3]
    assert said["outcome_mask"].sum(1).tolist() == [7, 2, 5, 0, 4]  # nobody stops before the first fixation


def test_an_excluded_outcome_costs_infinitely_much():
    class Never(Uniform):
        def log_prob(self, batch):
            log_prob = super().log_prob(batch)
            log_prob[:, :, 0] = -torch.inf
            return log_prob

    batch = random_batch()
    said = Never().predict(batch, seeded(0))
    gain = information_gain_bits(said["log_prob"], said["log_chance"], said["mask"])
    assert gain == -torch.inf
    assert not said["log_prob"][said["mask"]].isnan().any()


def test_what_people_did_is_said_too():
    batch = random_batch(targets=(2, None, 3))
    said = people_arguments(batch)
    assert torch.equal(said["human_objects"], batch.objects)
    assert torch.equal(said["human_mask"], batch.mask)
    assert said["target"].tolist() == [2, -1, 3, 2, -1]  # of each trial's scene


@torch.no_grad()
def test_a_row_gives_scanpaths_of_its_own_and_everything_above(model):
    batch = random_batch()
    said = model.predict(batch, seeded(5), samples=4)
    paths = sample(model, one_row_a_trial(batch), 4, 9, seeded(5))
    assert torch.equal(said["model_objects"], paths.values)
    assert torch.equal(said["model_mask"], paths.mask)
    assert said["model_mask"].shape[:2] == (5, 4)
    assert set(said) == {
        "model_objects", "model_mask", *likelihood_arguments(model.log_prob(batch), batch), *people_arguments(batch),
    }  # fmt: skip


@torch.no_grad()
def test_the_generator_decides(model):
    batch = random_batch()
    one, same, other = (model.predict(batch, seeded(s), 3) for s in (1, 1, 2))
    assert torch.equal(one["model_objects"], same["model_objects"])
    assert torch.equal(one["model_mask"], same["model_mask"])
    assert one["model_objects"].shape != other["model_objects"].shape or not torch.equal(
        one["model_objects"], other["model_objects"]
    )


@pytest.mark.parametrize(("facts", "longest"), [({"max_fixations": 3}, 3), ({}, 50), (None, 50)])
def test_generated_scanpaths_are_cut_where_the_facts_say(facts, longest):
    model = Uniform(facts)
    assert model.max_fixations == longest
    said = model.predict(random_batch(), seeded(0), samples=200)
    lengths = said["model_mask"].sum(-1)
    assert lengths.max() == 3 if longest == 3 else 3 < lengths.max() <= 50


@torch.no_grad()
def test_positions_are_the_centres_of_the_objects(model):
    batch = random_batch()
    found = model.positions_px(batch, seeded(3), 2)
    scenes = one_row_a_trial(batch)
    paths = sample(model, scenes, 2, 9, seeded(3))
    assert len(found) == 2 * len(batch)
    for k, positions in enumerate(found):  # trial by trial
        trial, n = divmod(k, 2)
        objects = paths.values[trial, n][paths.mask[trial, n]]
        x0, y0, x1, y1 = scenes.boxes_px[trial][objects].double().unbind(-1)
        torch.testing.assert_close(positions, torch.stack([(x0 + x1) / 2, (y0 + y1) / 2], -1))
    assert found[0].dtype == torch.float64


def test_positions_and_arguments_are_of_the_same_draws(model):
    batch = random_batch()
    with torch.no_grad():
        said, positions = model.predict(batch, seeded(3), 2), model.positions_px(batch, seeded(3), 2)
    assert [len(path) for path in positions] == said["model_mask"].sum(-1).flatten().tolist()


@torch.no_grad()
def test_a_model_without_training_as_a_row(model):
    row = ModelRow(model, {"max_fixations": 9, "categories": ["pen"]}, "It is told.")
    assert row.model is model
    assert row.about == "It is told."
    assert row.facts["categories"] == ["pen"]
    batch = random_batch()
    said, own = row.predict(batch, seeded(1), 2), model.predict(batch, seeded(1), 2)
    for name, value in own.items():
        torch.testing.assert_close(said[name], value, rtol=0, atol=0)
    # the simulated observer is no module of torch
    assert ModelRow(SimpleNamespace(log_prob=None), {}, "").max_fixations == 50
