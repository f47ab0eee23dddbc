"""Rows of a report over objects: hand-made numbers, and the metrics of scanpaths on people and on models."""

import math

import numpy as np
import pytest
import torch
from toys import random_scene, random_trial

from gazekit.base.scores import Settings
from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.scanpath_data import ScanpathData
from gazekit.metrics import (
    BehaviourDelta,
    EditDistance,
    InformationGain,
    InformationGainWithStop,
    Score,
    SearchBehaviour,
    SequenceScore,
)
from gazekit.metrics.functional import PARTS, behaviour, edit_distance, information_gain_bits, sequence_score
from gazekit.report.score import columns_of, score
from gazekit.scanpath import Scanpath
from gazekit.scanpaths.baselines import Pairwise, Uniform
from gazekit.scanpaths.likelihood import next_fixation, next_outcome
from gazekit.scanpaths.model import sample
from gazekit.scanpaths.people import OtherHalf, OtherPeople, other_half
from gazekit.scene import Scene, Trial

NAN = math.nan
HEADLINE = (
    "information_gain_bits", "information_gain_with_stop_bits", "sequence_score", "edit_distance", "behaviour_delta"
)  # fmt: skip


def metrics() -> dict:
    made = (InformationGain(), InformationGainWithStop(), SequenceScore(), EditDistance(), BehaviourDelta())
    return dict(zip(HEADLINE, made, strict=True)) | {"search_behaviour": SearchBehaviour()}


# ------------------------------------------------------------------ hand-made numbers

IMAGE = [0, 0, 1, 2]
"""Four trials, two on image 0 and one each on images 1 and 2."""


def gains(bits: list[float], fixations: list[int]) -> dict:
    """Arguments of a gain whose sum over each trial's fixations is `bits`."""
    mask = torch.arange(max(fixations)) < torch.tensor(fixations)[:, None]
    share = torch.tensor(bits).double() / torch.tensor(fixations).clamp(min=1)
    return {"log_prob": share[:, None] * math.log(2) + torch.zeros(mask.shape), "log_chance": torch.zeros(mask.shape),
            "mask": mask}  # fmt: skip


def facts(**changes) -> dict:
    return {
        "gain_bits": [3.0, 1.0, 8.0, 0.0],
        "fixations": [2, 2, 4, 0],
        "gain_with_stop_bits": [4.0, 2.0, 9.0, 0.0],
        "outcomes": [3, 3, 5, 0],
        "sequence_score": [0.5, 0.25, 0.75, NAN],
        "edit_distance": [2.0, 4.0, 1.0, 5.0],
        "behaviour": [
            [1, 4, 0.5, 0.25, 0.25], [0, 4, 0.5, 0.25, 0.25], [1, 4, 0.5, 0.25, 0.25], [1, 4, 1, 0, 0],
        ],
        "human_behaviour": [
            [1, 2, 0.5, 0.5, 0], [0, 2, 0.5, 0, 0.5], [1, 2, 0.5, 0.25, 0.25], [0, 0, NAN, NAN, NAN],
        ],
        **changes,
    }  # fmt: skip


def row(values: dict | None = None, n_resamples: int = 50, seed: int = 0, image=IMAGE) -> dict[str, Score]:
    """The columns that the metrics make of these facts."""
    values, made, group = values or facts(), metrics(), torch.tensor(image)
    made["information_gain_bits"].update(**gains(values["gain_bits"], values["fixations"]), group=group)
    with_stop = gains(values["gain_with_stop_bits"], values["outcomes"])
    names = {
        "log_prob": "outcome_log_prob",
        "log_chance": "outcome_log_chance",
        "mask": "outcome_mask",
    }
    made["information_gain_with_stop_bits"].update(**{names[k]: v for k, v in with_stop.items()}, group=group)
    for name in ("sequence_score", "edit_distance"):
        made[name].add(torch.tensor(values[name]).double(), group)
    both = torch.cat([torch.tensor(values[k]).double() for k in ("behaviour", "human_behaviour")], 1)
    for name in ("behaviour_delta", "search_behaviour"):
        made[name].add_grouped(both, group)
    return {
        column: found
        for name, metric in made.items()
        for column, found in columns_of(name, metric.interval(n_resamples, seed=seed))
    }


def test_every_column_is_there_with_plain_numbers():
    made = row()
    parts = {f"{name}.{part}" for name in ("behaviour_delta", "search_behaviour") for part in PARTS}
    assert set(HEADLINE) | parts == set(made)
    for found in made.values():
        assert isinstance(found, Score)
        assert [type(x) for x in found] == [float, float, float, int, int]


def test_gain_is_a_mean_over_fixations_and_not_over_trials():
    made = row()
    gain, with_stop = made["information_gain_bits"], made["information_gain_with_stop_bits"]
    assert gain.value == pytest.approx(12 / 8)
    assert (gain.n, gain.undefined) == (8, 0)
    assert with_stop.value == pytest.approx(15 / 11)
    assert with_stop.n == 11


def test_undefined_trials_are_counted_and_left_out():
    made = row()
    assert made["sequence_score"].value == pytest.approx(0.5)
    assert made["sequence_score"][3:] == (3, 1)
    assert made["edit_distance"].value == pytest.approx(3.0)
    assert made["edit_distance"][3:] == (4, 0)


def test_behaviour_is_compared_where_both_sides_define_it():
    made = row()
    # found and length of four trials, fractions of three: the fourth person fixated nothing
    assert made["search_behaviour.found"].value == pytest.approx(3 / 4)
    assert made["search_behaviour.length"].value == pytest.approx(4)
    assert made["search_behaviour.search"].value == pytest.approx(0.5)
    for name in ("search_behaviour", "behaviour_delta"):
        assert [made[f"{name}.{part}"].n for part in PARTS] == [4, 4, 3, 3, 3]
        assert [made[f"{name}.{part}"].undefined for part in PARTS] == [0, 0, 1, 1, 1]
    deviations = [abs(3 / 4 - 1 / 2) / (1 / 2), abs(4 - 1.5) / 1.5, 0, 0, 0]
    for part, deviation in zip(PARTS, deviations, strict=True):
        assert made[f"behaviour_delta.{part}"].value == pytest.approx(deviation, abs=1e-12)
    assert made["behaviour_delta"].value == pytest.approx(sum(deviations) / 5)
    assert made["behaviour_delta"][3:] == (3, 1)


def test_without_probabilities():
    gain = row(facts(gain_bits=[NAN] * 4))["information_gain_bits"]
    assert all(math.isnan(x) for x in gain[:3])
    assert gain[3:] == (0, 8)


def test_free_viewing_leaves_found_out_of_the_delta():
    unknown = {
        name: [[NAN, *line[1:]] for line in facts()[name]] for name in ("behaviour", "human_behaviour")
    }
    made = row(facts(**unknown))
    assert math.isnan(made["search_behaviour.found"].value)
    assert made["search_behaviour.found"].undefined == 4
    assert made["behaviour_delta"].value == pytest.approx(2.5 / 1.5 / 4)
    assert made["behaviour_delta"].n == 3


def test_infinite_gain_stays_infinite():
    gain = row(facts(gain_bits=[-math.inf, 1, 8, 0]))["information_gain_bits"]
    assert gain.value == -math.inf
    assert math.isnan(gain.low)


def test_intervals_draw_whole_images():
    """One image: nothing is known of others. Equal images: no spread."""
    assert math.isnan(row(image=[0, 0, 0, 0])["edit_distance"].low)
    equal = row(facts(edit_distance=[1.0, 3.0, 2.0, 2.0]))["edit_distance"]  # the mean of image 0 is 2, too
    assert equal.low == pytest.approx(2)
    assert equal.high == pytest.approx(2)
    spread = row(n_resamples=500)["edit_distance"]
    assert spread.low < spread.value < spread.high


def test_seed_decides():
    assert str(row(seed=3)) == str(row(seed=3))
    assert row(seed=3)["edit_distance"] != row(seed=4)["edit_distance"]


# ------------------------------------------------------------------ people and models


def ready(dataset: ScanpathDataset, batch_size: int = 10) -> ScanpathData:
    data = ScanpathData("hand-made", split="all", batch_size=batch_size)
    data.use(dataset)
    return data


@pytest.fixture
def three_people() -> ScanpathDataset:
    """Three people on scene 0, one alone on scene 1; five objects, target 4."""
    strip = [[k, 0, k + 1, 1] for k in range(5)]
    scenes = tuple(Scene(f"s{i}", (5, 1), strip, target=4) for i in range(2))
    paths = [(0, [0, 1, 4]), (0, [0, 4]), (1, [2]), (0, [0, 0, 1, 4])]
    trials = (
        Trial(scene, Scanpath([[0.5, 0.5]] * len(o), observer=f"o{k}"), np.array(o))
        for k, (scene, o) in enumerate(paths)
    )
    return ScanpathDataset("hand-made", scenes, tuple(trials))


@pytest.mark.parametrize("batch_size", [1, 3, 10])
def test_people_by_all_others(three_people, batch_size):
    rows = {"people": OtherPeople(three_people.trials, range(4)), "uniform": Uniform()}
    found = score(rows, ready(three_people, batch_size), metrics(), Settings(resamples=20))
    people = found.table["people"]
    assert people["sequence_score"].value == pytest.approx(
        ((2 / 3 + 3 / 4) + (2 / 3 + 2 / 4) + (3 / 4 + 2 / 4)) / 6
    )
    assert people["edit_distance"].value == pytest.approx((1 + 1.5 + 1.5) / 3)
    assert people["sequence_score"][3:] == people["edit_distance"][3:] == (3, 1)
    # others' lengths: (2 + 4) / 2, (3 + 4) / 2, (3 + 2) / 2; who is alone counts nowhere
    assert people["search_behaviour.length"].value == pytest.approx(3)
    assert people["search_behaviour.found"].value == 1
    assert people["search_behaviour.length"][3:] == (3, 1)
    assert people["information_gain_bits"][3:] == (0, 10)
    assert people["information_gain_with_stop_bits"][3:] == (0, 14)
    for column in ("information_gain_bits", "information_gain_with_stop_bits"):
        assert math.isnan(people[column].value)
        assert found.reasons["people", column] == "people give scanpaths, not probabilities"
    assert math.isnan(people["behaviour_delta"].value)
    assert people["behaviour_delta"][3:] == (0, 4)
    assert "0 by construction" in found.reasons["people", "behaviour_delta"]
    assert not any(row == "uniform" for row, _ in found.reasons)


def test_one_half_of_people_by_the_other():
    """Six people on three scenes. Those of the second half predict and are not predicted."""
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng, 5, name=f"s{i}") for i in range(3)]
    trials = [random_trial(rng, i % 3, scenes, 2 + i % 4) for i in range(18)]
    for k, trial in enumerate(trials):
        object.__setattr__(trial.scanpath, "observer", f"o{k // 3}")
    data = ready(ScanpathDataset("toy", tuple(scenes), tuple(trials)), 4)
    halves = other_half(trials, range(18), 7)
    found = score({"half": OtherHalf(trials, range(18))}, data, metrics(), Settings(resamples=20, seed=7))
    half = found.table["half"]
    assert half["edit_distance"][3:] == half["behaviour_delta"][3:] == (9, 9)
    distances = [
        np.mean(
            [
                float(edit_distance(torch.tensor(trials[j].objects), torch.tensor(trials[i].objects)))
                for j in others
            ]
        )
        for i, others in halves.items()
    ]
    assert half["edit_distance"].value == pytest.approx(np.mean(distances))
    lengths = [np.mean([len(trials[j].objects) for j in others]) for others in halves.values()]
    human = [len(trials[i].objects) for i in halves]
    assert half["search_behaviour.length"].value == pytest.approx(np.mean(lengths))
    deviation = abs(np.mean(lengths) - np.mean(human)) / np.mean(human)
    assert half["behaviour_delta.length"].value == pytest.approx(deviation)
    assert found.reasons["half", "edit_distance"] == OtherHalf.reasons["model_objects"]


@pytest.fixture
def toy_data() -> ScanpathDataset:
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng, n, name=f"s{n}") for n in (4, 6, 5)]
    trials = [random_trial(rng, i % 3, scenes, length) for i, length in enumerate((5, 2, 0, 7, 1, 3))]
    return ScanpathDataset("toy", tuple(scenes), tuple(trials))


def test_uniform_gains_nothing(toy_data):
    table = score({"uniform": Uniform()}, ready(toy_data, 2), metrics(), Settings(3, 20)).table["uniform"]
    assert table["information_gain_bits"].value == pytest.approx(0, abs=2e-6)
    assert table["information_gain_with_stop_bits"].value == pytest.approx(0, abs=2e-6)
    assert table["information_gain_bits"].n == 5 + 2 + 7 + 1 + 3
    assert table["information_gain_with_stop_bits"].n == 6 + 3 + 8 + 2 + 4


def test_scores_of_a_model_equal_the_functions_trial_by_trial(toy_data):
    torch.manual_seed(0)
    model, data = Pairwise({"max_fixations": 9}), ready(toy_data)
    table = score({"model": model}, data, metrics(), Settings(samples=4, resamples=20, seed=5)).table["model"]
    batch = next(data.batches("all"))
    with torch.no_grad():
        log_prob = model.log_prob(batch)
    for likelihood, column in (
        (next_fixation(log_prob, batch), "information_gain_bits"),
        (next_outcome(log_prob, batch), "information_gain_with_stop_bits"),
    ):
        assert table[column].value == pytest.approx(information_gain_bits(*likelihood).item(), abs=1e-6)
    scenes = batch.scenes[batch.scene_of_trial]
    paths = sample(model, scenes, 4, 9, torch.Generator().manual_seed(5))
    scores, distances, own = [], [], []
    for i, one in enumerate(zip(paths.values, paths.mask, strict=True)):
        human, human_mask = batch.objects[i].expand(4, -1), batch.mask[i].expand(4, -1)
        pair = (one[0], human, one[1], human_mask)
        scores.append(sequence_score(*pair).nanmean())
        distances.append(edit_distance(*pair).double().mean())
        own.append(behaviour(*one, scenes.target[i].expand(4)).nanmean(0))
    assert table["sequence_score"].value == pytest.approx(torch.stack(scores).nanmean().item())
    assert table["edit_distance"].value == pytest.approx(torch.stack(distances).mean().item())
    people = behaviour(batch.objects, batch.mask, scenes.target)
    own = torch.where(people.isnan(), torch.nan, torch.stack(own)).nanmean(0)
    for part, value in zip(PARTS, own.tolist(), strict=True):
        assert table[f"search_behaviour.{part}"].value == pytest.approx(value)
