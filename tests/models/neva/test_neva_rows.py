"""NeVA and its amortised net as rows: pictures of any kind, one seed one scanpath, durations, benches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from neva_toys import SMALL

from gazekit.bench.neva import Sizes, cases
from gazekit.kernels.foveate import blur_residual
from gazekit.models.neva import AmortisedNeva, Neva, NevaRow
from gazekit.models.neva.amortised import crops, learn
from gazekit.models.neva.durations import Accumulator
from gazekit.models.neva.nets import CUTS, TaskNet
from gazekit.models.neva.optimise import draw_noise, losses, optimise
from gazekit.models.neva.scan import Scan, SharedStem
from gazekit.models.neva.settings import NevaSettings
from gazekit.models.neva.tasks import Classification
from gazekit.scene import Scene, SceneBatch

TINY = {**SMALL, "steps": 2}


def _scenes(count: int, height: int = 50, width: int = 81, grey: bool = False) -> SceneBatch:
    from dataclasses import replace

    scene = Scene("a", (width, height), np.array([[0.0, 0, width, height]]))
    draw = torch.Generator().manual_seed(1)
    pictures = torch.randint(0, 256, (count, height, width, 3), dtype=torch.uint8, generator=draw)
    pictures = pictures[..., :1].expand(-1, -1, -1, 3).contiguous() if grey else pictures
    return replace(SceneBatch.from_scenes([scene] * count), pictures=pictures)


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _row(**more) -> NevaRow:
    return NevaRow({}, weights="random", settings=TINY | more.pop("settings", {}), **more)


@pytest.mark.parametrize(
    ("height", "width", "grey"), [(50, 81, False), (33, 7, True), (1, 1, False), (300, 20, False)]
)
def test_pictures_of_any_size_are_seen_inside(height, width, grey):
    paths = _row(task="reconstruction").view(_scenes(2, height, width, grey), 3, 2, _generator())
    assert paths.xy_px.shape == (2, 3, 2, 2) and paths.mask.all()
    assert (paths.xy_px >= 0).all() and (paths.xy_px < torch.tensor([width, height])).all()


def test_a_seed_is_a_scanpath_and_is_remembered(monkeypatch):
    row, scenes = _row(rows=2), _scenes(3)
    first = row.view(scenes, 2, 2, _generator(4)).xy_px
    monkeypatch.setattr("gazekit.models.neva.row.optimise", lambda *_: pytest.fail("made already"))
    torch.testing.assert_close(row.view(scenes, 2, 2, _generator(4)).xy_px, first)
    monkeypatch.undo()
    torch.testing.assert_close(_row(rows=5).view(scenes, 2, 2, _generator(4)).xy_px, first, atol=1e-3, rtol=0)


def test_no_fixations_no_pictures_and_wrong_settings_are_one_error():
    with pytest.raises(ValueError, match="at least 1 fixation"):
        _row().view(_scenes(1), 1, 0, _generator())
    from dataclasses import replace

    with pytest.raises(ValueError, match="these scenes have none"):
        _row().view(replace(_scenes(1), pictures=None), 1, 2, _generator())
    for wrong, message in (
        ({"preset": "x"}, "preset"),
        ({"task": "x"}, "task"),
        ({"task": "caption"}, "caption"),
        ({"rows": 0}, "rows"),
        ({"task": "reconstruction", "settings": {"solver": "scan"}}, "solver scan"),
    ):
        with pytest.raises(ValueError, match=message):
            _row(**wrong)
    with pytest.raises(ValueError, match="nothing to train"):
        Neva({}).loss(None)


@pytest.mark.parametrize("name", CUTS)
def test_stem_and_tail_are_the_net(name):
    net = TaskNet(name, "random", size_px=64)
    images = torch.randn(2, 3, 64, 64, generator=_generator())
    with torch.no_grad():
        whole = net(images)
        for cut, maps in enumerate(net.stem(images)):
            torch.testing.assert_close(net.tail(maps, cut), whole, atol=1e-4, rtol=1e-4)


def test_a_constant_share_of_blur_is_blended_exactly():
    """At a level of the stem, and nowhere else, the estimate is the truth."""
    net = TaskNet("mobilenet_v2", "random", size_px=64)
    images = torch.randn(2, 3, 64, 64, generator=_generator())
    residual = blur_residual(images, 3.0, 9)
    stem = SharedStem(net, images, residual, 5)
    row, far = torch.arange(2), torch.full((2, 2), -1e4)
    for cut in (0, 1):
        said = stem.says(cut, row, torch.full((2, 64, 64), 0.25), row, far, 10.0)
        torch.testing.assert_close(said, net(images + 0.75 * residual), atol=1e-3, rtol=1e-3)


def test_the_scan_looks_everywhere_and_finds_less_loss_than_where_it_began():
    net = TaskNet("mobilenet_v2", "random", size_px=64)
    settings = NevaSettings(**SMALL)
    images, row = torch.randn(2, 3, 64, 64, generator=_generator()), torch.tensor([0, 1, 1])
    search, task = Scan(net), Classification(net)
    noise = draw_noise(torch.arange(3), 2, 20)
    found = optimise(images, row, task, settings, noise, search)
    candidates = search.candidates(noise[:, 0], 64, settings.bump_px / 2)
    assert len({tuple((xy // (64 / 4)).tolist()) for xy in candidates[0]}) > 12  # about one a cell
    torch.testing.assert_close(found.loss, found.trace.amin(2))
    alone = optimise(images[1:], torch.zeros(1, dtype=torch.long), task, settings, noise[2:], search)
    torch.testing.assert_close(alone.xy_px[0], found.xy_px[2], atol=1e-3, rtol=0)


def test_durations_are_what_the_formula_says():
    before, after = torch.tensor([[4.0, 3.0, 2.0]]), torch.tensor([[0.0, 3.0, 4.0]])
    steady = Accumulator(noise=0).durations_ms(before, after, _generator())
    torch.testing.assert_close(steady, torch.tensor([[185.0, 310, 310]], dtype=torch.float64))  # g = 1, 0, 0
    many = Accumulator().durations_ms(torch.zeros(1, 20_000), torch.zeros(1, 20_000), _generator()) - 60
    assert many.min() > 0 and many.mean() == pytest.approx(250, rel=0.02)
    assert many.std() == pytest.approx(0.03 * 250**1.5, rel=0.05)  # sqrt(mean^3 / shape)
    with pytest.raises(ValueError, match="base_per_ms"):
        Accumulator(base_per_ms=0)
    paths = _row(durations=True).view(_scenes(2), 2, 3, _generator())
    assert paths.duration_ms.shape == (2, 2, 3) and (paths.duration_ms > 60).all()


def test_the_amortised_net_learns_where_neva_looks():
    """A little, in a few steps: its cross-entropy falls below that of a net that has not been trained."""
    row = AmortisedNeva({}, weights="random")
    windows = crops(_scenes(1).pictures, 4, _generator())
    assert len(windows) == 4 and all(w.shape[0] <= 50 and w.shape[1] <= 81 for w in windows)
    images = row.task_net.backbone.preprocess(windows[:2])
    curve = learn(row.net, row.task_net, row.settings, images, 2, 20, _generator())
    assert curve[-1] < 0.9 * curve[0]
    paths = row.view(_scenes(2), 3, 4, _generator())
    assert paths.xy_px.shape == (2, 3, 4, 2)
    assert (paths.xy_px >= 0).all() and (paths.xy_px < torch.tensor([81, 50])).all()
    torch.testing.assert_close(row.view(_scenes(2), 3, 4, _generator()).xy_px, paths.xy_px)


def test_bench_neva_does_the_work_of_its_reference():
    made = cases("cpu", Sizes(2, 2, 1, NevaSettings(**TINY)))
    assert len({case.name for case in made}) == len(made) == 3
    torch.testing.assert_close(made[0].run()[:1], made[0].run_reference()[None], atol=1e-2, rtol=0)
    assert all(case.run().shape == (2, case.items // 2, 2) for case in made)


def test_real_weights_lower_the_loss(shared_data):
    """On the cat: looking lowers the loss, and the scan not less than five published steps."""
    import cv2

    net = TaskNet("mobilenet_v2", shared_data / "mobilenet_v2_imagenet")
    picture = cv2.imread(str(shared_data / "squeezenet_imagenet" / "cat.jpg"))[..., ::-1].copy()
    images, row = net.backbone.preprocess([picture]), torch.zeros(1, dtype=torch.long)
    settings = NevaSettings(kernel_px=41, sigma_px=10.0, spread_norm=0.2, steps=5)
    task, noise = Classification(net), draw_noise(torch.tensor([0]), 1, 20)
    reached = []
    for search in (None, Scan(net)):
        found = optimise(images, row, task, settings, noise, search)
        before, after = losses(images, row, task, settings, found.xy_px)
        reached.append(float(after))
        assert after < 0.7 * before
    assert reached[1] < reached[0] + 0.1
