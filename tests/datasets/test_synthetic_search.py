import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from toys import stepwise

from gazekit.datasets.synthetic_search import CATEGORIES, COLOURS, FAMILIES, SHAPES, SimulatedObserver, load
from gazekit.scanpaths.model import sample
from gazekit.scene import SceneBatch, TrialBatch


@pytest.fixture(scope="module")
def data():
    return load(n_scenes=30, n_observers=2, seed=0)


@pytest.fixture(scope="module")
def batch(data) -> TrialBatch:
    return TrialBatch.from_trials(data.scenes, data.trials, range(len(data.trials)), CATEGORIES)


def test_same_seed_same_data(data):
    again, other = load(n_scenes=30, n_observers=2, seed=0), load(n_scenes=30, n_observers=2, seed=1)
    assert again.fingerprint() == data.fingerprint()
    assert other.fingerprint()["digest"] != data.fingerprint()["digest"]
    for one, two in zip(data.scenes, again.scenes, strict=True):
        np.testing.assert_array_equal(one.crops, two.crops)
        assert (one.categories, one.target) == (two.categories, two.target)


def test_counts_are_those_asked_for():
    data = load(n_scenes=7, n_observers=3, objects=(4, 5), max_fixations=6)
    assert len(data.scenes) == 7
    assert {len(s) for s in data.scenes} == {4, 5}
    assert [(t.scene, t.scanpath.observer) for t in data.trials] == [
        (s, f"simulated_{o}") for s in range(7) for o in range(3)
    ]
    assert max(len(t.objects) for t in data.trials) <= 6
    assert min(len(t.objects) for t in data.trials) >= 1


def test_more_scenes_do_not_change_the_first_ones(data):
    fewer = load(n_scenes=5, n_observers=2, seed=0)
    for one, two in zip(fewer.scenes, data.scenes, strict=False):
        np.testing.assert_array_equal(one.boxes_px, two.boxes_px)


def test_target_is_unique(data):
    for scene in data.scenes:
        assert scene.categories.count(scene.categories[scene.target]) == 1
        assert set(scene.categories) <= set(CATEGORIES)


def test_distractors_share_one_feature_with_the_target():
    shared = {(True, False): 0, (False, True): 0, (False, False): 0, (True, True): 0}
    for scene in load(n_scenes=150, n_observers=1, max_fixations=1).scenes:
        colour, shape = scene.categories[scene.target].split()
        for i, name in enumerate(scene.categories):
            if i != scene.target:
                c, s = name.split()
                shared[c == colour, s == shape] += 1
    total = sum(shared.values())
    assert shared[True, True] == 0
    # shares of a Dirichlet distribution with weights 2, 2, 1
    assert shared[True, False] / total == pytest.approx(0.4, abs=0.08)
    assert shared[False, True] / total == pytest.approx(0.4, abs=0.08)
    assert shared[False, False] / total == pytest.approx(0.2, abs=0.08)


def test_items_do_not_touch_and_crops_show_them(data):
    for scene in data.scenes:
        centres = (scene.boxes_px[:, :2] + scene.boxes_px[:, 2:]) / 2
        distance = np.linalg.norm(centres[:, None] - centres, axis=-1) + 1e9 * np.eye(len(scene))
        assert distance.min() > (scene.boxes_px[:, 2] - scene.boxes_px[:, 0]).max()
        for crop, name in zip(scene.crops, scene.categories, strict=True):
            ink = np.array(COLOURS[name.split()[0]])
            assert (np.abs(crop.astype(int) - ink).sum(-1) < 30).mean() > 0.04, name


def test_fixations_lie_on_their_objects(data):
    for trial in data.trials:
        box = data.scenes[trial.scene].boxes_px[trial.objects]
        xy = trial.scanpath.xy_px
        assert ((box[:, :2] <= xy) & (xy < box[:, 2:])).all()


def probabilities_by_hand(scene, objects):
    """[N + 1] after `objects`, by the formula in the docstring of SimulatedObserver, object by object."""
    boxes = scene.boxes_px
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    side = (boxes[:, 2:] - boxes[:, :2]).mean(0)
    area = scene.size_px[0] * scene.size_px[1] / len(scene)
    spacing = np.sqrt([area * side[0] / side[1], area * side[1] / side[0]])
    here = centres[objects[-1]] if len(objects) else np.array(scene.size_px) / 2
    colour, shape = scene.categories[scene.target].split()
    family = next(f for f in FAMILIES if shape in f)
    weights = []
    for k, name in enumerate(scene.categories):
        c, s = name.split()
        similarity = 0.6 * (c == colour) + (0.4 if s == shape else 0.15 if s in family else 0.0)
        distance = np.linalg.norm((centres[k] - here) / spacing)
        visits = [i for i, o in enumerate(objects) if o == k]
        recency = 1 / (len(objects) - visits[-1]) if visits else 0.0
        weights.append(np.exp(3.5 * similarity - distance / 0.4 - 4.0 * recency))
    on_target = len(objects) and objects[-1] == scene.target
    stop = 0.0 if not len(objects) else 0.9 if on_target else min(0.004 * len(objects), 0.5)
    return np.array([*((1 - stop) * np.array(weights) / sum(weights)), stop])


def test_probabilities_are_the_stated_ones(data, batch):
    probability = SimulatedObserver().log_prob(batch).exp().numpy()
    for i in range(0, len(data.trials), 7):
        scene, objects = data.scenes[data.trials[i].scene], data.trials[i].objects
        for t in range(len(objects) + 1):
            expected = probabilities_by_hand(scene, objects[:t])
            np.testing.assert_allclose(probability[i, t, : len(scene)], expected[:-1], rtol=2e-4, atol=1e-7)
            np.testing.assert_allclose(probability[i, t, -1], expected[-1], rtol=1e-5)


def test_probabilities_sum_to_one_and_exclude_padding(batch):
    log_prob = SimulatedObserver().log_prob(batch)
    torch.testing.assert_close(log_prob.exp().sum(-1), torch.ones(log_prob.shape[:2]))
    padded = ~batch.scenes.object_mask[batch.scene_of_trial]
    assert padded.any()
    assert (log_prob[..., :-1].exp().transpose(1, 2)[padded] == 0).all()


def test_step_by_step_equals_all_at_once(batch):
    observer = SimulatedObserver()
    steps = torch.arange(batch.objects.shape[1] + 1) <= batch.mask.sum(1)[:, None]
    torch.testing.assert_close(stepwise(observer, batch)[steps], observer.log_prob(batch)[steps])


def test_giving_up_is_bounded(data):
    scene = data.scenes[0]
    elsewhere = (scene.target + 1) % len(scene)
    observer = SimulatedObserver(give_up=0.2)
    state = observer.begin(SceneBatch.from_scenes([scene], CATEGORIES), 1)
    stop = []
    for _ in range(5):
        stop.append(observer.next_log_prob(state)[0, 0, -1].exp().item())
        state = observer.advance(state, torch.tensor([[elsewhere]]))
    assert stop == pytest.approx([0, 0.2, 0.4, 0.5, 0.5])


def test_sampled_fixations_have_the_stated_frequencies(data):
    """First fixations, and second ones after the most frequent first: chi-square, seed fixed."""
    scene, n = data.scenes[3], 6000
    observer = SimulatedObserver()
    batch = SceneBatch.from_scenes([scene], CATEGORIES)
    paths = sample(observer, batch, n, 2, torch.Generator().manual_seed(0))
    first, second, going = paths.values[0, :, 0], paths.values[0, :, 1], paths.mask[0, :, 1]
    favourite = int(first.bincount().argmax())
    after = first == favourite
    outcome = torch.where(going, second, len(scene))[after]
    state = observer.begin(batch, 1)
    at_start = observer.next_log_prob(state)[0, 0].exp()
    state = observer.advance(state, torch.tensor([[favourite]]))
    later = observer.next_log_prob(state)[0, 0].exp()
    assert p_of_frequencies(first, at_start) > 1e-3
    assert p_of_frequencies(outcome, later) > 1e-3
    assert p_of_frequencies(first, later) < 1e-9  # and the test would notice


def p_of_frequencies(drawn, probability) -> float:
    """p of the chi-square test; outcomes expected less than five times are pooled."""
    count = drawn.bincount(minlength=len(probability)).double().numpy()
    expected = probability.double().numpy()
    expected = expected / expected.sum() * count.sum()
    rare = expected < 5
    observed = np.append(count[~rare], count[rare].sum())
    wanted = np.append(expected[~rare], expected[rare].sum())
    return chisquare(observed[wanted > 0], wanted[wanted > 0]).pvalue


def test_stop_probabilities_are_met():
    """Nine of ten leave once they are on the target, the others rarely."""
    data = load(n_scenes=200, n_observers=5, seed=2)
    on_target, ended = [], []
    for trial in data.trials:
        hits = trial.objects == data.scenes[trial.scene].target
        on_target += hits.tolist()
        ended += [False] * (len(hits) - 1) + [len(hits) < 40]
    on_target, ended = np.array(on_target), np.array(ended)
    n = on_target.sum()
    assert ended[on_target].mean() == pytest.approx(0.9, abs=4 * np.sqrt(0.09 / n))
    assert ended[~on_target].mean() < 0.1


def test_search_is_guided():
    data = load(n_scenes=100, n_observers=3, seed=1)
    fixated, offered = [], []
    for trial in data.trials:
        scene = data.scenes[trial.scene]
        colours = np.array([name.split()[0] for name in scene.categories])
        shared = colours == colours[scene.target]
        fixated.append(shared[trial.objects[0]])
        offered.append(shared.mean())
    assert np.mean(fixated) > np.mean(offered) + 0.2


@pytest.mark.parametrize(
    "options",
    [{"n_scenes": 0}, {"n_observers": 0}, {"max_fixations": 0}, {"objects": (1, 5)}, {"objects": (6, 5)}],
)
def test_impossible_counts(options):
    with pytest.raises(ValueError, match="synthetic_search needs n_scenes, n_observers, max_fixations >= 1"):
        load(**options)


def test_vocabulary_is_complete():
    assert len(set(CATEGORIES)) == len(COLOURS) * len(SHAPES)
    assert sorted(s for f in FAMILIES for s in f) == sorted(SHAPES)
