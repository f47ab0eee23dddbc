"""What holds for all classical models over pictures."""

import pytest
import torch
from classic_toys import People, grey, noise, scenes, walkers
from scipy.stats import kstest

from gazekit.models import classic_scanpaths as room
from gazekit.models.classic_scanpaths import (
    CentreBias,
    ConstrainedLevy,
    GEymol,
    RandomGaze,
    ScanDDM,
    SceneWalk,
    SuperGaussian,
    WinnerTakeAll,
)
from gazekit.models.classic_scanpaths.density import CentreDensity

FACTS = {"length_counts": [0, 1, 2, 3]}
MODELS = {
    "random": lambda: RandomGaze(FACTS),
    "centre": lambda: CentreBias(FACTS),
    "winner": lambda: WinnerTakeAll(FACTS, "itti_koch"),
    "walk": lambda: SceneWalk(FACTS, "itti_koch", steps=1),
    "levy": lambda: ConstrainedLevy(FACTS, "itti_koch"),
    "race": lambda: ScanDDM(FACTS, "itti_koch"),
    "eymol": lambda: GEymol(FACTS, longest_s=1.0),
    "sgc": lambda: SuperGaussian(FACTS),
}
LIKELY = ("random", "centre", "winner", "walk")
PICTURES = {
    "tiny": lambda: noise(2, (8, 8)),
    "wide": lambda: noise(1, (120, 35)),
    "tall": lambda: noise(1, (37, 90)),
    "grey": lambda: grey(2, (64, 48)),
    "tiny grey": lambda: grey(1, (8, 8)),
}


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("pictures", PICTURES)
@pytest.mark.parametrize("name", MODELS)
def test_fixations_are_in_the_picture_and_drawn_from_the_generator(name, pictures):
    model, batch = MODELS[name](), PICTURES[pictures]()
    paths = model.view(batch, 3, 4, draw(5))
    assert paths.xy_px.shape == (len(batch), 3, 4, 2) and paths.mask.shape == (len(batch), 3, 4)
    assert paths.mask[..., 0].all() and (name == "eymol" or paths.mask.all())
    size = batch.size_px[:, None, None]
    assert ((paths.xy_px >= 0) & (paths.xy_px < size))[paths.mask].all()
    if paths.duration_ms is not None:
        assert (paths.duration_ms[paths.mask] > 0).all() and paths.duration_ms.isfinite().all()
    torch.rand(3)  # the global generator plays no part
    again = model.view(batch, 3, 4, draw(5))
    assert torch.equal(again.xy_px, paths.xy_px) and torch.equal(again.mask, paths.mask)


@pytest.mark.parametrize("name", MODELS)
def test_scanpaths_of_a_report_are_as_long_as_peoples(name):
    model, batch = MODELS[name](), noise(2, (40, 30))
    people = walkers(batch, 2, 3)
    said = model.predict(people, draw(), 5)["scanpaths"]
    assert len(said) == 4
    lengths = torch.cat([path.lengths for path in said])
    assert lengths.max() <= 3 and lengths.min() >= 1
    xy = model.positions_px(people, draw(), 2)
    assert len(xy) == 8 and all(path.shape[1] == 2 for path in xy)


@pytest.mark.parametrize("name", MODELS)
def test_models_say_what_they_are(name):
    model = MODELS[name]()
    assert len(model.about) > 20 and model.about.endswith(".")
    likely = hasattr(model, "fixation_log_prob")
    assert likely == (name in LIKELY) and likely == (not model.reasons)
    assert all(hasattr(room, one) for one in room.__all__)


@pytest.mark.parametrize("name", LIKELY)
@pytest.mark.parametrize("pictures", PICTURES)
def test_likelihoods_sum_to_1(name, pictures):
    model, batch = MODELS[name](), PICTURES[pictures]()
    people = walkers(batch, 3, 4)
    model.fit(People([people]))
    with torch.no_grad():
        maps = model.next_fixation_maps(people).exp().sum((2, 3))[people.mask]
        assert torch.allclose(maps, torch.ones_like(maps), atol=1e-4)
        assert model.log_prob(people).exp().sum(-1)[:, 0].tolist() == pytest.approx(
            [1.0] * len(people), abs=1e-4
        )


def test_random_gaze_is_uniform():
    xy = RandomGaze().view(noise(1, (85, 53)), 300, 10, draw()).xy_px.flatten(0, 2).double()
    for k, side in enumerate((85, 53)):
        assert kstest(xy[:, k].numpy() / side, "uniform").statistic < 0.025


@pytest.mark.parametrize("kind", ["kde", "gaussian"])
def test_the_centre_bias_is_where_people_looked(kind):
    batch = noise(3, (80, 60))
    people = [walkers(batch, 30, 6, seed) for seed in range(2)]
    model = CentreBias(kind=kind)
    model.fit(People(people, [walkers(batch, 10, 6, 5)]))
    seen = torch.cat([b.xy_px[b.mask] for b in people])
    made = model.view(batch, 200, 6, draw()).xy_px.flatten(0, 2)
    assert (made.mean(0) - seen.mean(0)).abs().max() < 3
    assert (made.std(0) / seen.std(0) - 1).abs().max() < 0.25
    other = walkers(batch, 30, 6, 9)
    gained = model.fixation_log_prob(other) - RandomGaze().fixation_log_prob(other)
    assert gained[other.mask].mean() > 0.2


def test_narrow_fixations_get_narrow_kernels():
    """The width is the one under which the fixations of other people are most likely."""
    batch = noise(1, (400, 400))
    at = torch.tensor([[100.0, 100.0], [300.0, 120.0], [200.0, 300.0]])

    def looks(spread, seed):
        from classic_toys import trials

        from gazekit.scanpath import Scanpaths

        xy = at + spread * torch.randn(1, 40, 3, 2, generator=draw(seed))
        return trials(batch, Scanpaths(xy.clamp(0, 399), torch.ones(1, 40, 3, dtype=torch.bool)))

    peak = []
    for spread in (4.0, 40.0):
        density = CentreDensity()
        density.fit(People([looks(spread, 0)], [looks(spread, 1)]))
        peak.append(float(density.density.max()))
    assert peak[0] > 4 * peak[1]


def test_nobody_looked():
    density = CentreDensity()
    density.fit(People([]))
    assert torch.equal(density.density, torch.full((64, 64), 1 / 64**2))
    with pytest.raises(ValueError, match="'kde' or 'gaussian'"):
        CentreDensity("box")


def test_models_need_pictures():
    from dataclasses import replace

    batch = replace(scenes(torch.zeros(1, 20, 20, 3, dtype=torch.uint8)), pictures=None)
    for name in ("winner", "walk", "levy", "race", "eymol", "sgc"):
        with pytest.raises(ValueError, match="need SceneBatch"):
            MODELS[name]().view(batch, 1, 2, draw())
    assert RandomGaze().view(batch, 1, 2, draw()).mask.all()
