"""What every system inherits: loss to optimiser, draws of a step, checkpoints, predictions as a table."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from pytorch_lightning import Trainer
from torch import nn

from gazekit.base import Data, Predictor, System

QUIET = {
    "accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False,
    "enable_model_summary": False, "enable_progress_bar": False, "num_sanity_val_steps": 0,
}  # fmt: skip
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable"),
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning"),
]


class Line(Data):
    """y = 2 x; the parts share nothing."""

    def __init__(self, batch_size=4):
        super().__init__(batch_size)
        self.x = torch.linspace(-1, 1, 20)
        self.parts = {name: np.arange(20)[k::3] for k, name in enumerate(("train", "val", "test"))}

    def batch(self, index, generator=None):
        return {"x": self.x[index], "y": 2 * self.x[index], "group": torch.as_tensor(index)}


class Slope(System):
    """Learns one number.

    This is said nowhere.
    """

    def __init__(self, facts=None, start=0.0, dropout=0.0):
        super().__init__(facts)
        self.slope = nn.Parameter(torch.tensor(start))
        self.frozen = nn.Parameter(torch.tensor(1.0), requires_grad=False)
        self.drop = nn.Dropout(dropout)
        self.optimizer = partial(torch.optim.SGD, lr=0.3)
        self.noise = []

    def loss(self, batch):
        self.noise.append(torch.rand(()).item())
        error = self.drop(self.slope * batch["x"]) - batch["y"]
        return {"loss": (error**2).mean(), "largest": error.abs().max().detach()}

    def predict(self, batch, generator, samples=1):
        return {"predicted": self.slope * batch["x"]}


class Constant(Predictor):
    """Always the same."""

    def __init__(self, facts=None, value=0.0):
        super().__init__(facts)
        self.value = nn.Parameter(torch.tensor(value))


def fitted(system, steps, **options):
    trainer = Trainer(max_steps=steps, max_epochs=-1, limit_val_batches=0, **QUIET)
    trainer.fit(system, Line(), **options)
    return trainer


def test_training_minimises_the_loss_and_logs_the_terms():
    system = Slope()
    trainer = fitted(system, 60)
    assert system.slope.item() == pytest.approx(2, abs=0.05)
    assert {"train/loss", "train/largest"} <= set(trainer.callback_metrics)


def test_validation_logs_the_mean_over_items_and_not_over_batches():
    data, system = Line(batch_size=5), Slope(start=1.0)
    (found,) = Trainer(**QUIET).validate(system, data.val_dataloader(), verbose=False)
    x = data.x[data.parts["val"]]  # seven: a batch of five and one of two
    assert len(x) == 7
    assert found["val/loss"] == pytest.approx((x**2).mean().item(), rel=1e-5)
    assert set(found) == {"val/loss", "val/largest"}


def test_a_validation_of_its_own_is_logged_beside_the_loss():
    class Wider(Slope):
        def validate(self, batch):
            self.log("val/items", float(len(batch["x"])), reduce_fx="sum")

    (found,) = Trainer(**QUIET).validate(Wider(), Line().val_dataloader(), verbose=False)
    assert found["val/items"] == 7
    assert "val/loss" in found


def test_draws_in_training_depend_on_seed_and_step_only():
    systems = [Slope(), Slope(), Slope()]
    systems[2].seed = 1
    for k, system in enumerate(systems):
        torch.manual_seed(k)
        fitted(system, 5)
    assert systems[0].noise == systems[1].noise
    assert len(set(systems[0].noise)) == 5
    assert not set(systems[0].noise) & set(systems[2].noise)


def test_a_resumed_run_ends_like_an_unbroken_one(tmp_path):
    whole, first, second = (Slope(dropout=0.5) for _ in range(3))
    fitted(whole, 7)
    fitted(first, 4).save_checkpoint(tmp_path / "four.ckpt")
    trainer = fitted(second, 7, ckpt_path=tmp_path / "four.ckpt", weights_only=True)
    assert trainer.global_step == 7
    assert second.noise == whole.noise[4:]
    torch.testing.assert_close(second.slope, whole.slope, rtol=0, atol=0)


def test_what_needs_no_gradient_is_not_optimised():
    system = Slope()
    system.baselines["constant"] = Constant(value=3.0).requires_grad_(False)
    trainer = fitted(system, 3)
    optimised = [p for group in trainer.optimizers[0].param_groups for p in group["params"]]
    assert [id(p) for p in optimised] == [id(system.slope)]
    assert system.baselines["constant"].value.item() == 3.0
    assert "baselines.constant.value" in system.state_dict()


def test_the_scheduler_knows_the_number_of_steps():
    system = Slope()
    system.scheduler = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=1e-2)
    (config,) = fitted(system, 6).lr_scheduler_configs
    assert config.scheduler.total_steps == 6
    assert config.scheduler.last_epoch == 6  # a step of the schedule each step of training


def test_a_checkpoint_holds_the_recipe_and_no_code(tmp_path):
    system = Slope()
    system.recipe = {"target": "some.where.Slope", "settings": {"start": 0.0}, "facts": {"size": [8, 8]}}
    fitted(system, 2).save_checkpoint(tmp_path / "last.ckpt")
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["gazekit"] == system.recipe
    assert checkpoint["state_dict"]["slope"] == system.slope


def test_predictions_become_a_table_with_one_line_per_item():
    said = {
        "predicted": torch.tensor([0.5, 1.5]), "xy_px": torch.tensor([[1, 2], [3, 4]]),
        "map": torch.zeros(2, 3, 3), "other": torch.zeros(5), "word": "said",
    }  # fmt: skip
    (table,) = Slope().records(["a.png", "b.png"], said).values()
    assert list(Slope().records(["a.png", "b.png"], said)) == ["predictions.csv"]
    wanted = pd.DataFrame(
        {"item": ["a.png", "b.png"], "predicted": [0.5, 1.5], "xy_px_0": [1, 3], "xy_px_1": [2, 4]}
    )
    pd.testing.assert_frame_equal(table, wanted, check_dtype=False)


def test_defaults():
    system = Slope({"size": 3})
    assert system.facts == {"size": 3}
    assert system.about == "Learns one number."
    assert dict(system.reasons) == {}
    assert system.notes() == []
    assert system.figures(Line(), {}) == {}
    assert len(system.baselines) == 0
    with pytest.raises(ValueError, match="Slope reads no files of its own; leave input= out"):
        system.read("folder")
    with pytest.raises(ValueError, match="Slope has no ONNX form"):
        system.onnx_example()


def test_facts_are_a_copy():
    facts = {"size": 3}
    predictor = Constant(facts)
    facts["size"] = 4
    assert predictor.facts == {"size": 3}
    assert Constant().facts == {}


def test_what_must_be_defined_is_named():
    generator = torch.Generator()
    with pytest.raises(
        NotImplementedError, match=r"Constant must define predict\(batch, generator, samples\)"
    ):
        Constant().predict({}, generator)
    with pytest.raises(NotImplementedError, match=r"System must define loss\(batch\)"):
        System().loss({})
    assert Constant().fit(Line()) is None  # nothing to learn
