"""Nets behind perceptual systems: paired weights, the battery on nets of known behaviour, verdicts, the table."""

from copy import deepcopy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from gazekit.base import Data
from gazekit.base.scores import Settings
from gazekit.datasets.perceived import SYSTEMS
from gazekit.models.perceptual_systems import EmergentProperties, PerceptualSystems
from gazekit.models.perceptual_systems.battery import QUICK, SUMMARY, Battery, summary
from gazekit.models.perceptual_systems.claims import CLAIMS, judge
from gazekit.models.perceptual_systems.intervals import over_runs
from gazekit.models.perceptual_systems.net import grown
from gazekit.models.perceptual_systems.system import _in_turn
from gazekit.report.merge import over_runs as merged
from gazekit.schedule import stepped

CLASSES = 4
FACTS = {
    "classes": list("abcd"),
    "systems": list(SYSTEMS),
    "side_px": 32,
    "mean_colour": [[100.0, 110.0, 120.0]] * 4,
}


class Plain(Data):
    """Pictures of one brightness each, 10, 20, 30 or 40 by class, a little more in each system."""

    def setup(self, stage=None):
        self.labels = np.arange(24) % CLASSES
        self.parts = {"train": np.arange(8), "val": np.arange(8, 16), "test": np.arange(16, 24)}

    def facts(self):
        return FACTS

    def batch(self, index, generator=None):
        index = np.asarray(index)
        label = torch.from_numpy(self.labels[index])
        value = 10 * (label[:, None] + 1) + torch.arange(4)
        views = value[..., None, None, None].expand(-1, -1, 32, 32, 3).to(torch.uint8)
        return {"views": views, "label": label, "group": torch.from_numpy(index)}


@pytest.fixture
def data():
    data = Plain(batch_size=3)
    data.setup()
    return data


class Looks:
    """Names the brightness at one pixel; what it cannot be gets a class, too, the last."""

    runs, systems, course = 1, list(SYSTEMS), torch.zeros(1)

    def __init__(self, at):
        self.at = at

    def logits(self, run, system, pictures):
        value = pictures[:, 0, self.at, self.at]
        return -(value[:, None] - system - 10 * torch.arange(1, CLASSES + 1)).abs()


def test_the_battery_on_nets_that_look_at_one_pixel(data):
    index = data.parts["test"]
    middle, corner = (Battery(Looks(at), data, index).measure() for at in (16, 0))
    assert (middle.accuracy == 1).all() and (middle.generalisation == 1).all()
    assert middle.confusion.sum((-2, -1)).unique().tolist() == [8]
    scotoma, glaucoma, columns, rows = middle.occlusion[0, 0]
    assert scotoma.tolist() == [1.0] + [0.25] * 16  # grey is nearest to the last class
    assert glaucoma.tolist() == [1.0] * 16 + [0.25]
    assert columns.tolist() == rows.tolist() == [1.0] * 9 + [0.25] * 8
    assert (
        corner.occlusion[0, 0, 0].tolist() == [1.0] * 15 + [0.25] * 2
    )  # rounded up, level 16 hides all 32 px
    assert middle.passes[0, :, 0].eq(1).all()  # a blur changes nothing
    assert middle.window[0, 0].tolist() == [[0.0] + [1.0] * 7, [1.0] + [0.0] * 7]
    assert corner.window[0, 0].tolist() == [[0.0] * 7 + [1.0], [1.0] * 7 + [0.0]]
    assert middle.square[0, 0].tolist() == [[0.0] + [1.0] * 16, [1.0] + [0.0] * 16]
    assert (middle.centre_bias < 0.0155).all() and (corner.centre_bias > 0.8077).all()
    assert (middle.square_bias < corner.square_bias).all()


def test_the_short_battery_leaves_out_what_is_not_asked(data):
    found = Battery(Looks(16), data, data.parts["val"], QUICK).measure()
    assert found.occlusion[0, 0, 0].isfinite().nonzero().flatten().tolist() == [4, 8, 12]
    assert found.square.isnan().all() and summary(found).isfinite().all()


def test_first_weights_are_shared_by_systems_and_differ_between_runs():
    system = PerceptualSystems(FACTS, runs=2, init_seed=3, widths=(4, 4, 4, 4))
    state = [[net.state_dict() for net in run] for run in system.nets]
    for run in state:
        for other in run[1:]:
            assert all(torch.equal(run[0][name], other[name]) for name in other)
    assert not torch.equal(state[0][0]["net.0.weight"], state[1][0]["net.0.weight"])
    again = grown("small", CLASSES, (3, 1), (4, 4, 4, 4)).state_dict()
    assert all(torch.equal(again[name], state[1][2][name]) for name in again)


def test_each_net_learns_as_if_it_were_alone(data):
    torch.manual_seed(0)
    system = PerceptualSystems(FACTS, runs=2, widths=(4, 4, 4, 4))
    batch = {
        "views": torch.randint(0, 256, (12, 4, 32, 32, 3)).to(torch.uint8),
        "label": torch.arange(12) % CLASSES,
        "run": torch.arange(12) % 2,
    }
    alone = deepcopy(system.nets[1][2])
    system.loss(batch)["loss"].backward()
    own = batch["run"] == 1
    F.cross_entropy(alone(batch["views"][own, 2].permute(0, 3, 1, 2).float()), batch["label"][own]).backward()
    for together, single in zip(system.nets[1][2].parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(together.grad, single.grad, rtol=1e-4, atol=1e-6)


def test_wrong_settings_are_named(data):
    with pytest.raises(ValueError, match="must be one of small, alexnet"):
        PerceptualSystems(FACTS, net="big")
    with pytest.raises(ValueError, match="ascending"):
        PerceptualSystems(FACTS, watched=(0.5, 0.1))
    system = PerceptualSystems(FACTS, runs=2, widths=(4, 4, 4, 4))
    with pytest.raises(ValueError, match="runs=2, got 1"):
        system.loss(data.batch([0, 1]) | {"run": torch.tensor([0, 0])})


@pytest.mark.parametrize("kind", ["alexnet", "resnet18"])
def test_nets_of_the_paper_take_pictures_of_the_paper(kind):
    with torch.no_grad():
        assert grown(kind, 20, (0,)).eval()(torch.rand(1, 3, 256, 256) * 255).shape == (1, 20)


def test_what_is_learnt_is_watched_at_shares_of_the_training(data):
    system = PerceptualSystems(FACTS, runs=1, widths=(4, 4, 4, 4), watched=(0.5, 1.0), watched_pictures=4)
    system._trainer = SimpleNamespace(max_steps=4, datamodule=data, global_step=2)
    type(system).global_step, kept = (
        property(lambda self: self._trainer.global_step),
        type(system).global_step,
    )
    try:
        system.on_train_batch_end(None, None, 0)
        first = system.course.clone()
        assert first[0, ..., 0].isfinite().all() and first[1].isnan().all() and system.training
        system._trainer.global_step = 3
        system.on_train_batch_end(None, None, 0)
        assert torch.equal(system.course.isnan(), first.isnan())
    finally:
        type(system).global_step = kept


def test_watched_pictures_are_of_all_classes():
    labels = np.array([9, 9, 0, 0, 0, 1, 1, 2, 2])
    assert _in_turn(np.arange(2, 9), labels).tolist() == [2, 5, 7, 3, 6, 8, 4]


def test_intervals_are_those_of_merged_runs():
    from gazekit.metrics import Score

    values = [0.2, 0.5, float("nan"), 0.6]
    want = merged([{"x": Score(v, v, v, 1, 0)} for v in values])["x"]
    assert over_runs(torch.tensor(values, dtype=torch.float64)) == pytest.approx(want)
    one = over_runs(torch.tensor([0.3, torch.nan]))
    assert one.value == pytest.approx(0.3) and np.isnan(one.low) and one[3:] == (1, 1)


def values_of(**differences):
    """[3 runs, 4 systems, measures] in which systems differ by these amounts, with a little noise between runs."""
    values = torch.full((3, 4, len(SUMMARY)), 0.5) + torch.tensor([-0.001, 0.0, 0.001])[:, None, None]
    for measure, of_systems in differences.items():
        noise = torch.tensor([[0.0, 0.001], [0.0, 0.0], [0.001, 0.0]]).repeat(1, 2)
        values[..., SUMMARY.index(measure)] += torch.tensor(of_systems) + noise
    return values


@pytest.mark.parametrize(
    ("claim", "measure", "confirmed", "contradicted", "undecided"),
    [
        (0, "accuracy", (0.3, 0.3, 0.1, 0.1), (0.4, 0.3, 0.1, 0.1), (0.3, 0.3, 0.3, 0.1)),
        (1, "high_pass", (0.0, 0.2, 0.0, 0.1), (0.0, 0.2, 0.3, 0.1), (0.2, 0.2, 0.1, 0.1)),
        (2, "occlusion", (0.0, 0.2, 0.0, 0.1), (0.3, 0.2, 0.0, 0.1), (0.0, 0.2, 0.2, 0.1)),
        (3, "centre_bias", (0.3, 0.1, 0.3, 0.1), (0.1, 0.1, 0.1, 0.3), (0.1, 0.1, 0.3, 0.0)),
    ],
)
def test_verdicts(claim, measure, confirmed, contradicted, undecided):
    for word, values in (
        ("confirmed", confirmed),
        ("contradicted", contradicted),
        ("undecided", undecided),
    ):
        verdict = judge(CLAIMS[claim], values_of(**{measure: values}), margin=0.05)
        assert verdict.word == word, str(verdict)
        assert str(verdict).startswith(word.upper())


def test_one_run_decides_nothing():
    one = values_of(accuracy=(0.3, 0.3, 0.1, 0.1))[:1]
    assert judge(CLAIMS[0], one, margin=0.05).word == "undecided"


def test_the_table_has_systems_differences_and_verdicts(data):
    system = PerceptualSystems(FACTS, runs=2, widths=(4, 4, 4, 4)).eval()
    found = EmergentProperties().scores({"mine": system}, data, Settings(), lambda row, share: None)
    assert list(found.table)[:4] == list(SYSTEMS) and len(found.table) == 4 + 6
    difference = found.table["Foveation-Texture - Reference"]["occlusion"].value
    a, b = (found.table[name]["occlusion"].value for name in ("Foveation-Texture", "Reference"))
    assert difference == pytest.approx(a - b)
    assert np.shape(found.details["occlusion"]) == (2, 4, 4, 17)
    assert sum("CONFIRMED" in n or "CONTRADICTED" in n or "UNDECIDED" in n for n in found.notes) == 4
    assert any(n.startswith("high_pass: all systems are within") for n in found.notes)  # untrained nets
    figures = system.figures(data, found.table)
    assert set(figures) == {"views", "battery", "confusions"}
    with pytest.raises(ValueError, match="one model of perceptual systems"):
        EmergentProperties().scores({}, data, Settings(), lambda row, share: None)


def test_the_published_rate_falls_in_steps():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    schedule = stepped(optimizer, total_steps=8)
    rates = []
    for _ in range(8):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx([0.01] * 2 + [0.005] * 2 + [0.0025] * 4)
