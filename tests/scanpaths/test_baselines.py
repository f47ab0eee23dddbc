import numpy as np
import pytest
import torch
from toys import one_row_a_trial, random_batch, seen, stepwise

from gazekit.base import Data
from gazekit.datasets.files import grid_boxes
from gazekit.scanpath import Scanpath
from gazekit.scanpaths.baselines import Marginal, Pairwise, Uniform
from gazekit.scanpaths.likelihood import negative_log_likelihood
from gazekit.scene import Scene, Trial, TrialBatch

SIZE = (600, 400)


def grid_batch(paths: list[list[int]], rows: int = 2, columns: int = 3) -> TrialBatch:
    scene = Scene("grid", SIZE, grid_boxes(SIZE, rows, columns))
    trials = [Trial(0, Scanpath(np.ones((len(p), 2))), np.array(p, int)) for p in paths]
    return TrialBatch.from_trials([scene], trials, range(len(trials)))


class Given(Data):
    """Training batches that are there already."""

    def __init__(self, batches):
        super().__init__()
        self.given = list(batches)

    def batches(self, part, facts=None):
        assert part == "train"
        return iter(self.given)

    def training_batch(self, step, rank=0, processes=1):
        return self.given[step % len(self.given)]


def fitted(model, batches):
    model.fit(Given(batches))
    return model


def drawn_paths(seed: int, n: int, weights: np.ndarray) -> list[list[int]]:
    """Scanpaths of independent fixations, four on average."""
    rng = np.random.default_rng(seed)
    return [rng.choice(len(weights), rng.integers(1, 8), p=weights).tolist() for _ in range(n)]


@pytest.fixture(params=["uniform", "marginal", "pairwise known", "pairwise hidden"])
def model(request):
    torch.manual_seed(0)
    name, _, position = request.param.partition(" ")
    if name == "uniform":
        return Uniform()
    if name == "marginal":
        return fitted(Marginal(), [random_batch(seed) for seed in range(5)])
    model = Pairwise(width=16, target_position=position)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


@torch.no_grad()
@pytest.mark.parametrize("targets", [(2, 0, 3), (None, 4, None)], ids=["search", "some without target"])
def test_step_by_step_equals_all_at_once(model, targets):
    batch = random_batch(targets=targets)
    belongs = seen(batch)
    torch.testing.assert_close(stepwise(model, batch)[belongs], model.log_prob(batch)[belongs])


@torch.no_grad()
def test_selection_goes_on_as_if_the_others_had_stayed(model):
    scenes = random_batch().scenes
    state = model.advance(model.begin(scenes, 2), torch.tensor([[1, 2], [0, 6], [3, 3]]))
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(model.next_log_prob(state.select(rows)), model.next_log_prob(state)[rows])


def test_uniform_is_exact():
    batch = random_batch()
    probability = Uniform().log_prob(batch).exp()
    n = one_row_a_trial(batch).object_mask.sum(1)
    for row, count in zip(probability, n.tolist(), strict=True):
        torch.testing.assert_close(row[0, :count], torch.full((count,), 1 / count))
        torch.testing.assert_close(row[1:, :count], torch.full((6, count), 1 / (count + 1)))
        torch.testing.assert_close(row[1:, -1], torch.full((6,), 1 / (count + 1)))
        assert (row[:, count:-1] == 0).all()
    assert list(Uniform().parameters()) == []


def test_marginal_on_a_grid_counts_fixations():
    weights = np.array([0.3, 0.1, 0.25, 0.05, 0.1, 0.2])
    paths = drawn_paths(0, 800, weights)
    batch = grid_batch(paths)
    model = fitted(Marginal(), [batch])
    probability = model.log_prob(grid_batch([[0, 1]])).exp()[0]
    flat = np.concatenate(paths)
    counted = torch.tensor(np.bincount(flat, minlength=6) / len(flat)).float()
    torch.testing.assert_close(probability[0, :6], counted, rtol=0.01, atol=0)
    stop = torch.tensor(len(paths) / len(flat)).float()  # one of so many fixations is the last
    torch.testing.assert_close(probability[1, 6], stop)
    torch.testing.assert_close(probability[2, :6], counted * (1 - stop), rtol=0.01, atol=0)


def test_marginal_does_not_depend_on_the_batches():
    paths = drawn_paths(1, 60, np.full(6, 1 / 6))
    whole = fitted(Marginal(), [grid_batch(paths)])
    pieces = fitted(Marginal(), (grid_batch(paths[k : k + 7]) for k in range(0, 60, 7)))
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(pieces.state_dict()[name], value)


def test_marginal_corrects_for_how_often_a_place_is_offered():
    """One place is offered by both scenes, two by one scene each; nobody prefers any."""
    common, left, right = [0, 0, 50, 50], [150, 300, 200, 350], [500, 150, 550, 200]
    scenes = [Scene(f"s{i}", SIZE, [common, other]) for i, other in enumerate((left, right))]
    trials = [Trial(i % 2, Scanpath(np.ones((2, 2))), np.arange(2)) for i in range(600)]
    batch = TrialBatch.from_trials(scenes, trials, range(600))
    probability = fitted(Marginal(), [batch]).log_prob(batch).exp()[:2, 0, :2]
    torch.testing.assert_close(probability, torch.full((2, 2), 1 / 2), rtol=0.02, atol=0)


def test_marginal_carries_over_to_other_layouts():
    """Learned on a grid, asked about two objects elsewhere: left was looked at three times as often."""
    model = fitted(Marginal(), [grid_batch([[0], [0], [0], [1]] * 200, 1, 2)])
    scene = Scene("two", (60, 40), [[40, 10, 50, 30], [10, 10, 20, 30]])
    trial = Trial(0, Scanpath([]), np.zeros(0, int))
    probability = model.log_prob(TrialBatch.from_trials([scene], [trial], [0])).exp()[0, 0]
    torch.testing.assert_close(probability, torch.tensor([0.25, 0.75, 0.0]), rtol=0.02, atol=0)


def test_marginal_without_scanpaths_is_uniform():
    batch = grid_batch([[], []])
    probability = fitted(Marginal(), [batch]).log_prob(batch).exp()[0, 0, :6]
    torch.testing.assert_close(probability, torch.full((6,), 1 / 6))


def test_marginal_beats_chance_where_places_matter():
    weights = np.array([0.5, 0.1, 0.1, 0.1, 0.1, 0.1])
    model = fitted(Marginal(), [grid_batch(drawn_paths(0, 300, weights))])
    unseen = grid_batch(drawn_paths(1, 300, weights))
    assert negative_log_likelihood(model.log_prob(unseen), unseen) < negative_log_likelihood(
        Uniform().log_prob(unseen), unseen
    )


def test_pairwise_learns_what_lies_between():
    """Scanpaths that always go one column to the right and stop at the end are learned nearly exactly."""
    torch.manual_seed(0)
    batch = grid_batch([list(range(k, 6)) for k in range(6)], 1, 6)
    model = fitted(Pairwise(width=32), [batch])
    later = model.log_prob(batch).exp()[0]  # the path 0 1 2 3 4 5
    assert min(later[t, t].item() for t in range(1, 6)) > 0.8
    assert model.log_prob(batch).exp()[0, 0, 0] < 0.5  # where it begins is anybody's guess


def test_pairwise_is_fitted_in_as_many_steps_as_it_is_told():
    torch.manual_seed(0)
    asked = []

    class Counted(Given):
        def training_batch(self, step, rank=0, processes=1):
            asked.append(step)
            return super().training_batch(step)

    model = Pairwise(width=8, steps=5)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.fit(Counted([grid_batch([[0, 1, 2]])]))
    assert asked == list(range(5))
    assert not model.training
    assert all(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_uniform_has_nothing_to_learn():
    model = fitted(Uniform(), [])
    assert model.state_dict() == {}


def test_pairwise_sees_no_looks():
    torch.manual_seed(0)
    batch = random_batch(crop=(4, 3))
    model = Pairwise()
    before = model.log_prob(batch)
    batch.scenes.category.zero_()
    batch.scenes.crops.zero_()
    torch.testing.assert_close(model.log_prob(batch), before)


def test_pairwise_refuses_other_target_positions():
    with pytest.raises(ValueError, match="target_position must be 'known' or 'hidden', got 'secret'"):
        Pairwise(target_position="secret")
