import numpy as np
import pytest
import torch
from toys import CATEGORIES, random_batch, random_scene, random_trial

from gazekit import datasets
from gazekit.datasets.datamodule import ScanpathDataModule, mirror
from gazekit.datasets.records import ScanpathDataset
from gazekit.scanpaths.baselines import Pairwise


def toy_dataset(categories=None) -> ScanpathDataset:
    """Twelve scenes of 3 to 6 objects with three trials each; scene i alone holds the category "only i"."""
    rng = np.random.default_rng(0)
    scenes = []
    for i in range(12):
        scene = random_scene(rng, 3 + i % 4, name=f"s{i}")
        object.__setattr__(scene, "categories", (f"only {i}", *scene.categories[1:]))
        scenes.append(scene)
    trials = [random_trial(rng, i % 12, scenes, int(rng.integers(0, 8))) for i in range(36)]
    return ScanpathDataset("toy", tuple(scenes), tuple(trials), categories=categories)


@pytest.fixture
def module(monkeypatch) -> ScanpathDataModule:
    return ready(monkeypatch)


def ready(monkeypatch, dataset=None, **options) -> ScanpathDataModule:
    dataset = dataset or toy_dataset()
    monkeypatch.setattr(datasets, "load", lambda *args, **kwargs: dataset)
    module = ScanpathDataModule("toy", fractions=(0.5, 0.25, 0.25), **{"batch_size": 4, **options})
    module.setup()
    return module


def test_options_reach_the_loader_once(monkeypatch):
    calls = []
    monkeypatch.setattr(
        datasets, "load", lambda *args, **kwargs: calls.append((args, kwargs)) or toy_dataset()
    )
    module = ScanpathDataModule("toy", root="there", on_bad_record="skip", options={"seed": 3})
    module.setup("fit")
    module.setup("validate")
    assert calls == [(("toy", "there", "skip"), {"seed": 3})]


@pytest.mark.parametrize("part", ["train", "val", "test", "all"])
def test_a_pass_gives_each_trial_once_and_in_order(module, part):
    batches = list(module.batches(part))
    assert torch.cat([b.trial for b in batches]).tolist() == module.parts[part].tolist()
    assert [len(b) for b in batches[:-1]] == [4] * (len(batches) - 1)
    for batch in batches:
        for row, mask, i in zip(batch.objects, batch.mask, batch.trial.tolist(), strict=True):
            assert row[mask].tolist() == module.dataset.trials[i].objects.tolist()


@pytest.mark.parametrize("part", ["train", "val"])
def test_loaders_give_each_trial_once(module, part):
    loader = module.train_dataloader() if part == "train" else module.val_dataloader()
    drawn = torch.cat([b.trial for b in loader]).tolist()
    assert sorted(drawn) == module.parts[part].tolist()
    if part == "val":
        assert drawn == module.parts[part].tolist()


def test_training_order_changes_from_epoch_to_epoch(module):
    torch.manual_seed(0)
    loader = module.train_dataloader()
    one, other = (torch.cat([b.trial for b in loader]).tolist() for _ in range(2))
    assert one != other


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_validation_without_repeats(module, monkeypatch, processes):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        loader = module.val_dataloader()
        shares += [i for b in loader for i in b.trial.tolist()]
        assert sum(len(b) for b in loader) == len(loader.sampler)
    assert sorted(shares) == module.parts["val"].tolist()


def test_vocabulary_comes_from_training_alone(module):
    train = {module.dataset.trials[i].scene for i in module.parts["train"]}
    own = [f"only {i}" for i in range(12) if i in train]
    assert [c for c in module.categories if c.startswith("only")] == sorted(own)
    assert set(module.categories) - set(own) <= set(CATEGORIES)
    test = next(module.batches("test"))
    assert (test.scenes.category[:, 0] == 0).all()  # names of test scenes are unknown
    assert (test.scenes.category[:, 1] > 0).all()


def test_vocabulary_of_the_set_or_of_the_caller_wins(monkeypatch):
    declared = ready(monkeypatch, toy_dataset(categories=("pen", "cup")))
    assert declared.categories == ("pen", "cup")
    assert ready(monkeypatch, categories=["key"]).categories == ("key",)
    other = next(declared.batches("test", categories=("x", "key", "pen", "cup")))
    assert set(other.scenes.category.unique().tolist()) <= {0, 2, 3, 4}
    assert other.scenes.category.max() > 2


def test_longest_scanpath_of_a_part(module):
    lengths = [len(module.dataset.trials[i].objects) for i in module.parts["train"]]
    assert module.longest() == max(lengths)
    assert module.longest("val") == max(len(module.dataset.trials[i].objects) for i in module.parts["val"])


def test_all_needs_no_split(monkeypatch):
    data = toy_dataset()
    one = ScanpathDataset("toy", data.scenes[:1], tuple(t for t in data.trials if t.scene == 0))
    module = ready(monkeypatch, one, split="all")  # too few images for three parts
    assert module.parts["all"].tolist() == [0, 1, 2]
    assert "only 0" in module.categories


def test_unknown_split():
    with pytest.raises(ValueError, match=r"data\.split must be 'train', 'val', 'test' or 'all', got 'dev'"):
        ScanpathDataModule("toy", split="dev")


def test_mirror_twice_is_the_same():
    batch = random_batch(crop=(4, 3))
    everywhere = torch.ones(len(batch.scenes), dtype=torch.bool)
    twice = mirror(mirror(batch, everywhere), everywhere).scenes
    for name, value in vars(batch.scenes).items():
        assert torch.equal(getattr(twice, name), value), name


def test_mirror_by_hand():
    batch = random_batch()
    mirrored = mirror(batch, torch.tensor([True, False, True])).scenes
    before = batch.scenes
    assert mirrored.start_xy_px.tolist() == [[350, 120], [250, 120], [350, 120]]
    assert torch.equal(mirrored.boxes_px[1], before.boxes_px[1])
    for row, n in ((0, 5), (2, 4)):
        x0, y0, x1, y1 = before.boxes_px[row, :n].T
        assert torch.equal(mirrored.boxes_px[row, :n], torch.stack([600 - x1, y0, 600 - x0, y1], 1))
        assert (mirrored.boxes_px[row, n:] == 0).all()  # padding stays zero
    for name in ("object_mask", "target", "category"):
        assert torch.equal(getattr(mirrored, name), getattr(before, name))


def test_mirror_keeps_a_blind_model_blind():
    """Where displacement to the side does not count, the mirror changes no probability."""
    torch.manual_seed(0)
    model, batch = Pairwise(), random_batch()
    with torch.no_grad():
        model.score[0].weight[:, 0] = 0  # dx
        mirrored = mirror(batch, torch.ones(3, dtype=torch.bool))
        torch.testing.assert_close(model.log_prob(mirrored), model.log_prob(batch))


def test_mirror_is_drawn_for_each_scene_in_training_only(monkeypatch):
    module = ready(monkeypatch, batch_size=50)
    torch.manual_seed(0)
    plain = module.batch(module.parts["train"].tolist())
    flipped = []
    for _ in range(30):
        (batch,) = module.train_dataloader()
        flipped.append((batch.scenes.boxes_px != plain.scenes.boxes_px).any(-1).any(-1))
    share = torch.stack(flipped).float().mean(0)
    assert ((share > 0.2) & (share < 0.8)).all()
    (val,) = module.val_dataloader()
    assert torch.equal(val.scenes.boxes_px, module.batch(module.parts["val"].tolist()).scenes.boxes_px)
    (fixed,) = ready(monkeypatch, batch_size=50, mirror=False).train_dataloader()
    assert torch.equal(fixed.scenes.boxes_px, plain.scenes.boxes_px)
