import numpy as np
import pytest
import torch
from toys import CATEGORIES, random_batch, random_scene, random_trial

from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.synthetic_search import CATEGORIES as SHAPE_NAMES
from gazekit.datasets.synthetic_search import load
from gazekit.metrics.functional import behaviour, edit_distance, information_gain_bits, sequence_score
from gazekit.report.evaluation import (
    TrialScores,
    image_of_trial,
    other_half,
    other_people,
    score_model,
    score_people,
)
from gazekit.scanpath import Scanpath
from gazekit.scanpaths.baselines import Pairwise, Uniform
from gazekit.scanpaths.likelihood import next_fixation, next_outcome
from gazekit.scanpaths.model import sample
from gazekit.scene import Scene, Trial, TrialBatch

STRIP = [[k, 0, k + 1, 1] for k in range(5)]


def data_of(paths: list[tuple[int, list[int]]], images: list[str | None]) -> ScanpathDataset:
    """Scenes of five objects, target 4; scanpaths as (scene, objects)."""
    scenes = tuple(
        Scene(f"s{i}", (5, 1), STRIP, target=4, attributes={} if image is None else {"image": image})
        for i, image in enumerate(images)
    )
    trials = tuple(
        Trial(scene, Scanpath([[0.5, 0.5]] * len(o), observer=f"o{k}"), np.array(o, int))
        for k, (scene, o) in enumerate(paths)
    )
    return ScanpathDataset("hand-made", scenes, trials)


def batches_of(data: ScanpathDataset, index: list[int], size: int, categories=CATEGORIES):
    for start in range(0, len(index), size):
        part = index[start : start + size]
        yield TrialBatch.from_trials(data.scenes, [data.trials[i] for i in part], part, categories)


@pytest.fixture
def three_people() -> ScanpathDataset:
    """Three people on scene 0, one alone on scene 1."""
    return data_of([(0, [0, 1, 4]), (0, [0, 4]), (1, [2]), (0, [0, 0, 1, 4])], ["a.jpg", None])


def people_scores(data: ScanpathDataset, index: list[int] | None = None, size: int = 10) -> TrialScores:
    index = list(range(len(data.trials))) if index is None else index
    return score_people(data, other_people(data, index), batches_of(data, index, size))


def test_people_are_scored_by_the_others(three_people):
    scores = people_scores(three_people)
    nan = torch.nan
    # common subsequences: 0 4 of 0 1 4 and of 0 0 1 4; 0 1 4 of 0 0 1 4
    expected = [(2 / 3 + 3 / 4) / 2, (2 / 3 + 2 / 4) / 2, nan, (3 / 4 + 2 / 4) / 2]
    torch.testing.assert_close(scores.sequence_score, torch.tensor(expected).double(), equal_nan=True)
    torch.testing.assert_close(
        scores.edit_distance, torch.tensor([1.0, 1.5, nan, 1.5]).double(), equal_nan=True
    )
    # found, length, search, refix, revisit: people all find it, the second in two fixations
    torch.testing.assert_close(scores.human_behaviour[3], torch.tensor([1, 4, 3 / 4, 1 / 4, 0]).double())
    torch.testing.assert_close(scores.human_behaviour[2], torch.tensor([0, 1, 1, 0, 0]).double())
    torch.testing.assert_close(scores.behaviour[0], torch.tensor([1, 3, 7 / 8, 1 / 8, 0]).double())
    assert scores.behaviour[2].isnan().all()


def test_people_have_no_information_gain(three_people):
    scores = people_scores(three_people)
    assert scores.gain_bits.isnan().all()
    assert scores.gain_with_stop_bits.isnan().all()
    assert scores.fixations.tolist() == [3, 2, 1, 4]
    assert scores.outcomes.tolist() == [4, 3, 2, 5]


def test_only_people_of_the_split_are_compared(three_people):
    scores = people_scores(three_people, [0, 3])
    assert scores.sequence_score.tolist() == [3 / 4, 3 / 4]
    assert people_scores(three_people, [2]).sequence_score.isnan().all()


def test_others_are_those_on_the_same_scene(three_people):
    assert other_people(three_people, [0, 1, 2, 3]) == {0: [1, 3], 1: [0, 3], 2: [], 3: [0, 1]}
    assert other_people(three_people, [3, 2, 0]) == {3: [0], 2: [], 0: [3]}


@pytest.mark.parametrize("seed", range(5))
def test_halves_of_the_observers_share_nobody(seed):
    """Six people on three scenes; trial 6 s + o is person o on scene s."""
    data = data_of([(scene, [0]) for scene in range(3) for _ in range(6)], [None] * 3)
    for i, trial in enumerate(data.trials):
        object.__setattr__(trial.scanpath, "observer", f"o{i % 6}")
    half = other_half(data, range(18), seed)
    first = {i % 6 for i in half}
    assert len(first) == 3
    assert sorted(half) == [i for i in range(18) if i % 6 in first]
    for i, others in half.items():
        assert others == [j for j in range(18) if j // 6 == i // 6 and j % 6 not in first]
    assert other_half(data, range(18), seed) == half
    chosen = other_half(data, range(6), seed)
    assert chosen == {i: others for i, others in half.items() if i < 6}


def test_halves_differ_from_seed_to_seed(three_people):
    halves = [tuple(other_half(three_people, range(4), seed)) for seed in range(10)]
    assert len(set(halves)) > 1


def test_somebody_alone_is_compared_with_nobody(three_people):
    halves = other_half(three_people, [2], 0)
    assert halves == {2: []}
    scores = score_people(three_people, halves, batches_of(three_people, list(halves), 1))
    assert scores.behaviour.isnan().all()


def test_the_half_that_is_compared_is_scored_alone(three_people):
    others = {0: [1, 3]}
    scores = score_people(three_people, others, batches_of(three_people, [0], 1))
    torch.testing.assert_close(scores.behaviour[0], torch.tensor([1, 3, 7 / 8, 1 / 8, 0]).double())
    torch.testing.assert_close(scores.human_behaviour[0], torch.tensor([1, 3, 1, 0, 0]).double())


def test_someone_who_saw_nothing():
    scores = people_scores(data_of([(0, []), (0, []), (0, [1])], [None]))
    # two empty scanpaths cannot be compared, so the third alone counts
    assert scores.sequence_score.tolist() == [0, 0, 0]
    assert scores.edit_distance.tolist() == [0.5, 0.5, 1]
    assert scores.outcomes.tolist() == [0, 0, 2]
    assert scores.behaviour[0, :2].tolist() == [0, 0.5]
    assert scores.behaviour[0, 2:].tolist() == [1, 0, 0]
    assert scores.behaviour[2, 2:].isnan().all()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_batches_do_not_change_peoples_scores(three_people, size):
    one, other = people_scores(three_people), people_scores(three_people, size=size)
    for name, value in vars(one).items():
        torch.testing.assert_close(getattr(other, name), value, equal_nan=True)


@pytest.fixture
def toy_data() -> ScanpathDataset:
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng, n, name=f"s{n}") for n in (4, 6, 5)]
    trials = [random_trial(rng, i % 3, scenes, length) for i, length in enumerate((5, 2, 0, 7, 1, 3))]
    return ScanpathDataset("toy", tuple(scenes), tuple(trials))


def test_uniform_gains_nothing_exactly(toy_data):
    scores = score_model(Uniform(), batches_of(toy_data, list(range(6)), 2), 3, 10, 0)
    # float32 holds no logarithm of 1/5 that two ways of computing it share to the last bit
    torch.testing.assert_close(scores.gain_bits, torch.zeros(6).double(), rtol=0, atol=3e-6)
    torch.testing.assert_close(scores.gain_with_stop_bits, torch.zeros(6).double(), rtol=0, atol=3e-6)
    assert scores.fixations.tolist() == [5, 2, 0, 7, 1, 3]
    assert scores.outcomes.tolist() == [6, 3, 0, 8, 2, 4]


def test_model_scores_equal_the_metrics_trial_by_trial(toy_data):
    torch.manual_seed(0)
    model = Pairwise()
    batch = next(batches_of(toy_data, list(range(6)), 6))
    scores = score_model(model, iter([batch]), 4, 9, seed=5)
    with torch.no_grad():
        log_prob = model.log_prob(batch)
    for likelihood, gain, count in (
        (next_fixation(log_prob, batch), scores.gain_bits, scores.fixations),
        (next_outcome(log_prob, batch), scores.gain_with_stop_bits, scores.outcomes),
    ):
        torch.testing.assert_close(gain.sum() / count.sum(), information_gain_bits(*likelihood))
    scenes = batch.scenes[batch.scene_of_trial]
    paths = sample(model, scenes, 4, 9, torch.Generator().manual_seed(5))
    for i, row in enumerate(zip(paths.values, paths.mask, strict=True)):
        human, human_mask = batch.objects[i].expand(4, -1), batch.mask[i].expand(4, -1)
        pair = (row[0], human, row[1], human_mask)
        torch.testing.assert_close(scores.sequence_score[i], sequence_score(*pair).mean())
        torch.testing.assert_close(scores.edit_distance[i], edit_distance(*pair).double().mean())
        own = behaviour(*row, scenes.target[i].expand(4))
        torch.testing.assert_close(scores.behaviour[i], own.mean(0), equal_nan=True)
    expected = behaviour(batch.objects, batch.mask, scenes.target)
    torch.testing.assert_close(scores.human_behaviour, expected, equal_nan=True)


def test_seed_decides_and_progress_is_told(toy_data):
    done = []

    def scores(seed: int) -> TrialScores:
        return score_model(
            Uniform(), batches_of(toy_data, list(range(6)), 4), 2, 9, seed, advance=done.append
        )

    one, same, other = scores(1), scores(1), scores(2)
    assert done == [4, 2] * 3
    assert torch.equal(one.edit_distance, same.edit_distance)
    assert not torch.equal(one.edit_distance, other.edit_distance)


def test_an_excluded_outcome_costs_infinitely_much():
    class Never(Uniform):
        def log_prob(self, batch):
            log_prob = super().log_prob(batch)
            log_prob[:, :, 0] = -torch.inf
            return log_prob

    scores = score_model(Never(), iter([random_batch()]), 1, 5, 0)
    assert (scores.gain_bits == -torch.inf).any()
    assert not scores.gain_bits.isnan().any()


def test_the_observer_knows_best():
    data = load(n_scenes=60, n_observers=2, max_fixations=15)
    index = list(range(len(data.trials)))
    gains = []
    for model in (data.observer, Uniform()):
        scores = score_model(model, batches_of(data, index, 60, SHAPE_NAMES), 1, 15, 0)
        gains.append(scores.gain_with_stop_bits.sum() / scores.outcomes.sum())
    assert gains[0] > gains[1] + 0.5


def test_images_are_counted_by_name():
    data = data_of([(0, [0]), (2, [1]), (1, [0]), (0, [1])], ["b.jpg", "a.jpg", "b.jpg"])
    assert image_of_trial(data, [0, 1, 2, 3]).tolist() == [1, 1, 0, 1]  # scenes 0 and 2 share a picture
    assert image_of_trial(data, [1, 3]).tolist() == [0, 0]  # counted from 0 in every split


def test_scenes_without_an_image_are_their_own():
    data = data_of([(0, [0]), (1, [1]), (2, [0]), (1, [1])], [None, None, "a.jpg"])
    assert len(set(image_of_trial(data, [0, 1, 2]).tolist())) == 3
    number = image_of_trial(data, [0, 1, 2, 3])
    assert number[1] == number[3]
    assert sorted(set(number.tolist())) == [0, 1, 2]


def test_an_image_named_like_the_number_of_a_scene_is_another():
    data = data_of([(0, [0]), (1, [1])], [None, "0"])
    assert len(set(image_of_trial(data, [0, 1]).tolist())) == 2
