"""Glimpse prediction as a system: overfits, resumes, is kept in checkpoints; rows learn in their fit."""

from __future__ import annotations

import pytest
import pytorch_lightning as pl
import torch
from glimpse_toys import ToyGlimpses, batch, toy

from gazekit.base.scores import Settings
from gazekit.models.glimpse import (
    CopyGlimpse,
    DisplacementRidge,
    GlimpsePrediction,
    GlimpseRow,
    GlimpseScores,
    LinearFitPlateau,
    MeanGlimpse,
    steps_of,
)
from gazekit.models.glimpse.fitting import NETS, build_net, fit_net, mean_glimpse, validation_loss

pytestmark = [
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable"),
]
SIZES = {"hidden": 24, "layers": 1}
QUIET = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
         "enable_model_summary": False, "accelerator": "cpu",
         "num_sanity_val_steps": 0, "max_epochs": -1, "devices": 1}  # fmt: skip


def system(net: str = "RS", data=None, **settings) -> GlimpsePrediction:
    made = GlimpsePrediction((data or toy()).facts(), net, **(SIZES | settings))
    made.optimizer = lambda parameters: torch.optim.Adam(parameters, 3e-3)
    return made


@pytest.mark.parametrize("net", NETS)
def test_it_overfits_one_batch(net: str) -> None:
    made, model = batch(), system(net, hidden=64, dropout=0.0, dropout_in=0.0)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    for _ in range(200):
        loss = model.loss(made)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    known = steps_of(made)
    floor = -0.5 if net == "B" else -0.7  # a glimpse without its saccade has several successors
    assert loss < floor
    assert model.predict(made, torch.Generator())["glimpse"].shape == known.target.shape


def test_resumed_in_the_middle_of_an_epoch_it_is_as_if_unbroken(tmp_path) -> None:
    def run(steps: int, ckpt=None):
        data, model = toy(batch_size=4), system(dropout=0.2)
        model.scheduler = lambda optimizer, total_steps: LinearFitPlateau(
            optimizer, warm_up=2, window=2, patience=0
        )
        trainer = pl.Trainer(max_steps=steps, **QUIET)
        trainer.fit(model, data, ckpt_path=ckpt, weights_only=True)
        return trainer, model

    trainer, _ = run(11)  # 8 steps an epoch
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    _, resumed = run(30, tmp_path / "a.ckpt")
    unbroken, whole = run(30)
    for (name, a), b in zip(whole.state_dict().items(), resumed.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, msg=name)
    assert unbroken.optimizers[0].param_groups[0]["lr"] <= 3e-3
    assert unbroken.lr_scheduler_configs[0].scheduler.epoch == 3


def test_the_fit_sets_the_mean_and_may_train() -> None:
    data = toy()
    model = system()
    model.fit(data)
    glimpses = data.records.embeddings[: data.records.start[data.parts["train"][-1] + 1]]
    torch.testing.assert_close(model.net.mean, torch.from_numpy(glimpses).mean(0))
    assert model.course is None
    trained = system(fit_steps=30)
    trained.fit(data)
    again = system(fit_steps=30)
    again.fit(data)
    assert trained.course.step[-1] == 30
    for a, b in zip(trained.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_the_best_validation_is_kept() -> None:
    data = toy()
    net = build_net(data.facts(), "S", **SIZES)
    course = fit_net(net, data, steps=60, lr=0.05, checks=12)
    assert validation_loss(net, data) == pytest.approx(min(course.val_loss))
    assert course.val_loss[course.step.index(course.best_step)] == min(course.val_loss)


def test_rows_learn_and_say_the_same_after_loading() -> None:
    data = toy()
    made = data.batch(data.parts["test"].tolist())
    for settings in ({"net": "RS"}, {"net": "attention", "members": 2}):
        row = GlimpseRow(data.facts(), steps=20, settings=SIZES | {"hidden": 16}, **settings)
        row.fit(data)
        assert not any(p.requires_grad for p in row.parameters())
        said = row.eval().predict(made, torch.Generator())
        other = GlimpseRow(data.facts(), steps=20, settings=SIZES | {"hidden": 16}, **settings).eval()
        other.load_state_dict(row.state_dict())
        assert torch.equal(other.predict(made, torch.Generator())["glimpse"], said["glimpse"])
    assert len(row.courses) == 2
    assert "state" not in said
    assert row.about == "Glimpse prediction net attention, 2 of them averaged."


@pytest.mark.parametrize("kind", [GlimpseRow, DisplacementRidge])
def test_controls_learn_from_other_scanpaths_of_the_same_pictures(kind) -> None:
    asked, data, other = [], toy(), toy(ragged=False)
    data.with_scanpaths = lambda who: asked.append(who) or other
    more = {"net": "S", "steps": 3, "settings": SIZES} if kind is GlimpseRow else {}
    control, direct = kind(data.facts(), scanpaths="permuted", **more), kind(other.facts(), **more)
    if kind is GlimpseRow:
        direct.members.load_state_dict(control.members.state_dict())
        direct.members[0].read_in.scale = control.members[0].read_in.scale
    control.fit(data)
    direct.fit(other)
    assert asked == ["permuted"]
    for a, b in zip(control.state_dict().values(), direct.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_baselines_copy_and_average() -> None:
    data = toy()
    made = data.batch(data.parts["test"].tolist())
    now, mean = made["glimpse"][:, :-1], mean_glimpse(data)
    rows = {"raw": CopyGlimpse(data.facts()), "centred": CopyGlimpse(data.facts(), centred=True),
            "mean": MeanGlimpse(data.facts())}  # fmt: skip
    for row in rows.values():
        row.fit(data)
    said = {name: row.predict(made, torch.Generator())["glimpse"] for name, row in rows.items()}
    assert torch.equal(said["raw"], now)
    torch.testing.assert_close(said["centred"], now - mean)
    torch.testing.assert_close(said["mean"], mean.expand_as(now))


def test_records_have_a_line_for_each_glimpse_that_something_follows() -> None:
    data, model = toy(), system().eval()
    index = data.parts["test"][:3].tolist()
    made = data.batch(index)
    with torch.no_grad():
        table = model.records(data.items(index), model.predict(made, torch.Generator()))["predictions.csv"]
    assert len(table) == int(made["mask"].sum()) - 3
    assert list(table.columns[:3]) == ["item", "glimpse", "glimpse_0"]
    assert table["item"][0] == data.items(index)[0]


def test_cross_validation_fits_rows_anew_and_leaves_out_what_it_cannot() -> None:
    class Folded(ToyGlimpses):
        folds = 2

        def in_fold(self, fold: int) -> Folded:
            other = Folded(split="test")
            other.setup()
            pictures = other.records.picture
            other.parts = {
                "train": (pictures % 2 != fold).nonzero()[0], "val": (pictures % 2 != fold).nonzero()[0],
                "test": (pictures % 2 == fold).nonzero()[0],
            }  # fmt: skip
            return other

    data = Folded()
    data.setup()
    data.split, data.parts["all"] = "all", torch.arange(len(data.records.picture)).numpy()
    rows = {"model": system(fit_steps=2), "untrained": system(), "mean": MeanGlimpse(data.facts())}
    differences = {"a": [["model"], ["mean"]], "b": [["model"], ["untrained"]]}
    found = GlimpseScores(differences).scores(rows, data, Settings(resamples=20), lambda *_: None)
    assert found.table["mean"]["target"].n == int(data.records.start[-1]) - len(data.records.picture)
    assert rows["mean"].mean.abs().sum() == 0  # the row itself is as it was
    assert set(found.table) == {"model", "mean", "a"}
    assert "trained outside of the folds" in found.reasons["untrained", "contrast"]
    assert any("2 fold(s)" in note for note in found.notes)


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"model\.heads has category, but these data have no labels"):
        system(heads=["glimpse", "category"])
    with pytest.raises(ValueError, match="net must be one of B, S, R, RS, attention, got 'X'"):
        system("X")
