import json
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import CATEGORIES, random_batch, random_scene, random_trial

from gazekit import datasets
from gazekit.datasets.records import ScanpathDataset
from gazekit.datasets.scanpath_data import ScanpathData, mirror
from gazekit.datasets.split import part_names
from gazekit.datasets.synthetic_search import load
from gazekit.scanpaths.baselines import Pairwise, Uniform
from gazekit.scanpaths.people import OtherHalf, OtherPeople


def toy_dataset(categories=None) -> ScanpathDataset:
    """Twelve scenes of 3 to 6 objects with three trials each; scene i alone holds the category "only i"."""
    rng = np.random.default_rng(0)
    scenes = []
    for i in range(12):
        scene = random_scene(rng, 3 + i % 4, name=f"s{i}")
        scenes.append(replace(scene, categories=(f"only {i}", *scene.categories[1:])))
    trials = [random_trial(rng, i % 12, scenes, int(rng.integers(0, 8))) for i in range(36)]
    return ScanpathDataset("toy", tuple(scenes), tuple(trials), categories=categories)


def ready(monkeypatch, dataset=None, trained_with=None, **options) -> ScanpathData:
    dataset = dataset or toy_dataset()
    monkeypatch.setattr(datasets, "load", lambda *args, **kwargs: dataset)
    data = ScanpathData("toy", fractions=(0.5, 0.25, 0.25), **{"batch_size": 4, **options})
    data.trained_with = trained_with
    data.setup()
    return data


@pytest.fixture
def data(monkeypatch) -> ScanpathData:
    return ready(monkeypatch)


def test_options_reach_the_loader_once(monkeypatch):
    calls = []
    monkeypatch.setattr(
        datasets, "load", lambda *args, **kwargs: calls.append((args, kwargs)) or toy_dataset()
    )
    data = ScanpathData("toy", root="there", on_bad_record="skip", options={"seed": 3})
    data.setup("fit")
    data.setup("validate")
    assert calls == [(("toy", "there", "skip"), {"seed": 3})]


@pytest.mark.parametrize("part", ["train", "val", "test", "all"])
def test_a_pass_gives_each_trial_once_and_in_order(data, part):
    batches = list(data.batches(part))
    assert torch.cat([b.trial for b in batches]).tolist() == data.parts[part].tolist()
    assert [len(b) for b in batches[:-1]] == [4] * (len(batches) - 1)
    for batch in batches:
        for row, mask, i in zip(batch.objects, batch.mask, batch.trial.tolist(), strict=True):
            assert row[mask].tolist() == data.dataset.trials[i].objects.tolist()


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_each_epoch_of_training_gives_each_trial_once(data, processes):
    steps = data.steps_per_epoch(processes)
    epochs = []
    for epoch in range(2):
        drawn = [
            data.training_batch(step, rank, processes).trial.tolist()
            for step in range(epoch * steps, (epoch + 1) * steps)
            for rank in range(processes)
        ]
        drawn = [i for k, batch in enumerate(drawn) if k * 4 < len(data.parts["train"]) for i in batch]
        assert Counter(drawn) == Counter(data.parts["train"].tolist())
        epochs.append(drawn)
    assert epochs[0] != epochs[1]


def test_the_training_loader_goes_on_at_the_step_of_the_trainer(data):
    data.trainer = SimpleNamespace(global_step=6, accumulate_grad_batches=1)
    loader = iter(data.train_dataloader())
    for step in range(6, 12):
        batch, expected = next(loader), data.training_batch(step)
        assert torch.equal(batch.trial, expected.trial)
        assert torch.equal(batch.scenes.boxes_px, expected.scenes.boxes_px)  # mirrored alike


def test_a_training_batch_is_mirrored_alike_each_time(monkeypatch):
    one, same = ready(monkeypatch), ready(monkeypatch)
    torch.manual_seed(0)
    turned = set()
    for step in range(8):
        for rank in range(2):
            a = one.training_batch(step, rank, 2)
            torch.rand(3)  # other draws in between change nothing
            b = same.training_batch(step, rank, 2)
            assert torch.equal(a.trial, b.trial)
            assert torch.equal(a.scenes.boxes_px, b.scenes.boxes_px)
            assert torch.equal(a.xy_px, b.xy_px)
            plain = one.batch(a.trial.tolist())
            turned |= set((a.scenes.boxes_px != plain.scenes.boxes_px).any(-1).any(-1).tolist())
    assert turned == {True, False}


def test_the_validation_loader_gives_each_trial_once_and_in_order(data):
    drawn = torch.cat([b.trial for b in data.val_dataloader()]).tolist()
    assert drawn == data.parts["val"].tolist()


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_validation_without_repeats(data, monkeypatch, processes):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: processes)
    shares = []
    for rank in range(processes):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        share = [i for b in data.val_dataloader() for i in b.trial.tolist()]
        assert len(share) == len(data.parts["val"][rank::processes])
        shares += share
    assert sorted(shares) == data.parts["val"].tolist()


def test_vocabulary_comes_from_training_alone(data):
    train = {data.dataset.trials[i].scene for i in data.parts["train"]}
    own = [f"only {i}" for i in range(12) if i in train]
    assert [c for c in data.categories if c.startswith("only")] == sorted(own)
    assert set(data.categories) - set(own) <= set(CATEGORIES)
    assert data.facts()["categories"] == list(data.categories)
    test = next(data.batches("test"))
    assert (test.scenes.category[:, 0] == 0).all()  # names of test scenes are unknown
    assert (test.scenes.category[:, 1] > 0).all()


def test_vocabulary_of_the_set_or_of_the_model_wins(monkeypatch):
    declared = ready(monkeypatch, toy_dataset(categories=("pen", "cup")))
    assert declared.categories == ("pen", "cup")
    trained = ready(monkeypatch, toy_dataset(categories=("pen", "cup")), trained_with={"categories": ["key"]})
    assert trained.categories == ("key",)
    other = next(declared.batches("test", {"categories": ("x", "key", "pen", "cup")}))
    assert set(other.scenes.category.unique().tolist()) <= {0, 2, 3, 4}
    assert other.scenes.category.max() > 2
    plain = next(declared.batches("test", {}))  # a model without a vocabulary
    assert torch.equal(plain.scenes.category, next(declared.batches("test")).scenes.category)


def test_the_longest_scanpath_of_training_is_a_fact(data):
    lengths = [len(data.dataset.trials[i].objects) for i in data.parts["train"]]
    assert data.facts()["max_fixations"] == max(lengths)


def test_facts_are_plain_and_complete(monkeypatch):
    rng = np.random.default_rng(0)
    targets = [0, None, 1, 2]
    scenes = [random_scene(rng, 5, targets[i % 4], crop=(4, 3), name=f"s{i}") for i in range(12)]
    trials = [random_trial(rng, i % 12, scenes, 1 + i % 5) for i in range(36)]
    data = ready(monkeypatch, ScanpathDataset("toy", tuple(scenes), tuple(trials)))
    facts = data.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["dataset"] == "toy"
    assert facts["crop_size"] == [4, 3]
    assert facts["free_viewing"] is True
    assert facts["split_by"] == "image"
    assert facts["assigned"] == part_names(data.dataset, "image", data.parts)
    assert {len(names) for names in facts["assigned"].values()} == {6, 3}


def test_facts_of_search_without_crops(data):
    assert data.facts()["free_viewing"] is False
    assert data.facts()["crop_size"] is None


def test_what_a_model_was_trained_with_stays_out_of_its_test_part(monkeypatch):
    trained = ready(monkeypatch)
    larger = toy_dataset()
    rng = np.random.default_rng(1)
    more = [random_scene(rng, 4, name=f"new{i}") for i in range(4)]
    scenes = (*more, *larger.scenes)
    trials = [random_trial(rng, i % 4, more, 3) for i in range(8)]
    trials += [replace(t, scene=t.scene + 4) for t in larger.trials]
    data = ready(monkeypatch, ScanpathDataset("toy", scenes, tuple(trials)), trained.facts(), split_seed=5)
    for part in ("train", "val"):
        names = {scenes[trials[i].scene].name for i in data.parts[part]}
        assert names == set(trained.facts()["assigned"][part])
    tested = {scenes[trials[i].scene].name for i in data.parts["test"]}
    old = {trained.dataset.scenes[trained.dataset.trials[i].scene].name for i in trained.parts["test"]}
    assert tested == old | {f"new{i}" for i in range(4)}


def test_people_are_numbered_as_in_training_and_strangers_are_nobody(monkeypatch):
    def named(*names: str) -> ScanpathDataset:
        dataset = toy_dataset()
        trials = [
            replace(t, scanpath=replace(t.scanpath, observer=names[i % len(names)]))
            for i, t in enumerate(dataset.trials)
        ]
        return replace(dataset, trials=tuple(trials))

    data = ready(monkeypatch, named("ben", "anna", ""))
    assert data.facts()["observers"] == ["anna", "ben"]
    assert data.batch([0, 1, 2]).observer.tolist() == [1, 0, -1]
    later = ready(monkeypatch, named("carl", "ben"), data.facts())
    assert later.batch([0, 1]).observer.tolist() == [-1, 1]
    elsewhere = ready(monkeypatch, named("ben", "anna"), data.facts() | {"dataset": "other", "assigned": {}})
    assert elsewhere.batch([0, 1]).observer.tolist() == [-1, -1]


def test_parts_of_another_data_set_are_no_concern(monkeypatch, data):
    foreign = data.facts() | {"dataset": "other", "assigned": {"train": ["s0"], "val": ["s1"]}}
    again = ready(monkeypatch, trained_with=foreign)
    for part, index in data.parts.items():
        assert index.tolist() == again.parts[part].tolist()
    assert not any("trained" in note for note in again.about()["notes"])


def test_a_model_of_crops_gets_crops(monkeypatch):
    cut = []
    monkeypatch.setattr(
        "gazekit.datasets.scanpath_data.with_crops", lambda scene, size: cut.append(size) or scene
    )
    ready(monkeypatch, trained_with={"crop_size": [8, 6]})
    assert cut == [(8, 6)] * 12
    ready(monkeypatch, crop_size=[4, 3], trained_with={"crop_size": [8, 6]})
    assert cut[12:] == [(4, 3)] * 12  # what the user says wins
    ready(monkeypatch)
    assert len(cut) == 24


def test_seen_images_are_noted(monkeypatch, data):
    facts = data.facts()

    def notes(**options):
        return ready(monkeypatch, trained_with=facts, **options).about()["notes"]

    assert notes() == []
    everything = "27 of 36 scored scanpaths: the checkpoint was trained or chosen with their image"
    assert notes(split="all") == [everything]
    assert notes(split="val") == [everything.replace("27 of 36", "9 of 9")]


def test_a_split_by_something_else_is_noted_in_its_words(monkeypatch):
    data = toy_dataset()
    for k, trial in enumerate(data.trials):
        object.__setattr__(trial.scanpath, "observer", f"p{k % 12}")
    facts = ready(monkeypatch, data, split_by="subject").facts()
    (note,) = ready(monkeypatch, data, facts, split_by="subject", split="all").about()["notes"]
    assert note == "27 of 36 scored scanpaths: the checkpoint was trained or chosen with their subject"


def test_about_says_what_was_scored_and_left_out(monkeypatch):
    dataset = replace(toy_dataset(), filtered={"too short": 3}, skipped=("line 4: no target",))
    data = ready(monkeypatch, dataset)
    about = data.about()
    assert json.loads(json.dumps(about)) == about
    assert (about["name"], about["split"], about["split_by"]) == ("toy", "test", "image")
    assert (about["images"], about["scanpaths"]) == (3, 9)
    assert about["fingerprint"] == dataset.fingerprint()
    assert (about["filtered"], about["skipped"]) == ({"too short": 3}, ["line 4: no target"])
    assert about["notes"] == ["3 scanpaths left out: too short", "skipped line 4: no target"]


def test_the_caution_of_a_data_set_is_told():
    data = ScanpathData("synthetic_search", options={"n_scenes": 12, "n_observers": 1})
    data.setup()
    caution = datasets.info("synthetic_search").caution
    assert data.about()["notes"] == ([caution] if caution else [])


def named(images: list[str | None], scenes_of_trials: list[int]) -> ScanpathDataset:
    rng = np.random.default_rng(0)
    scenes = tuple(
        random_scene(rng, 3, name=f"s{i}", attributes={} if image is None else {"image": image})
        for i, image in enumerate(images)
    )
    trials = tuple(random_trial(rng, scene, scenes, 2) for scene in scenes_of_trials)
    return ScanpathDataset("toy", scenes, trials)


def groups(monkeypatch, dataset, index):
    return ready(monkeypatch, dataset, split="all").batch(index).group.tolist()


def test_images_are_counted_by_name(monkeypatch):
    dataset = named(["b.jpg", "a.jpg", "b.jpg"], [0, 2, 1, 0])
    assert groups(monkeypatch, dataset, [0, 1, 2, 3]) == [1, 1, 0, 1]  # scenes 0 and 2 share a picture
    assert groups(monkeypatch, dataset, [2, 0]) == [0, 1]  # the same in every batch


def test_scenes_without_an_image_are_their_own(monkeypatch):
    number = groups(monkeypatch, named([None, None, "a.jpg"], [0, 1, 2, 1]), [0, 1, 2, 3])
    assert sorted(set(number)) == [0, 1, 2]
    assert number[1] == number[3]


def test_an_image_named_like_the_number_of_a_scene_is_another(monkeypatch):
    assert sorted(groups(monkeypatch, named([None, "0"], [0, 1]), [0, 1])) == [0, 1]


def test_every_batch_numbers_its_pictures(data):
    of_scene = {}
    batches = [*data.batches("all"), *data.batches("test", {"categories": ["pen"]}), data.training_batch(0)]
    for batch in batches:
        for i, group in zip(batch.trial.tolist(), batch.group.tolist(), strict=True):
            assert of_scene.setdefault(data.dataset.trials[i].scene, group) == group
    assert sorted(of_scene.values()) == list(range(12))
    assert data.batch([0]).group.dtype == torch.long


def test_predictions_go_through_each_scene_once(data):
    chosen = data.distinct("test")
    scenes = [data.dataset.trials[i].scene for i in data.parts["test"]]
    assert set(chosen) <= set(data.parts["test"].tolist())
    assert [data.dataset.trials[i].scene for i in chosen] == list(dict.fromkeys(scenes))
    assert data.items(chosen) == [data.dataset.scenes[scene] for scene in dict.fromkeys(scenes)]


def test_people_are_the_reference_of_recorded_scanpaths(monkeypatch):
    dataset = toy_dataset()
    assert set(ready(monkeypatch, dataset).references()) == {"people, leave one out"}  # nobody has a name
    for k, trial in enumerate(dataset.trials):
        object.__setattr__(trial.scanpath, "observer", f"p{k // 12}")
    rows = ready(monkeypatch, dataset).references()
    assert [type(row) for row in rows.values()] == [OtherPeople, OtherHalf]
    assert list(rows) == ["people, leave one out", "people, split half"]


def test_the_observer_is_the_reference_of_generated_scanpaths(monkeypatch):
    data = ready(monkeypatch, load(n_scenes=12, n_observers=1), split="test")
    (row,) = data.references().values()
    assert list(data.references()) == ["observer"]
    assert row.model is data.dataset.observer
    assert row.max_fixations == data.facts()["max_fixations"]
    data.trained_with = {"max_fixations": 3}  # of the model beside it
    (row,) = data.references().values()
    assert row.max_fixations == 3


def test_the_observer_knows_best(monkeypatch):
    data = ready(monkeypatch, load(n_scenes=60, n_observers=2, max_fixations=15), split="all", batch_size=60)
    gains = []
    for row in (data.references()["observer"], Uniform()):
        total = count = 0.0
        for batch in data.batches("all", row.facts):
            with torch.no_grad():
                said = row.predict(batch, torch.Generator().manual_seed(0))
            bits = (said["outcome_log_prob"] - said["outcome_log_chance"]).double() / np.log(2)
            total += bits[said["outcome_mask"]].sum().item()
            count += said["outcome_mask"].sum().item()
        gains.append(total / count)
    assert gains[0] > gains[1] + 0.5


def test_all_needs_no_split(monkeypatch):
    data = toy_dataset()
    one = ScanpathDataset("toy", data.scenes[:1], tuple(t for t in data.trials if t.scene == 0))
    module = ready(monkeypatch, one, split="all")  # too few images for three parts
    assert module.parts["all"].tolist() == [0, 1, 2]
    assert "only 0" in module.categories
    assert module.facts()["assigned"] == {}


def test_a_part_without_scanpaths(monkeypatch):
    facts = ready(monkeypatch).facts()
    every = [f"s{i}" for i in range(12)]
    with pytest.raises(ValueError, match=r"toy: the test part has no scanpath; data\.split=all takes all"):
        ready(monkeypatch, trained_with=facts | {"assigned": {"train": every, "val": []}})


def test_unknown_split():
    with pytest.raises(ValueError, match=r"data\.split must be 'train', 'val', 'test' or 'all', got 'dev'"):
        ScanpathData("toy", split="dev")


def test_mirror_twice_is_the_same():
    batch = random_batch(crop=(4, 3))
    everywhere = torch.ones(len(batch.scenes), dtype=torch.bool)
    twice = mirror(mirror(batch, everywhere), everywhere).scenes
    for name, value in vars(batch.scenes).items():
        now = getattr(twice, name)
        assert now is None if value is None else torch.equal(now, value), name


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


def test_mirror_turns_gaze_and_boxes_together():
    """Who looked into the box of an object still does."""
    batch = random_batch()
    everywhere = torch.ones(3, dtype=torch.bool)
    mirrored = mirror(batch, everywhere)
    for one in (batch, mirrored):
        scenes = one.scenes[one.scene_of_trial]
        centres = scenes.centres_px.gather(1, one.objects[..., None].expand(-1, -1, 2))
        torch.testing.assert_close(one.xy_px[one.mask], centres[one.mask])
        assert (one.xy_px[~one.mask] == 0).all()
    assert not torch.equal(mirrored.xy_px, batch.xy_px)


def test_mirror_is_drawn_for_each_scene_in_training_only(monkeypatch):
    data = ready(monkeypatch, batch_size=50)
    flipped = []
    for step in range(30):
        batch = data.training_batch(step)
        order = batch.trial.argsort()
        plain = data.batch(batch.trial.tolist())
        assert order.tolist() != list(range(len(order)))
        flipped.append((batch.scenes.boxes_px != plain.scenes.boxes_px).any(-1).any(-1))
    share = torch.stack(flipped).float().mean(0)
    assert ((share > 0.2) & (share < 0.8)).all()
    (val,) = data.val_dataloader()
    assert torch.equal(val.scenes.boxes_px, data.batch(data.parts["val"].tolist()).scenes.boxes_px)
    fixed = ready(monkeypatch, batch_size=50, mirror=False).training_batch(0)
    assert torch.equal(fixed.scenes.boxes_px, data.batch(fixed.trial.tolist()).scenes.boxes_px)
