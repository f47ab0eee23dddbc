"""Training, validation and predictions of a scanpath system, with a pairwise net."""

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from matplotlib.figure import Figure
from pytorch_lightning import Trainer
from toys import random_batch, random_scene, random_trial

from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.scanpath_data import ScanpathData
from gazekit.datasets.scenes_json import load
from gazekit.metrics.functional import PARTS
from gazekit.metrics.score import Score
from gazekit.models.scanpath_system import ScanpathSystem
from gazekit.scanpaths.baselines import Pairwise, Uniform
from gazekit.scanpaths.likelihood import negative_log_likelihood, next_outcome

ADAM = partial(torch.optim.Adam, lr=1e-2)
QUIET = {
    "accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False,
    "enable_model_summary": False, "enable_progress_bar": False,
}  # fmt: skip
# Lightning advises to load batches in further processes; batches here are made of what is in memory.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*your dataloader is not resumable"),
    pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning"),
]


def toy_data(batch_size: int = 4, trials: int = 36) -> ScanpathData:
    """Scenes of one picture each; a quarter of the trials validate."""
    rng = np.random.default_rng(0)
    scenes = [random_scene(rng, 3 + i % 4, name=f"s{i}") for i in range(12)]
    rows = [random_trial(rng, i % 12, scenes, 1 + int(rng.integers(0, 7))) for i in range(trials)]
    data = ScanpathData("toy", fractions=(0.5, 0.25, 0.25), batch_size=batch_size)
    data.use(ScanpathDataset("toy", tuple(scenes), tuple(rows), categories=("cup", "pen", "key")))
    return data


class Toy(ScanpathSystem):
    """Pairwise, trained as a system."""

    def __init__(self, facts=None, width: int = 16, val_samples: int = 2, net=None) -> None:
        super().__init__(facts or {"max_fixations": 8}, val_samples)
        self.net = net or Pairwise(width=width)
        self.optimizer = ADAM


def new_system(**options) -> Toy:
    torch.manual_seed(0)
    return Toy(**options)


def train(system: ScanpathSystem, steps: int, **options) -> Trainer:
    trainer = Trainer(max_steps=steps, max_epochs=-1, num_sanity_val_steps=0, limit_val_batches=0, **QUIET)
    trainer.fit(system, toy_data(), **options)
    return trainer


@torch.no_grad()
def loss_of(system: ScanpathSystem, part: str) -> float:
    batch = next(toy_data(batch_size=100).batches(part))
    return negative_log_likelihood(system.net.log_prob(batch), batch).item()


def test_the_loss_is_the_mean_cross_entropy():
    system, batch = new_system(), random_batch()
    happened = next_outcome(system.net.log_prob(batch), batch)
    expected = -happened.log_prob[happened.mask].mean()
    assert set(system.loss(batch)) == {"loss"}
    torch.testing.assert_close(system.loss(batch)["loss"], expected)


def test_training_lowers_the_loss():
    system = new_system(val_samples=0)
    before = loss_of(system, "train")
    trainer = train(system, 40)
    assert loss_of(system, "train") < before - 0.1
    assert 0 < trainer.callback_metrics["train/loss"] < before


def test_validation_reports_both_metrics():
    data, system = toy_data(), new_system(val_samples=2)
    trainer = Trainer(**QUIET)
    (results,) = trainer.validate(system, data.val_dataloader(), verbose=False)
    assert set(results) == {"val/loss", "val/information_gain_bits", "val/behaviour_delta"}
    (again,) = trainer.validate(system, data.val_dataloader(), verbose=False)
    assert again == results  # equal draws each time, states reset in between
    system.val_samples = 0
    (fewer,) = trainer.validate(system, data.val_dataloader(), verbose=False)
    assert set(fewer) == {"val/loss", "val/information_gain_bits"}
    assert fewer["val/information_gain_bits"] == results["val/information_gain_bits"]


def test_the_uniform_model_gains_nothing():
    system = Toy(net=Uniform())
    (results,) = Trainer(**QUIET).validate(system, toy_data().val_dataloader(), verbose=False)
    assert results["val/information_gain_bits"] == pytest.approx(0, abs=1e-6)


def test_scheduler_knows_the_number_of_steps():
    system = new_system(val_samples=0)
    system.scheduler = partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=1e-2)
    trainer = train(system, 6)
    (scheduler,) = (c.scheduler for c in trainer.lr_scheduler_configs)
    assert scheduler.total_steps == 6
    assert scheduler.last_epoch == 6  # a step of the schedule each step of training


def test_baselines_are_kept_but_not_trained():
    system = new_system(val_samples=0)
    torch.manual_seed(1)
    system.baselines.update({"pairwise": Pairwise(width=8), "uniform": Uniform()})
    system.baselines.requires_grad_(False)
    before = {k: v.clone() for k, v in system.baselines.state_dict().items()}
    trainer = train(system, 5)
    optimised = [id(p) for group in trainer.optimizers[0].param_groups for p in group["params"]]
    assert optimised == [id(p) for p in system.net.parameters()]
    assert not any(p.requires_grad for p in system.baselines.parameters())  # processes would wait for them
    for name, value in system.baselines.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    assert {k.split(".")[0] for k in system.state_dict()} == {"net", "baselines"}


def test_checkpoint_holds_the_recipe_and_no_code(tmp_path: Path):
    system = new_system(val_samples=0)
    system.baselines["uniform"] = Uniform()
    system.recipe = {"target": "toys.Toy", "settings": {"width": 16}, "facts": {"categories": ["cup", "pen"]}}
    trainer = train(system, 2)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    checkpoint = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint["gazekit"] == system.recipe
    other = new_system()
    other.load_state_dict(checkpoint["state_dict"])
    batch = random_batch()
    torch.testing.assert_close(other.net.log_prob(batch), system.net.log_prob(batch), rtol=0, atol=0)


def test_training_goes_on_from_a_checkpoint(tmp_path: Path):
    whole, resumed = new_system(val_samples=0), new_system(val_samples=0)
    train(whole, 8)
    train(new_system(val_samples=0), 5).save_checkpoint(tmp_path / "five.ckpt")
    trainer = train(resumed, 8, ckpt_path=tmp_path / "five.ckpt", weights_only=True)
    assert trainer.global_step == 8
    for name, value in whole.state_dict().items():  # the batches are those that an unbroken run sees
        torch.testing.assert_close(resumed.state_dict()[name], value, rtol=0, atol=0)


def validate_share(rank: int, world: int, rendezvous: str, folder: str) -> None:
    """One process of `world`: validate its share of the trials, then write what all of them agree on."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=world)
    system, data = new_system(), toy_data()
    system.log = lambda *args, **kwargs: None  # there is no trainer
    trials = 0
    with torch.no_grad():
        for index, batch in enumerate(data.val_dataloader()):
            system.validation_step(batch, index)
            trials += len(batch)
    gain, delta = system.information_gain.compute(), system.behaviour_delta.compute()
    torch.save([trials, gain, delta], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_validate_as_one(tmp_path: Path):
    """Nine trials, five here and four there: sums over the processes are sums over the data."""
    torch.multiprocessing.spawn(validate_share, (2, f"file://{tmp_path}/meet", str(tmp_path)), nprocs=2)
    results = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert [r[0] for r in results] == [5, 4]

    system, data = new_system(), toy_data()
    system.log = lambda *args, **kwargs: None
    index = data.parts["val"].tolist()
    assert len(index) == 9
    with torch.no_grad():
        for share in (index[0::2], index[1::2]):
            for k, start in enumerate(range(0, len(share), data.batch_size)):
                system.validation_step(data.batch(share[start : start + data.batch_size]), k)
    for _, gain, delta in results:
        torch.testing.assert_close(gain, system.information_gain.compute(), rtol=1e-10, atol=0)
        torch.testing.assert_close(delta, system.behaviour_delta.compute(), rtol=1e-10, atol=0)


# ------------------------------------------------------------------ predictions


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "desk.png"), np.full((40, 60, 3), 128, np.uint8))
    boxes = pd.DataFrame(
        [[0, 0, 10, 10], [20, 5, 30, 15], [40, 20, 55, 35]], columns=["x_min", "y_min", "x_max", "y_max"]
    )
    boxes.assign(category=["cup", "pen", "???"]).to_csv(tmp_path / "desk.csv", index=False)
    return tmp_path / "desk.png"


def test_a_picture_and_its_boxes_are_read(picture):
    system = new_system(facts={"categories": ["pen", "cup"], "free_viewing": False, "max_fixations": 5})
    ((items, batch),) = system.read(picture, boxes=str(picture.with_suffix(".csv")), target=1)
    assert [(Path(item.scene.name).stem, item.path) for item in items] == [("desk", picture)]
    assert batch.scenes.category.tolist() == [[2, 1, 0]]  # in the vocabulary of the training
    assert batch.scenes.target.tolist() == [1]
    assert batch.mask.shape == (1, 0)  # nobody has looked yet


def test_a_model_of_search_must_know_the_target(picture):
    system = new_system(facts={"free_viewing": False})
    with pytest.raises(ValueError, match="trained on search only: target=NUMBER"):
        next(system.read(picture, boxes=str(picture.with_suffix(".csv"))))


def test_predicted_scanpaths_are_written_as_json_and_pictures(picture, tmp_path):
    system = new_system(facts={"max_fixations": 5})
    system.recipe = {"name": "toy"}
    ((items, batch),) = system.read(picture, boxes=str(picture.with_suffix(".csv")), target=1)
    with torch.no_grad():
        said = system.predict(batch, torch.Generator().manual_seed(0), samples=4)
    files = system.records(items, said)
    assert set(files) == {"scanpaths.csv", "desk_scanpaths.json", "desk_scanpaths.png"}
    assert isinstance(files["desk_scanpaths.png"], Figure)
    files["desk_scanpaths.json"](tmp_path / "out.json")
    assert json.loads((tmp_path / "out.json").read_text())
    written = load(tmp_path / "out.json")
    assert [t.scanpath.observer for t in written.trials] == [f"toy {k}" for k in range(1, 5)]
    for k, trial in enumerate(written.trials):
        path = said["model_objects"][0, k][said["model_mask"][0, k]]
        assert trial.objects.tolist() == path.tolist()
        boxes = items[0].scene.boxes_px[path.numpy()]
        np.testing.assert_allclose(trial.scanpath.xy_px, (boxes[:, :2] + boxes[:, 2:]) / 2)


def test_scanpaths_of_many_scenes_are_one_table():
    """One line per fixation, at the centre of its object."""
    data, system = toy_data(), new_system()
    chosen = data.distinct("test")
    batch, scenes = data.batch(chosen), data.items(chosen)
    with torch.no_grad():
        said = system.predict(batch, torch.Generator().manual_seed(0), samples=2)
    files = system.records(scenes, said)
    assert list(files) == ["scanpaths.csv"]
    table = files["scanpaths.csv"]
    assert len(table) == int(said["model_mask"].sum()) > 0
    centres = batch.scenes[batch.scene_of_trial].centres_px
    places = (
        centres[:, None]
        .expand(-1, 2, -1, -1)
        .gather(2, said["model_objects"][..., None].expand(-1, -1, -1, 2))
    )
    wanted = places[said["model_mask"]].numpy()
    assert list(table.columns) == ["image", "sample", "x_px", "y_px"]
    assert set(table["image"]) == {scene.name for scene in scenes}
    assert set(table["sample"]) == {1, 2}
    found = table[["x_px", "y_px"]].to_numpy()
    np.testing.assert_allclose(found, wanted)


def test_figures_show_behaviour_and_examples():
    data, system = toy_data(), new_system()
    system.recipe = {"name": "toy"}
    system.baselines["uniform"] = Uniform({"max_fixations": 8})
    score = Score(0.5, 0.25, 0.75, 9, 0)
    whole = {f"search_behaviour.{part}": score for part in PARTS}
    drawn = system.figures(data, {"toy": whole, "other": {"accuracy": score}})
    assert list(drawn) == ["behaviour", "scanpaths_1", "scanpaths_2", "scanpaths_3"]
    assert all(isinstance(figure, Figure) for figure in drawn.values())
    assert "behaviour" not in system.figures(data, {"toy": {}})
