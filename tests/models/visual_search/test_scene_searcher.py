"""Posteriors by loops, and what every searcher of scenes promises."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from search_scene_toys import NAMES, SIZE, batch, data, scene, trial

from gazekit.foveation import Grid
from gazekit.models.visual_search import CentreBias, RandomSearch, Searcher, SearcherSystem, WinnerTakeAll
from gazekit.models.visual_search.bayes import BoxSimilarity
from gazekit.models.visual_search.bayes.cells import SIGMA
from gazekit.models.visual_search.bayes.searcher import evidence, log_likelihood
from gazekit.scanpath import Scanpath
from gazekit.scanpaths.model import ScanpathModel
from gazekit.scene import SceneBatch, Trial, TrialBatch

FACTS = {"max_fixations": 9, "categories": list(NAMES)}
BASE = {"periphery": 1.0, "filtered": False, "memory": None, "knows_target": True}
MODELS = {
    "final": lambda: Searcher(FACTS),
    "base": lambda: Searcher(FACTS, **BASE),
    "ideal": lambda: Searcher(FACTS, rule="ideal", **BASE),
    "greedy raw": lambda: Searcher(FACTS, rule="greedy", readout="raw"),
    "people": lambda: people(),
    "winner": lambda: WinnerTakeAll(FACTS),
    "centre": lambda: CentreBias(FACTS),
    "random": lambda: RandomSearch(FACTS),
}


def people():
    """With random weights, so that every term counts."""
    model = Searcher(FACTS, readout="people")
    generator = torch.Generator().manual_seed(0)
    for parameter in model.readout.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=generator)
    return model


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]().requires_grad_(False)


def test_posterior_by_loops():
    """elm_final's evidence, memory and choice of object, cell by cell."""
    found = batch()
    searcher = Searcher(FACTS)
    grid = Grid(SIZE, 32.0)
    xy, sigma = grid.centres_px.double().numpy(), np.array(SIGMA) * SIZE
    g = np.exp(-((xy[:, None] - xy) ** 2 / (2 * sigma**2)).sum(-1))
    g = (g - g.min()) / (1 - g.min())
    display = searcher.display(found.scenes)
    for step, rows, state in searcher.along(found, 0):
        for k, row in enumerate(rows.tolist()):
            s = int(found.scene_of_trial[row])
            total = np.exp(-step / 8) * display.log_prior[s].double().numpy() + np.zeros((3, 1))
            for past in range(step):
                f = int(grid.cell_of(found.xy_px[row, past]))
                for m in range(3):
                    for c in range(len(grid)):
                        there = 0.5 if display.present[s, m, c] else -0.5
                        similar = float(display.similarity[s, m, c])
                        mu = (there * (g[f, c] ** 2 + 0.5) + similar * (1.5 - g[f, c] ** 2)) / 2
                        w = max(9 * g[f, c] ** 2 * mu, 9 * g[f, c] ** 0.2 * mu)
                        total[m, c] += np.exp(-(step - 1 - past) / 8) * w
            log = total - np.log(np.exp(total).sum(1, keepdims=True))
            entropy = -(np.exp(log) * log).sum(1)
            entropy[~display.memory_mask[s].numpy()] = np.inf
            wanted = log[entropy.argmin()]
            np.testing.assert_allclose(searcher.posterior(state)[k, 0], wanted, atol=2e-3)


def test_evidence_without_the_filter_and_with_noise():
    similarity, present = torch.tensor([0.5, -0.5]), torch.tensor([True, False])
    fovea, periphery = torch.tensor([0.25, 0.01]), torch.tensor([0.5, 0.1])
    found = evidence(similarity, present, fovea, periphery, False, torch.tensor([1.0, 0.0]))
    mean = [(0.5 * 1.0 + 0.5 * 1.0) / 2 + 1 / 5.5, (-0.5 * 0.6 - 0.5 * 1.4) / 2]
    assert torch.allclose(found, 9 * fovea * torch.tensor(mean))


def test_similarity_of_items():
    scenes = SceneBatch.from_scenes([scene(np.random.default_rng(1), n=3, memory=("cup", "pen"))], NAMES)
    grid = Grid(SIZE, 10.0)
    s = BoxSimilarity(same=0.2, other=-0.1)(scenes, grid)
    at = grid.cell_of(scenes.centres_px[0])
    assert torch.allclose(s[0, 0, at], torch.tensor([0.5, -0.1, -0.1]), atol=0.02)  # the target, a cup
    assert torch.allclose(s[0, 1, at], torch.tensor([-0.1, 0.2, -0.1]), atol=0.02)  # pens
    assert s.min() >= -0.5
    with pytest.raises(ValueError, match="similarity same"):
        BoxSimilarity(same=0.7)


def test_maps_are_distributions_over_cells(model):
    found = batch()
    maps = model.next_fixation_maps(found)
    assert maps.shape == (*found.mask.shape, 5, 7)
    total = maps.exp().sum((-2, -1))
    assert torch.allclose(total[found.mask], torch.ones(int(found.mask.sum())), atol=1e-4)
    assert (maps[~found.mask] == 0).all()


def test_a_batch_is_its_trials_one_by_one(model):
    found = batch()
    maps = model.next_fixation_maps(found)
    for k in range(len(found)):
        alone = replace(
            found,
            scenes=found.scenes[found.scene_of_trial[k, None]],
            scene_of_trial=torch.tensor([0]),
            **{
                name: getattr(found, name)[k, None] for name in ("objects", "mask", "xy_px", "trial", "group")
            },
        )
        assert torch.allclose(model.next_fixation_maps(alone)[0], maps[k], atol=1e-4)


def test_the_future_does_not_matter(model):
    found = batch()
    changed = replace(found, xy_px=found.xy_px.clone())
    changed.xy_px[:, 2:] = found.xy_px[:, 2:].flip(-1)
    before, after = model.next_fixation_maps(found), model.next_fixation_maps(changed)
    assert torch.equal(before[:, :3], after[:, :3])


def test_it_is_a_scanpath_model(model):
    """Known and generated scanpaths agree where the eye lands on the centres of objects."""
    found = batch()
    scenes = found.scenes[found.scene_of_trial]
    index = found.objects[..., None].expand(-1, -1, 2)
    found = replace(found, xy_px=scenes.centres_px.gather(1, index) * found.mask[..., None])
    assert isinstance(model, ScanpathModel)
    log = model.log_prob(found)
    assert torch.allclose(log.exp().sum(-1), torch.ones(log.shape[:2]), atol=1e-4)
    assert (log[:, 0, -1] == -torch.inf).all()
    assert (log[..., :-1].masked_select(~scenes.object_mask[:, None]) == -torch.inf).all()
    state = model.begin(scenes, 2)
    for step in range(found.objects.shape[1] + 1):
        rows = found.mask.sum(1) >= step
        said = model.next_log_prob(state)
        valid = rows[:, None] & (found.mask.any(1) | (step == 0))[:, None]
        for sample in range(2):
            assert torch.allclose(said[:, sample].exp()[valid[:, 0]], log[valid[:, 0], step].exp(), atol=1e-4)
        if step < found.objects.shape[1]:
            state = model.advance(state, found.objects[:, step, None].expand(-1, 2))
    keep = torch.tensor([1, 3])
    assert torch.equal(model.next_log_prob(state.select(keep)), model.next_log_prob(state)[keep])


def test_own_searches_start_where_the_eye_was_and_end_on_the_target(model):
    found = batch()
    paths = model.positions_px(found, torch.Generator().manual_seed(0), 3)
    again = model.positions_px(found, torch.Generator().manual_seed(0), 3)
    assert len(paths) == 15
    grid = Grid(SIZE, 32.0)
    touched = grid.touched(
        found.scenes.boxes_px.gather(1, found.scenes.target[:, None, None].expand(-1, 1, 4))
    )
    for k, path in enumerate(paths):
        assert torch.equal(path, again[k])
        assert path[0].tolist() == [100, 75]
        hits = touched[found.scene_of_trial[k // 3], 0][grid.cell_of(path)]
        assert len(path) == 9 or hits[-1]
        assert not hits[:-1].any()


def test_searches_find_the_target():
    """Faster than chance, every time within the budget."""
    found = batch()
    length = {}
    for name in ("final", "base", "ideal", "greedy raw", "random"):
        model = MODELS[name]().requires_grad_(False)
        model.max_fixations, model.cell_px = 60, 10.0
        length[name] = np.mean(
            [len(p) for p in model.positions_px(found, torch.Generator().manual_seed(0), 6)]
        )
    assert max(length[name] for name in length if name != "random") < 0.6 * length["random"]


def test_without_a_target_a_search_uses_its_budget():
    found = batch(target=None)
    paths = Searcher(FACTS).requires_grad_(False).positions_px(found, torch.Generator().manual_seed(0), 2)
    assert [len(path) for path in paths] == [9] * 10
    assert torch.isfinite(Searcher(FACTS).next_fixation_maps(found)).all()


@pytest.mark.parametrize("size", [(20, 16), (90, 33), (40, 300)])
def test_odd_pictures(size, model):
    rng = np.random.default_rng(0)
    box = np.array([[2.0, 2.0, 12.0, 12.0]])
    one = replace(scene(rng), boxes_px=box, size_px=size, categories=("cup",), target=0)
    looked = Trial(0, Scanpath(np.array([[3.0, 5.0], [18.0, 15.0]])), np.zeros(2, np.int64))
    found = TrialBatch.from_trials([one], [looked], [0], NAMES)
    maps = model.next_fixation_maps(found)
    assert torch.isfinite(maps).all()
    assert len(model.positions_px(found, torch.Generator().manual_seed(0), 1)[0]) >= 1


def test_a_single_object_does_not_give_the_target_away():
    fitted = Searcher(FACTS, steps=0)
    fitted.fit(data())
    one = SceneBatch.from_scenes([scene(np.random.default_rng(0), n=1)], NAMES)
    assert (fitted.display(one).log_layout == 0).all()
    assert fitted.display(batch().scenes).log_layout.std() > 0.1


def test_scenes_without_fixations():
    found = batch(lengths=(0, 0))
    assert Searcher(FACTS).next_fixation_maps(found).shape[:2] == (2, 0)
    assert Searcher(FACTS).log_prob(found).shape[:2] == (2, 1)
    assert log_likelihood(Searcher(FACTS), found).isnan()


def test_errors():
    with pytest.raises(ValueError, match="rule must be one of greedy, elm, ideal, got 'best'"):
        Searcher(FACTS, rule="best")
    with pytest.raises(ValueError, match="memory must be a positive number"):
        Searcher(FACTS, memory=0)
    rng = np.random.default_rng(0)
    two = [scene(rng), scene(rng, size=(300, 150))]
    found = TrialBatch.from_trials(two, [trial(rng, k, two, 3) for k in (0, 1)], [0, 1], NAMES)
    with pytest.raises(ValueError, match="must have one size to be searched on one grid"):
        Searcher(FACTS).next_fixation_maps(found)


def test_a_fit_helps_and_is_repeatable():
    toy = data()
    test = toy.batch(toy.parts["test"].tolist())
    gain = {}
    for readout in ("length", "people"):
        unfitted, fitted, again = (Searcher(toy.facts(), readout=readout, steps=n) for n in (0, 30, 30))
        for model in (unfitted, fitted, again):
            model.fit(toy)
        same = zip(fitted.state_dict().values(), again.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in same)
        with torch.no_grad():
            gain[readout] = (log_likelihood(fitted, test) - log_likelihood(unfitted, test)).item()
    assert min(gain.values()) > 0.2


def test_rates_of_stopping_are_counted():
    toy = data()
    model = CentreBias(toy.facts())
    model.fit(toy)
    trials = [toy.dataset.trials[i] for i in toy.parts["train"]]
    hit = [(t.objects == toy.dataset.scenes[t.scene].target) for t in trials if len(t.objects)]
    on = (sum(h[-1] for h in hit) + 0.5) / (sum(h.sum() for h in hit) + 1)
    off = (sum(not h[-1] for h in hit) + 0.5) / (sum((~h).sum() for h in hit) + 1)
    assert model.stop_rate.tolist() == pytest.approx([off, on], rel=1e-5)


def test_the_system_trains_its_readout_and_draws():
    toy = data()
    system = SearcherSystem(toy.facts(), readout="people", steps=3)
    system.fit(toy)
    system.loss(toy.batch(toy.parts["train"][:8].tolist()))["loss"].backward()
    assert system.readout.length.grad.abs().sum() > 0
    assert sum(p.numel() for p in system.parameters()) == 107
    figure = system.figures(toy, {})["beliefs"]
    assert len(figure.axes) % 3 == 0
    said = system.predict(toy.batch([0, 1]), torch.Generator().manual_seed(0), 2)
    table = system.records(toy.items([0, 1]), said)["scanpaths.csv"]
    assert list(table.columns) == ["image", "sample", "fixation", "object"]
    assert len(table) == int(said["model_mask"].sum())
