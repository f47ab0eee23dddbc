import copy
import math

import pytest
import torch
from viewing_toys import spots, viewing

from gazekit.models.free_viewing import FreeViewing
from gazekit.scanpaths.cells import CellModel
from gazekit.scene import TrialBatch

NETS = {"attention_center": {"weights": "random", "layers": ["block0", "block1"]}}
SETTINGS = {
    "nets": NETS,
    "longest_px": 64,
    "members": 2,
    "components": 8,
    "hidden": 6,
    "steps": 30,
    "across": 16,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return viewing(spots(tmp_path_factory.mktemp("spots"), 12))


@pytest.fixture(scope="module")
def fitted(data) -> FreeViewing:
    model = FreeViewing(data.facts(), **SETTINGS)
    model.fit(data)
    return model.eval()


@pytest.fixture(scope="module")
def tested(data) -> TrialBatch:
    return data.batch(data.parts["test"][:12].tolist())


def test_all_at_once_is_step_by_step(fitted, tested):
    torch.testing.assert_close(
        fitted.fixation_log_prob(tested), CellModel.fixation_log_prob(fitted, tested), atol=2e-5, rtol=1e-5
    )


def test_it_finds_the_spots_of_new_pictures(fitted, data, tested):
    untrained = FreeViewing(data.facts(), **SETTINGS).eval()
    own, before = (m.fixation_log_prob(tested)[tested.mask].mean().item() for m in (fitted, untrained))
    assert own > before + 0.7 and own > -math.log(16 * 12) + 0.7
    paths = fitted.scanpaths(tested.scenes, 20, torch.Generator().manual_seed(0))
    person = torch.stack([tested.xy_px[tested.scene_of_trial == k][0, 0] for k in range(len(tested.scenes))])
    away = (paths.xy_px - person[:, None, None]).norm(dim=-1)
    uniform = (torch.rand(1000, 1, 2) * torch.tensor([64, 48]) - person).norm(dim=-1).mean()
    assert away[paths.mask].mean() < 0.75 * uniform


def test_equal_data_give_equal_weights_and_copies_share_the_nets(fitted, data):
    again = copy.deepcopy(FreeViewing(data.facts(), **SETTINGS))
    again.features = fitted.features
    again.fit(data)
    for name, value in fitted.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, msg=name)
    assert copy.deepcopy(fitted).features is fitted.features


def test_the_future_says_nothing_of_the_past(fitted, tested):
    later = copy.copy(tested)
    xy = tested.xy_px.clone()
    xy[:, 2:] = (64 - xy[:, 2:].flip(-1)).clamp(0, 47)
    object.__setattr__(later, "xy_px", xy)
    torch.testing.assert_close(
        fitted.fixation_log_prob(later)[:, :2], fitted.fixation_log_prob(tested)[:, :2]
    )


def test_durations_have_a_likelihood_and_are_drawn(fitted, data, tested):
    log = fitted.duration_log_prob(tested)
    assert log.shape == tested.mask.shape and log[tested.mask].isfinite().all()
    paths = fitted.scanpaths(tested.scenes, 50, torch.Generator().manual_seed(0))
    drawn = paths.duration_ms[paths.mask]
    people = tested.duration_ms[tested.mask]
    assert (drawn > 0).all() and abs(float(drawn.median() / people.median()) - 1) < 0.4
    table = fitted.fixations_px(tested, torch.Generator().manual_seed(0), 1)
    assert all(path.shape[1] == 3 for path in table)
    silent = FreeViewing(data.facts(), **SETTINGS, durations=False).eval()
    assert silent.scanpaths(tested.scenes, 1, torch.Generator()).duration_ms is None
    with pytest.raises(ValueError, match="knows no durations"):
        silent.duration_log_prob(tested)


def test_no_fixation_and_loss(fitted, tested):
    loss = fitted.loss(tested)["loss"]
    torch.testing.assert_close(loss, -fitted.fixation_log_prob(tested)[tested.mask].mean())
    none = copy.copy(tested)
    object.__setattr__(none, "mask", torch.zeros_like(tested.mask))
    assert fitted.loss(none)["loss"] == 0 and (fitted.fixation_log_prob(none) == 0).all()


def test_weights_fit_a_new_model(fitted, data, tested):
    clone = FreeViewing(data.facts(), **SETTINGS).eval()
    clone.load_state_dict(fitted.state_dict())
    torch.testing.assert_close(clone.fixation_log_prob(tested), fitted.fixation_log_prob(tested))


def test_the_centre_bias_is_that_of_the_training_pictures(fitted, data):
    centre = fitted.centre_on(fitted.grid_of(data.batch([0]).scenes))
    torch.testing.assert_close(centre.exp().sum(), torch.tensor(1.0))
    assert centre.max() - centre.min() > 1


def test_settings_that_cannot_work_are_told(data):
    with pytest.raises(ValueError, match="one net at least"):
        FreeViewing(data.facts())
    with pytest.raises(ValueError, match=r"attention_center\.layers: nope unknown"):
        FreeViewing(data.facts(), nets={"attention_center": {"weights": "random", "layers": ["nope"]}})
    with pytest.raises(ValueError, match="too few for 20 members"):
        FreeViewing(data.facts(), **SETTINGS | {"members": 20}).fit(data)


@pytest.mark.slow
def test_real_pictures_beat_the_centre_bias_by_far(shared_data):
    """The fixation network alone, two members; the whole model has five nets and four members."""
    from gazekit.base.scores import Settings
    from gazekit.datasets.viewing_data import ViewingData
    from gazekit.scanpaths.viewing_scores import BITS, ViewingComparison

    data = ViewingData("osie", shared_data / "osie", split="test")
    data.setup()
    layers = ["block2", "block4", "block6", "block8", "saliency"]
    nets = {"attention_center": {"weights": str(shared_data / "attention_center_saliency"), "layers": layers}}
    model = FreeViewing(data.facts(), nets=nets, members=2)
    model.fit(data)
    found = ViewingComparison({"scanmatch": {"on_outside": "clip"}}).scores(
        {"model": model.eval()}, data, Settings(samples=5, resamples=200), lambda *_: None
    )
    assert found.table["model"][BITS].low > 1.2
    assert found.table["model"]["scanmatch"].value > found.table["other images"]["scanmatch"].value + 0.02
