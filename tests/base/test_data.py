"""Parts, training batches and shares of processes of `Data`, on numbers instead of pictures."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.base import Data
from gazekit.base.data import arguments_of, group_of


class Numbers(Data):
    """The items are their own indices; augmentation adds noise."""

    def __init__(self, train=10, val=7, batch_size=3, seed=0):
        super().__init__(batch_size, "val", seed)
        self.parts = {"train": np.arange(train), "val": np.arange(train, train + val)}

    def batch(self, index, generator=None):
        noise = torch.zeros(len(index)) if generator is None else torch.rand(len(index), generator=generator)
        return {"item": torch.tensor(index), "noise": noise, "group": torch.tensor(index) // 2}

    def batch_for(self, index, facts):
        return {"item": torch.tensor(index), "shift": facts["shift"]}


@pytest.mark.parametrize("part", ["train", "val"])
def test_a_pass_gives_each_item_once_and_in_order(part):
    data = Numbers()
    batches = list(data.batches(part))
    assert torch.cat([b["item"] for b in batches]).tolist() == data.parts[part].tolist()
    assert [len(b["item"]) for b in batches[:-1]] == [3] * (len(batches) - 1)
    assert all((b["noise"] == 0).all() for b in batches)  # nothing is augmented outside training


def test_a_pass_for_a_model_reads_by_its_facts():
    batches = list(Numbers().batches("val", {"shift": 3}))
    assert [b["shift"] for b in batches] == [3] * 3
    assert torch.cat([b["item"] for b in batches]).tolist() == list(range(10, 17))


sizes = {"items": st.integers(1, 40), "batch_size": st.integers(1, 9), "processes": st.integers(1, 4)}


@settings(max_examples=60, deadline=None)
@given(**sizes, seed=st.integers(0, 5))
def test_an_epoch_draws_each_item_once_over_processes(items, batch_size, processes, seed):
    data = Numbers(items, batch_size=batch_size, seed=seed)
    steps = data.steps_per_epoch(processes)
    orders = []
    for epoch in range(3):
        drawn, idle = [], 0
        for step in range(epoch * steps, (epoch + 1) * steps):
            for rank in range(processes):
                got = data.training_batch(step, rank, processes)["item"].tolist()
                assert 1 <= len(got) <= batch_size
                if ((step % steps) * processes + rank) * batch_size >= items:
                    idle += 1  # nothing is left for it: it repeats the first of the epoch
                    assert got == drawn[:1]
                else:
                    drawn += got
        assert idle < processes
        assert Counter(drawn) == Counter(range(items))
        orders.append(drawn)
    if items >= 10:
        assert orders[0] != orders[1] != orders[2]


@settings(max_examples=40, deadline=None)
@given(**sizes, step=st.integers(0, 300), seed=st.integers(0, 3))
def test_a_batch_is_a_function_of_seed_step_and_process(items, batch_size, processes, step, seed):
    for rank in range(processes):
        one, same = (
            Numbers(items, batch_size=batch_size, seed=seed).training_batch(step, rank, processes)
            for _ in "ab"
        )
        for name, value in one.items():
            assert torch.equal(same[name], value), name


def test_seed_step_and_process_all_matter():
    def noise(seed=0, step=0, rank=0):
        return Numbers(50, batch_size=5, seed=seed).training_batch(step, rank, 2)["noise"].tolist()

    assert len({tuple(x) for x in (noise(), noise(seed=1), noise(step=1), noise(rank=1), noise(step=5))}) == 5
    first = [tuple(Numbers(50, seed=s).training_batch(0)["item"].tolist()) for s in range(5)]
    assert len(set(first)) > 1


def test_torchs_own_generator_is_neither_asked_nor_moved():
    torch.manual_seed(1)
    state = torch.get_rng_state()
    one = Numbers().training_batch(4)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(Numbers().training_batch(4)["noise"], one["noise"])


@pytest.mark.parametrize(
    ("items", "processes", "steps"), [(10, 1, 4), (9, 1, 3), (10, 2, 2), (1, 1, 1), (1, 4, 1)]
)
def test_steps_per_epoch(items, processes, steps):
    assert Numbers(items).steps_per_epoch(processes) == steps


@pytest.mark.parametrize(("global_step", "accumulate", "first"), [(0, 1, 0), (7, 1, 7), (7, 3, 21)])
def test_a_resumed_loader_starts_where_the_trainer_is(global_step, accumulate, first):
    """A step of the optimiser takes `accumulate_grad_batches` batches."""
    data = Numbers()
    data.trainer = SimpleNamespace(global_step=global_step, accumulate_grad_batches=accumulate)
    batches = iter(data.train_dataloader())
    for step in range(first, first + 9):  # on, past the end of the epoch
        batch, expected = next(batches), data.training_batch(step)
        assert torch.equal(batch["item"], expected["item"])
        assert torch.equal(batch["noise"], expected["noise"])


def test_the_training_loader_of_a_process_gives_its_batches(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    data = Numbers()
    batches = iter(data.train_dataloader())
    for step in range(4):
        assert torch.equal(next(batches)["item"], data.training_batch(step, 1, 2)["item"])


@pytest.mark.parametrize("processes", [1, 2, 3, 7])
def test_processes_share_validation_without_repeats(monkeypatch, processes):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: processes)
    data, shares = Numbers(), []
    for rank in range(processes):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        share = [i for b in data.val_dataloader() for i in b["item"].tolist()]
        assert share == sorted(share)
        assert len(share) in (7 // processes, 7 // processes + 1)
        shares += share
    assert sorted(shares) == data.parts["val"].tolist()


def test_fewer_validation_items_than_processes(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 8)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 7)
    with pytest.raises(ValueError, match="7 validation items cannot be shared by 8 processes"):
        Numbers().val_dataloader()


def test_batches_hold_something():
    with pytest.raises(ValueError, match=r"data\.batch_size must be at least 1, got 0"):
        Numbers(batch_size=0)


def test_defaults():
    data = Numbers()
    assert data.facts() == {}
    assert data.references() == {}
    assert data.about() == {"name": "Numbers", "split": "val", "items": 7}
    assert data.items((3, 4)) == [3, 4]
    assert data.distinct("val") == list(range(10, 17))
    assert data.trained_with is None
    with pytest.raises(NotImplementedError, match=r"Data must define batch\(index, generator\)"):
        Data().batch([0])


def test_arguments_and_group_of_dicts_and_objects():
    batch = {"picture": 1, "group": torch.tensor([3, 3])}
    assert arguments_of(batch) == arguments_of(SimpleNamespace(**batch)) == batch
    assert arguments_of(batch) is not batch
    assert group_of(SimpleNamespace(**batch)).tolist() == [3, 3]


@pytest.mark.parametrize(("batch", "told"), [({"picture": 1, "label": 2}, "picture, label"), ({}, "nothing")])
def test_a_batch_without_group_says_what_it_has(batch, told):
    with pytest.raises(ValueError, match=rf"entry 'group' \[B\].* this one has {told}"):
        group_of(batch)
