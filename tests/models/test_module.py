from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from pytorch_lightning import Trainer
from toys import random_batch, random_scene, random_trial

from gazekit.datasets.datamodule import ScanpathDataModule
from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.split import split_trials
from gazekit.models.module import ScanpathModule
from gazekit.scanpaths.baselines import Pairwise, Uniform
from gazekit.scanpaths.likelihood import negative_log_likelihood

ADAM = partial(torch.optim.Adam, lr=1e-2)
QUIET = {
    "accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False,
    "enable_model_summary": False, "enable_progress_bar": False,
}  # fmt: skip
# Lightning advises to load batches in further processes; batches here are made of what is in memory.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning"),
]


def toy_data(batch_size: int = 4, trials: int = 36) -> ScanpathDataModule:
    """Scenes of one picture each; a quarter of the trials validate."""
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng, 3 + i % 4, name=f"s{i}") for i in range(12)]
    rows = [random_trial(rng, i % 12, scenes, 1 + int(rng.integers(0, 7))) for i in range(trials)]
    module = ScanpathDataModule("toy", fractions=(0.5, 0.25, 0.25), batch_size=batch_size)
    module.dataset = ScanpathDataset("toy", tuple(scenes), tuple(rows))
    module.parts = split_trials(module.dataset, "image", module.fractions)
    module.categories = ("cup", "pen", "key")
    return module


def new_module(**options) -> ScanpathModule:
    torch.manual_seed(0)
    return ScanpathModule(Pairwise(16), ADAM, **{"max_fixations": 8, **options})


def train(module: ScanpathModule, steps: int, **options) -> Trainer:
    trainer = Trainer(max_steps=steps, max_epochs=-1, num_sanity_val_steps=0, limit_val_batches=0, **QUIET)
    trainer.fit(module, toy_data(), **options)
    return trainer


@torch.no_grad()
def loss_of(module: ScanpathModule, part: str) -> float:
    data = toy_data(batch_size=100)
    batch = next(data.batches(part))
    return negative_log_likelihood(module(batch), batch).item()


def test_training_lowers_the_loss():
    module = new_module(samples=0)
    before = loss_of(module, "train")
    trainer = train(module, 40)
    assert loss_of(module, "train") < before - 0.1
    assert 0 < trainer.callback_metrics["train/loss"] < before


def test_validation_reports_both_metrics():
    data, module = toy_data(), new_module(samples=2)
    trainer = Trainer(**QUIET)
    (results,) = trainer.validate(module, data.val_dataloader(), verbose=False)
    assert set(results) == {"val/information_gain_bits", "val/behaviour_delta"}
    (again,) = trainer.validate(module, data.val_dataloader(), verbose=False)
    assert again == results  # equal draws each time, states reset in between
    module.samples = 0
    (results,) = trainer.validate(module, data.val_dataloader(), verbose=False)
    assert set(results) == {"val/information_gain_bits"}


def test_the_uniform_model_gains_nothing():
    data = toy_data()
    (results,) = Trainer(**QUIET).validate(
        ScanpathModule(Uniform(), ADAM), data.val_dataloader(), verbose=False
    )
    assert results["val/information_gain_bits"] == pytest.approx(0, abs=1e-6)


def test_scheduler_knows_the_number_of_steps():
    module = new_module(samples=0, scheduler=partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=1e-2))
    trainer = train(module, 6)
    (scheduler,) = (c.scheduler for c in trainer.lr_scheduler_configs)
    assert scheduler.total_steps == 6
    assert scheduler.last_epoch == 6  # a step of the schedule each step of training


def test_baselines_are_kept_but_not_trained():
    torch.manual_seed(1)
    module = new_module(samples=0, baselines={"pairwise": Pairwise(8), "uniform": Uniform()})
    before = {k: v.clone() for k, v in module.baselines.state_dict().items()}
    trainer = train(module, 5)
    optimised = [id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]]
    assert optimised == [id(p) for p in module.net.parameters()]
    assert not any(p.requires_grad for p in module.baselines.parameters())  # processes would wait for them
    for name, value in module.baselines.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert {k.split(".")[0] for k in module.state_dict()} == {"net", "baselines"}


def test_checkpoint_holds_the_recipe_and_no_code(tmp_path: Path):
    recipe = {
        "net": {"_target_": "gazekit.scanpaths.baselines.Pairwise", "width": 16},
        "categories": ["cup", "pen"],
    }
    module = new_module(samples=0, recipe=recipe, baselines={"uniform": Uniform()})
    trainer = train(module, 2)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["gazekit"] == recipe
    other = new_module()
    other.net.load_state_dict({k.removeprefix("net."): v for k, v in checkpoint["state_dict"].items()})
    batch = random_batch()
    torch.testing.assert_close(other.net.log_prob(batch), module.net.log_prob(batch), rtol=0, atol=0)


def test_training_goes_on_from_a_checkpoint(tmp_path: Path):
    train(new_module(samples=0), 5).save_checkpoint(tmp_path / "epoch.ckpt")
    trainer = train(new_module(samples=0), 8, ckpt_path=tmp_path / "epoch.ckpt", weights_only=True)
    assert trainer.global_step == 8


def validate_share(rank: int, world: int, rendezvous: str, folder: str) -> None:
    """One process of `world`: validate its share of the trials, then write what all of them agree on."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=world)
    module, data = new_module(), toy_data()
    module.log = lambda *args, **kwargs: None  # there is no trainer
    trials = 0
    with torch.no_grad():
        for index, batch in enumerate(data.val_dataloader()):
            module.validation_step(batch, index)
            trials += len(batch)
    gain, delta = module.information_gain.compute(), module.behaviour_delta.compute()
    torch.save([trials, gain, delta], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_validate_as_one(tmp_path: Path):
    """Nine trials, five here and four there: sums over the processes are sums over the data."""
    torch.multiprocessing.spawn(validate_share, (2, f"file://{tmp_path}/meet", str(tmp_path)), nprocs=2)
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert [r[0] for r in results] == [5, 4]

    module, data = new_module(), toy_data()
    module.log = lambda *args, **kwargs: None
    index = data.parts["val"].tolist()
    assert len(index) == 9
    with torch.no_grad():
        for share in (index[0::2], index[1::2]):
            for k, start in enumerate(range(0, len(share), data.batch_size)):
                module.validation_step(data.batch(share[start : start + data.batch_size]), k)
    for _, gain, delta in results:
        torch.testing.assert_close(gain, module.information_gain.compute(), rtol=1e-10, atol=0)
        torch.testing.assert_close(delta, module.behaviour_delta.compute(), rtol=1e-10, atol=0)

    whole = new_module(samples=0)
    whole.log = module.log
    with torch.no_grad():
        whole.validation_step(data.batch(index), 0)
    torch.testing.assert_close(whole.information_gain.compute(), results[0][1], rtol=1e-5, atol=0)
