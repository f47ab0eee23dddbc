"""People as rows: who predicts whom, and what that makes of hand-made scanpaths."""

import numpy as np
import pytest
import torch
from toys import CATEGORIES

from gazekit.datasets.records import ScanpathDataset
from gazekit.metrics.functional import behaviour, edit_distance, sequence_score
from gazekit.scanpath import Scanpath
from gazekit.scanpaths.people import OtherHalf, OtherPeople, other_half, other_people
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


def said_of(row: OtherPeople, data: ScanpathDataset, index: list[int], size: int = 10, seed: int = 0) -> list:
    """Trials and what the row says of them, batch by batch."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for start in range(0, len(index), size):
        part = index[start : start + size]
        batch = TrialBatch.from_trials(data.scenes, [data.trials[i] for i in part], part, CATEGORIES)
        found.append(row.predict(batch, generator))
    return found


def means(said: dict, trial: int) -> list[float]:
    """Sequence score, edit distance and behaviour of a trial: means over the people that predict it."""
    present = said["model_present"][trial]
    values, mask = said["model_objects"][trial][present], said["model_mask"][trial][present]
    n = int(present.sum())
    human = said["human_objects"][trial].expand(n, -1), said["human_mask"][trial].expand(n, -1)
    pair = (values, human[0], mask, human[1])
    own = behaviour(values, mask, said["target"][trial].expand(n))
    columns = torch.cat([sequence_score(*pair)[:, None], edit_distance(*pair)[:, None].double(), own], 1)
    return columns.nanmean(0).tolist()


def scores_of(row: OtherPeople, data: ScanpathDataset, index: list[int], size: int = 10) -> torch.Tensor:
    """[M, 7] of all trials."""
    rows = [means(said, k) for said in said_of(row, data, index, size) for k in range(len(said["target"]))]
    return torch.tensor(rows, dtype=torch.float64)


def people_scores(data: ScanpathDataset, index: list[int] | None = None, size: int = 10) -> torch.Tensor:
    index = list(range(len(data.trials))) if index is None else index
    return scores_of(OtherPeople(data.trials, index), data, index, size)


class Chosen(OtherPeople):
    """Whoever is told predicts."""

    def __init__(self, trials, others):
        super().__init__(trials, list(others))
        self._told = others

    def others(self, seed):
        return self._told


@pytest.fixture
def three_people() -> ScanpathDataset:
    """Three people on scene 0, one alone on scene 1."""
    return data_of([(0, [0, 1, 4]), (0, [0, 4]), (1, [2]), (0, [0, 0, 1, 4])], ["a.jpg", None])


def close(found, wanted) -> None:
    torch.testing.assert_close(found, torch.tensor(wanted).double(), equal_nan=True)


def test_people_are_scored_by_the_others(three_people):
    scores = people_scores(three_people)
    nan = torch.nan
    # common subsequences: 0 4 of 0 1 4 and of 0 0 1 4; 0 1 4 of 0 0 1 4
    close(scores[:, 0], [(2 / 3 + 3 / 4) / 2, (2 / 3 + 2 / 4) / 2, nan, (3 / 4 + 2 / 4) / 2])
    close(scores[:, 1], [1.0, 1.5, nan, 1.5])
    # found, length, search, refix, revisit: people all find it, the second in two fixations
    close(scores[0, 2:], [1, 3, 7 / 8, 1 / 8, 0])
    assert scores[2].isnan().all()


def test_the_scanpaths_are_those_of_the_others(three_people):
    (said,) = said_of(OtherPeople(three_people.trials, range(4)), three_people, [0, 1, 2, 3])
    assert said["model_present"].tolist() == [[True, True], [True, True], [False, False], [True, True]]
    paths = [
        [path[mask].tolist() for path, mask, there in zip(*row, strict=True) if there]
        for row in zip(said["model_objects"], said["model_mask"], said["model_present"], strict=True)
    ]
    assert paths == [[[0, 4], [0, 0, 1, 4]], [[0, 1, 4], [0, 0, 1, 4]], [], [[0, 1, 4], [0, 4]]]
    assert not said["model_mask"][~said["model_present"]].any()  # padding holds nothing
    own = behaviour(said["human_objects"], said["human_mask"], said["target"])
    close(own[3], [1, 4, 3 / 4, 1 / 4, 0])
    close(own[2], [0, 1, 1, 0, 0])


def test_an_empty_scanpath_is_not_padding():
    data = data_of([(0, [1]), (0, []), (1, [2]), (1, [3])], [None, None])
    (said,) = said_of(OtherPeople(data.trials, range(4)), data, [0, 1, 2, 3])
    assert said["model_present"].tolist() == [[True]] * 4
    assert said["model_mask"].any(-1).tolist() == [[False], [True], [True], [True]]


def test_people_have_no_information_gain(three_people):
    row = OtherPeople(three_people.trials, range(4))
    (said,) = said_of(row, three_people, [0, 1, 2, 3])
    assert said["log_prob"][said["mask"]].isnan().all()
    assert said["outcome_log_prob"][said["outcome_mask"]].isnan().all()
    assert said["mask"].sum(1).tolist() == [3, 2, 1, 4]
    assert said["outcome_mask"].sum(1).tolist() == [4, 3, 2, 5]
    for name in ("log_prob", "outcome_log_prob"):
        for kind in (OtherPeople, OtherHalf):
            assert kind.reasons[name] == "people give scanpaths, not probabilities"


def test_the_delta_belongs_to_the_halves():
    assert "0 by construction" in OtherPeople.reasons["behaviour_delta"]
    assert "behaviour_delta" not in OtherHalf.reasons
    assert "half" in OtherHalf.reasons["model_objects"]


def test_only_people_of_the_split_are_compared(three_people):
    close(people_scores(three_people, [0, 3])[:, 0], [3 / 4, 3 / 4])
    assert people_scores(three_people, [2]).isnan().all()


def test_others_are_those_on_the_same_scene(three_people):
    trials = three_people.trials
    assert other_people(trials, [0, 1, 2, 3]) == {0: [1, 3], 1: [0, 3], 2: [], 3: [0, 1]}
    assert other_people(trials, [3, 2, 0]) == {3: [0], 2: [], 0: [3]}


def six_people() -> ScanpathDataset:
    """Six people on three scenes; trial 6 s + o is person o on scene s."""
    data = data_of([(scene, [o % 5]) for scene in range(3) for o in range(6)], [None] * 3)
    for i, trial in enumerate(data.trials):
        object.__setattr__(trial.scanpath, "observer", f"o{i % 6}")
    return data


@pytest.mark.parametrize("seed", range(5))
def test_halves_of_the_observers_share_nobody(seed):
    trials = six_people().trials
    half = other_half(trials, range(18), seed)
    first = {i % 6 for i in half}
    assert len(first) == 3
    assert sorted(half) == [i for i in range(18) if i % 6 in first]
    for i, others in half.items():
        assert others == [j for j in range(18) if j // 6 == i // 6 and j % 6 not in first]
    assert other_half(trials, range(18), seed) == half
    chosen = other_half(trials, range(6), seed)
    assert chosen == {i: others for i, others in half.items() if i < 6}


def test_halves_differ_from_seed_to_seed(three_people):
    halves = [tuple(other_half(three_people.trials, range(4), seed)) for seed in range(10)]
    assert len(set(halves)) > 1


@pytest.mark.parametrize("seed", [0, 3])
def test_one_half_predicts_the_other(seed):
    data = six_people()
    halves = other_half(data.trials, range(18), seed)
    row = OtherHalf(data.trials, range(18))
    predicted = 0
    for said, start in zip(said_of(row, data, list(range(18)), 5, seed), range(0, 18, 5), strict=True):
        for k, present in enumerate(said["model_present"]):
            others = halves.get(start + k, [])  # who is not in the first half is predicted by nobody
            assert said["model_objects"][k][present][:, :1].flatten().tolist() == [j % 6 % 5 for j in others]
            predicted += bool(present.any())
    assert predicted == 9


def test_somebody_alone_is_compared_with_nobody(three_people):
    assert other_half(three_people.trials, [2], 0) == {2: []}
    assert scores_of(OtherHalf(three_people.trials, [2]), three_people, [2]).isnan().all()
    (said,) = said_of(OtherHalf(three_people.trials, [2]), three_people, [2])
    assert said["model_present"].shape == (1, 0)
    assert said["model_objects"].shape == said["model_mask"].shape == (1, 0, 0)


def test_the_half_that_is_compared_is_scored_alone(three_people):
    row = Chosen(three_people.trials, {0: [1, 3]})
    close(scores_of(row, three_people, [0])[0, 2:], [1, 3, 7 / 8, 1 / 8, 0])
    (said,) = said_of(row, three_people, [0])
    own = behaviour(said["human_objects"], said["human_mask"], said["target"])
    close(own[0], [1, 3, 1, 0, 0])


def test_someone_who_saw_nothing():
    data = data_of([(0, []), (0, []), (0, [1])], [None])
    scores = people_scores(data)
    # two empty scanpaths cannot be compared, so the third alone counts
    close(scores[:, 0], [0, 0, 0])
    close(scores[:, 1], [0.5, 0.5, 1])
    (said,) = said_of(OtherPeople(data.trials, range(3)), data, [0, 1, 2])
    assert said["outcome_mask"].sum(1).tolist() == [0, 0, 2]
    close(scores[0, 2:4], [0, 0.5])
    close(scores[0, 4:], [1, 0, 0])
    assert scores[2, 4:].isnan().all()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_batches_do_not_change_peoples_scores(three_people, size):
    torch.testing.assert_close(
        people_scores(three_people, size=size), people_scores(three_people), equal_nan=True
    )
