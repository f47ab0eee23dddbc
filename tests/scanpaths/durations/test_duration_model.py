"""The conditioned mixture: causality, simulated viewers recovered, what is unknown, samples that follow the law."""

import dataclasses

import pytest
import torch
from duration_toys import random_timed, seeded
from scipy import stats

from gazekit.metrics import DurationGain
from gazekit.scanpaths.durations import CAUSAL, DurationModel, Timed
from gazekit.scanpaths.durations.laws import LogNormalMixture

NAN = float("nan")


def shaken(*args, **options) -> DurationModel:
    """A model whose every input matters, without training; durations of about 50 to 1000 ms."""
    torch.manual_seed(0)
    model = DurationModel(*args, **options, width=16).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.3)
        model.net[-1].weight.mul_(0.5)
    return model


def known(batch: int = 6, **entries) -> Timed:
    return random_timed(batch, mask=torch.ones(batch, 5, dtype=torch.bool), **entries)


@torch.no_grad()
def test_what_comes_later_does_not_matter():
    model, timed = shaken(3, context=2), known(context=torch.rand(6, 5, 2))
    before = model.log_prob(timed)
    for t in range(5):
        later = dataclasses.replace(
            timed,
            xy_px=torch.cat([timed.xy_px[:, : t + 1], 400 - timed.xy_px[:, t + 1 :]], 1),
            duration_ms=torch.cat([timed.duration_ms[:, : t + 1], 3 * timed.duration_ms[:, t + 1 :]], 1),
            mask=torch.arange(5).expand(6, 5) <= t,
            context=torch.cat([timed.context[:, : t + 1], 1 - timed.context[:, t + 1 :]], 1),
        )
        torch.testing.assert_close(model.log_prob(later)[:, : t + 1], before[:, : t + 1])


@torch.no_grad()
def test_its_own_duration_is_no_condition():
    model, timed = shaken(3), known()
    longer = dataclasses.replace(
        timed, duration_ms=torch.cat([timed.duration_ms[:, :4], 2 * timed.duration_ms[:, 4:]], 1)
    )
    for one, other in zip(model.law(timed), model.law(longer), strict=True):
        torch.testing.assert_close(one, other)


@torch.no_grad()
@pytest.mark.parametrize("name", [*CAUSAL, "outgoing"])
def test_each_input_is_used(name):
    """Everything that a group is about changes its law; "outgoing" looks one fixation ahead and no further."""
    model, timed = shaken(inputs=[name]), known()
    moved = dataclasses.replace(timed, xy_px=timed.xy_px.flip(1), duration_ms=timed.duration_ms.flip(1))
    law = [model.law(x).location for x in (timed, moved)]
    assert name == "order" or not torch.allclose(*law)
    assert not torch.allclose(law[0][:, 0], law[0][:, 1])
    if name == "outgoing":
        ahead = dataclasses.replace(timed, xy_px=torch.cat([timed.xy_px[:, :3], 400 - timed.xy_px[:, 3:]], 1))
        changed = model.law(ahead).location
        torch.testing.assert_close(changed[:, :2], law[0][:, :2])
        assert not torch.allclose(changed[:, 2], law[0][:, 2])


@torch.no_grad()
def test_scanpaths_do_not_know_of_each_other():
    model, timed = shaken(3), random_timed()
    order = torch.tensor([4, 2, 0, 5, 1, 3])
    torch.testing.assert_close(model.log_prob(timed.select(order)), model.log_prob(timed)[order])
    torch.testing.assert_close(model.log_prob(timed.select(order[:1])), model.log_prob(timed)[order[:1]])


@torch.no_grad()
def test_samples_of_a_trial_are_like_trials():
    """[B, n, T] is the same as n batches [B, T]."""
    model, timed = shaken(3), known()
    twice = Timed(**{f.name: _twice(getattr(timed, f.name)) for f in dataclasses.fields(Timed)})
    torch.testing.assert_close(model.log_prob(twice)[:, 1], model.log_prob(timed))


def _twice(value):
    return None if value is None else torch.stack([value, value], 1)


@torch.no_grad()
def test_the_density_is_1_in_all():
    model = shaken(3)
    ms = torch.arange(0.5, 60_000, 1.0)
    law = LogNormalMixture(*(part[1, 2] for part in model.law(known())))
    assert float(law.log_prob(ms).exp().sum()) + float(law.log_survival(ms[-1]).exp()) == pytest.approx(
        1, abs=1e-3
    )


@torch.no_grad()
def test_unknown_durations_are_masked_and_counted():
    model, timed = shaken(3), random_timed()
    durations = timed.duration_ms.clone()
    durations[0, 1] = NAN
    found = model.log_prob(dataclasses.replace(timed, duration_ms=durations))
    assert found.isnan().nonzero().tolist() == [[0, 1]]
    assert (found[~timed.mask] == 0).all()
    metric = DurationGain()
    metric.update(
        **metric._filter_kwargs(**model.arguments(dataclasses.replace(timed, duration_ms=durations)))
    )
    assert (metric.count, int(metric.undefined)) == (int(timed.mask.sum()), 1)


@torch.no_grad()
@pytest.mark.parametrize(("scanpaths", "steps"), [(0, 0), (0, 4), (3, 0), (3, 1)])
def test_no_fixation_and_one(scanpaths, steps):
    model, timed = shaken(3), random_timed(scanpaths, steps)
    assert model.log_prob(timed).shape == model.sample(timed, seeded()).shape == (scanpaths, steps)
    assert model.log_prob(timed).isfinite().all()


@torch.no_grad()
def test_a_censored_fixation_lasted_longer():
    model, timed = shaken(), known()
    ended = torch.zeros(6, 5, dtype=torch.bool)
    ended[:, 4] = True
    found = model.log_prob(dataclasses.replace(timed, censored=ended))
    torch.testing.assert_close(found[:, :4], model.log_prob(timed)[:, :4])
    torch.testing.assert_close(found[:, 4], model.law(timed).log_survival(timed.duration_ms)[:, 4])
    assert model.cdf(dataclasses.replace(timed, censored=ended)).isnan().equal(ended)


def test_drawn_step_by_step_or_along_a_scanpath():
    model, timed = shaken(3), known(400)
    along = model.sample(timed, seeded())
    model.requires_grad_(False)
    state, draw = Timed.started(timed.size_px, timed.start_xy_px, timed.observer), seeded()
    for t in range(5):
        ms = model.draw(state.then(timed.xy_px[:, t]), draw)
        state = state.then(timed.xy_px[:, t], ms)
    torch.testing.assert_close(state.duration_ms, along)
    drawn = model.cdf(dataclasses.replace(timed, duration_ms=along))
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 0.01
    with pytest.raises(ValueError, match="there are 0"):
        model.draw(Timed.started(timed.size_px, timed.start_xy_px), draw)


@torch.no_grad()
def test_nobody_and_everybody():
    model, timed = shaken(3), random_timed()
    nobody, unknown = (dataclasses.replace(timed, observer=o) for o in (None, torch.full((6,), -1)))
    torch.testing.assert_close(model.log_prob(nobody), model.log_prob(unknown))
    assert not torch.allclose(model.log_prob(nobody), model.log_prob(timed))
    with pytest.raises(ValueError, match="from 0 to 2"):
        model.log_prob(dataclasses.replace(timed, observer=timed.observer + 1))


def test_without_conditions_all_fixations_are_alike():
    model, timed = DurationModel(inputs=[]), known(40)
    model.fit(timed, timed, epochs=3)
    with torch.no_grad():
        law = model.law(timed)
    assert all(part.flatten(0, -2).std(0).max() < 1e-5 for part in law)
    assert model.baseline.log_prob(timed).mean() - 0.2 < model.log_prob(timed).mean()


def test_settings():
    with pytest.raises(ValueError, match="inputs must be among order"):
        DurationModel(inputs=["colour"])
    with pytest.raises(ValueError, match="components"):
        DurationModel(components=0)
    with pytest.raises(ValueError, match="context of width 2, got 0"):
        DurationModel(context=2).log_prob(random_timed())


def simulated(scanpaths: int, seed: int) -> tuple[Timed, torch.Tensor]:
    """Viewers whose fixations are long after long ones and longer for person 1; and the true log densities."""
    draw = seeded(seed)
    timed = known(scanpaths, seed=seed, observer=torch.arange(scanpaths) % 2)
    ms, truth, before = torch.zeros(scanpaths, 5), torch.zeros(scanpaths, 5), torch.full((scanpaths,), 5.2)
    for t in range(5):
        middle = 2.6 + 0.5 * before + 0.4 * timed.observer
        location = torch.stack([middle, middle - 1.2], -1)
        law = LogNormalMixture(torch.tensor([0.8, 0.2]).log(), location, torch.tensor([0.25, 0.5]))
        short = (torch.rand(scanpaths, generator=draw) < 0.2).long()
        before = location.gather(1, short[:, None])[:, 0] + torch.tensor([0.25, 0.5])[short] * torch.randn(
            scanpaths, generator=draw
        )
        ms[:, t], truth[:, t] = before.exp(), law.log_prob(before.exp())
    return dataclasses.replace(timed, duration_ms=ms), truth


def test_a_simulated_viewer_is_recovered():
    (train, _), (val, _), (test, truth) = (simulated(n, seed) for n, seed in ((2000, 0), (300, 1), (1000, 2)))
    model = DurationModel(2)
    model.fit(train, val, epochs=8)
    with torch.no_grad():
        loss = float((truth - model.log_prob(test)).mean())
        chance = float((truth - model.baseline.log_prob(test)).mean())
        unnamed = float((truth - model.log_prob(dataclasses.replace(test, observer=None))).mean())
    assert chance > 0.3
    assert loss < 0.02
    assert loss < unnamed < chance
    assert stats.kstest(model.cdf(test)[:, 4].detach().numpy(), "uniform").statistic < 0.05


def test_fit_is_repeatable_and_leaves_other_draws_alone():
    train = known(40)
    torch.manual_seed(7)
    wanted = torch.rand(3)
    models = [DurationModel(3) for _ in range(2)]
    torch.manual_seed(7)
    for model in models:
        model.fit(train, train, seed=1, epochs=2)
    assert torch.rand(3).equal(wanted)
    torch.testing.assert_close(models[0].state_dict(), models[1].state_dict(), rtol=0, atol=0)
    again = DurationModel(3)
    again.load_state_dict(models[0].state_dict())
    torch.testing.assert_close(again.log_prob(train), models[0].log_prob(train), rtol=0, atol=0)
