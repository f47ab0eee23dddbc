"""SceneWalk: its equations, its likelihood, and its fit."""

import math

import numpy as np
import pytest
import torch
from classic_toys import People, noise, trials, walkers

from gazekit.foveation import Grid
from gazekit.models.classic_scanpaths import CentreBias, SceneWalk, SceneWalkSystem
from gazekit.models.classic_scanpaths.saliency import cell_areas
from gazekit.models.classic_scanpaths.scene_walk import PARAMETERS, choice, relaxed, window


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def patchy(scene, seed=0):
    """A random smooth map for each picture, in place of a network."""

    class Maps:
        def fit(self, data=None):
            pass

        def on_cells(self, scenes, grid):
            made = torch.rand(len(scenes), 1, 5, 6, generator=draw(seed)) ** 3
            size = (grid.rows, grid.columns)
            found = torch.nn.functional.interpolate(made, size, mode="bilinear")[:, 0].flatten(1)
            return found / found.amax(1, keepdim=True)

    return Maps()


def small(steps=0, **settings):
    model = SceneWalk(saliency="centre", steps=steps, across=16, **settings)
    model.saliency = patchy(None)
    return model


def test_relaxation_solves_its_equation():
    """dm/dt = -omega (m - target), by 5,000 Euler steps."""
    start, target = torch.tensor([0.2, 0.7, 0.1]), torch.tensor([0.5, 0.1, 0.4])
    m = start.double()
    for _ in range(5000):
        m = m + 0.4 / 5000 * -7.0 * (m - target)
    assert torch.allclose(relaxed(start, target, 7.0, 0.4).double(), m, atol=2e-4)
    assert torch.allclose(relaxed(start, target, 7.0, 0.0), start)
    twice = relaxed(relaxed(start, target, 7.0, 0.1), target, 7.0, 0.3)
    assert torch.allclose(twice, relaxed(start, target, 7.0, 0.4))


def test_windows_are_gaussians_times_the_weight():
    grid = Grid((90, 60), 10)
    weight = torch.rand(1, 1, 54, generator=draw())
    xy = torch.tensor([[[20.0, 30.0], [-400.0, 5000.0]]])
    found = window(xy, 12.0, grid, weight)
    away = ((grid.centres_px - xy[0, 0]) ** 2).sum(1)
    expected = torch.exp(-away / 288) * weight[0, 0]
    assert torch.allclose(found[0, 0], expected / expected.sum(), atol=1e-6)
    assert found.isfinite().all() and torch.allclose(found.sum(-1), torch.ones(1, 2))


def test_choices_by_hand():
    attention, inhibition = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.8, 0.1, 0.1])
    assert choice(attention, inhibition, 1.0, 1.0, 0.0).tolist() == pytest.approx([0.6, 0.3, 0.1])
    left = np.array([0, 0.2, 0.0])  # .6 - .8 < 0; .1 - .1 = 0
    assert choice(attention, inhibition, 1.0, 1.0, 1.0).tolist() == pytest.approx(left / left.sum(), abs=1e-5)
    squared = np.array([0.36, 0.09, 0.01]) / 0.46 - 0.5 * np.array([0.64, 0.01, 0.01]) / 0.66
    squared = squared.clip(0)
    found = choice(attention, inhibition, 2.0, 2.0, 0.5)
    assert found.tolist() == pytest.approx(squared / squared.sum(), rel=1e-4)
    assert choice(attention, attention, 1.0, 1.0, 5.0).tolist() == pytest.approx([1 / 3] * 3)


def slow_log_prob(model, batch, trial):
    """One scanpath, step by step, in float64 and by the words of the docstring."""
    grid, v = model.grid_of(batch.scenes), {k: float(model.value(k)) for k in PARAMETERS}
    scene = int(batch.scene_of_trial[trial])
    display = model.display(batch.scenes)
    log = v["salience"] * display.maps["salience"][scene] + v["centre"] * display.maps["centre"][scene]
    density = np.exp(log.detach().double().numpy())
    density /= density.sum()
    centres, areas = grid.centres_px.double().numpy(), cell_areas(grid).double().numpy()
    side = max(grid.size_px)

    def gaussian(xy, sigma, weight):
        g = np.exp(-((centres - xy) ** 2).sum(1) / (2 * (v[sigma] * side) ** 2)) * weight
        return g / g.sum()

    def relax(m, target, omega, t):
        return target + math.exp(-v[omega] * t) * (m - target)

    n = int(batch.mask[trial].sum())
    xy, duration = (
        batch.xy_px[trial, :n].double().numpy(),
        batch.duration_ms[trial, :n].double().numpy() / 1000,
    )
    a = gaussian(batch.scenes.start_xy_px[scene].double().numpy(), "sigma_start", density)
    i, found = np.full_like(a, 1e-12), []
    for k in range(n):
        att, inh = a ** v["lambda"], np.maximum(i, 1e-12) ** v["gamma"]
        u = att / att.sum() - (v["inhibition"] if k else 0) * inh / inh.sum()
        u = u.clip(0)
        p = (1 - v["zeta"]) * u / u.sum() + v["zeta"] * areas
        found.append(math.log(p[int(grid.cell_of(batch.xy_px[trial, k]))]))
        t = duration[k]
        if model.shifts and k:
            a = relax(a, gaussian(xy[k], "sigma_attention", density), "omega_attention", 0.05)
            i = relax(i, gaussian(xy[k - 1], "sigma_inhibition", areas), "omega_inhibition", 0.05)
            along = (xy[k] - xy[k - 1]) / max(np.linalg.norm(xy[k] - xy[k - 1]), 1e-6)
            ahead = gaussian(xy[k] + along * v["shift"] * side, "sigma_shift", density)
            a = relax(a, ahead, "omega_attention", min(t, 0.1))
            main = max(t - 0.1, 0)
        else:
            main = t
        if model.shifts:
            main, t = max(main - 0.05, 0), max(t - 0.05, 0)
        a = relax(a, gaussian(xy[k], "sigma_attention", density), "omega_attention", main)
        i = relax(i, gaussian(xy[k], "sigma_inhibition", areas), "omega_inhibition", t)
    return found


@pytest.mark.parametrize("shifts", [True, False])
def test_the_likelihood_is_that_of_a_slow_walk(shifts):
    model = small(shifts=shifts)
    model.set(omega_inhibition=3.0, gamma=1.3, inhibition=0.6, shift=0.1)
    batch = walkers(noise(2, (80, 60)), 3, 6)
    found = model.fixation_log_prob(batch)
    for trial in range(len(batch)):
        n = int(batch.mask[trial].sum())
        assert found[trial, :n].tolist() == pytest.approx(slow_log_prob(model, batch, trial), abs=2e-3)
    assert found[~batch.mask].abs().sum() == 0


def test_probabilities_sum_to_1_and_one_matters_to_the_next():
    model, batch = small(), walkers(noise(2), 4, 5)
    maps = model.next_fixation_maps(batch).exp()[batch.mask]
    assert torch.allclose(maps.sum((1, 2)), torch.ones(len(maps)), atol=1e-5)
    sampled = model.view(batch.scenes, 3, 4, draw())
    assert sampled.duration_ms.shape == (2, 3, 4) and sampled.duration_ms.min() == 250


def test_unknown_durations_are_usual_ones():
    from dataclasses import replace

    model, batch = small(), walkers(noise(1), 4, 5)
    unknown = replace(batch, duration_ms=torch.full_like(batch.duration_ms, torch.nan))
    usual = replace(batch, duration_ms=torch.full_like(batch.duration_ms, 250.0))
    none = replace(batch, duration_ms=None)
    found = model.fixation_log_prob(usual)
    assert torch.allclose(model.fixation_log_prob(unknown), found)
    assert torch.allclose(model.fixation_log_prob(none), found)


def test_it_learns_more_than_where_people_look():
    """People who take short steps: better than the centre bias, and than its own density, on others of them."""
    train = [walkers(noise(4), 10, 8, seed) for seed in range(3)]
    people, other = People(train, [walkers(noise(4), 10, 8, 7)]), walkers(noise(4), 10, 8, 9)
    model, before = small(steps=60), small()
    model.fit(people)
    before.centre.load_state_dict(model.centre.state_dict())
    centre = CentreBias(across=16)
    centre.fit(people)
    with torch.no_grad():
        score = {
            k: m.fixation_log_prob(other)[other.mask].mean()
            for k, m in dict(a=model, b=before, c=centre).items()
        }
        display = model.display(other.scenes)
        cells = model.grid_of(other.scenes).cell_of(other.xy_px)
        density = model.log_density(display)[other.scene_of_trial].gather(1, cells)[other.mask].mean()
    assert score["a"] > score["b"] + 0.05 and score["a"] > score["c"] + 0.2 and score["a"] > density + 0.2
    durations = torch.cat([b.duration_ms[b.mask] for b in train])
    assert model.duration_ms[[0, 50, 100]].tolist() == pytest.approx(
        durations.quantile(torch.tensor([0, 0.5, 1])).tolist(), abs=0.1
    )
    made = model.view(other.scenes, 200, 3, draw()).duration_ms
    assert made.mean().item() == pytest.approx(durations.mean().item(), rel=0.03)


def test_without_people_nothing_changes():
    model = small(steps=5)
    model.fit(People([]))
    assert {k: round(float(model.value(k)), 4) for k in PARAMETERS} == PARAMETERS


def test_errors():
    with pytest.raises(ValueError, match="zeta below 1"):
        small().set(zeta=1.0)
    with pytest.raises(ValueError, match="no parameter 'omega'"):
        small().set(omega=1.0)


def test_the_system_learns_on_after_its_fit():
    batch = walkers(noise(2), 6, 5)
    system = SceneWalkSystem(saliency="centre", steps=2, across=16)
    system.fit(People([batch]))
    optimizer, losses = torch.optim.Adam(system.parameters(), 0.05), []
    for _ in range(6):
        optimizer.zero_grad()
        loss = system.loss(batch)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    copy = SceneWalkSystem(saliency="centre", steps=2, across=16)
    copy.load_state_dict(system.state_dict())
    with torch.no_grad():
        assert torch.equal(copy.fixation_log_prob(batch), system.fixation_log_prob(batch))


@pytest.mark.slow
def test_the_fit_recovers_the_parameters_of_a_simulation():
    """600 scanpaths of 12 fixations, from other parameters than the fit begins with."""
    truth = {"sigma_attention": 0.15, "sigma_inhibition": 0.12, "omega_inhibition": 4.0, "omega_attention": 6.0,
             "inhibition": 0.5, "gamma": 1.0, "lambda": 1.0, "zeta": 0.1, "salience": 1.5}  # fmt: skip
    source = small(shifts=False)
    source.set(**truth)
    source.duration_ms.copy_(torch.linspace(80, 500, 101))
    batches = []
    for seed in range(6):
        scene = noise(10, (80, 60), seed)
        batches.append(trials(scene, source.view(scene, 10, 12, draw(seed))))
    people = People(batches)
    fitted = small(steps=250, shifts=False)
    fitted.fit(people)
    flat = source.centre.density  # the simulation had no centre bias
    with torch.no_grad():
        likely = [sum(m.fixation_log_prob(b)[b.mask].sum() for b in batches) for m in (source, fitted)]
    assert (flat == flat[0, 0]).all() and likely[1] > likely[0] - 2
    for name in ("sigma_attention", "sigma_start", "zeta"):
        assert float(fitted.value(name)) == pytest.approx(float(source.value(name)), rel=0.15)
    # attention's exponents multiply one another, and so do rate and strength of inhibition
    product = [float(m.value("salience") * m.value("lambda")) for m in (source, fitted)]
    assert product[1] == pytest.approx(product[0], rel=0.15)
    for name in ("omega_inhibition", "sigma_inhibition", "inhibition"):
        assert float(fitted.value(name)) == pytest.approx(float(source.value(name)), rel=0.35)


@pytest.mark.slow
def test_photographs_that_it_never_saw(shared_data):
    """OSIE, a fifth of the photographs held out: 1.47 bits per fixation over the centre bias in five folds."""
    from gazekit.datasets.viewing_data import ViewingData

    data = ViewingData("osie", shared_data / "osie", batch_size=60)
    data.setup()
    model = SceneWalk(data.facts(), weights=str(shared_data / "attention_center_saliency"), steps=40)
    centre = CentreBias(data.facts())
    model.fit(data)
    centre.fit(data)
    gain = [
        (model.fixation_log_prob(b) - centre.fixation_log_prob(b))[b.mask] / math.log(2)
        for b in data.batches("test")
    ]
    assert torch.cat(gain).mean() > 1.1
    assert float(model.value("omega_attention")) > float(model.value("omega_inhibition"))
