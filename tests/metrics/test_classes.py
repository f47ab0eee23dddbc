"""What every metric class must do, whatever it measures: one harness, one case a metric.

A case makes the inputs of one batch from a seed and computes the value of several batches from the
functional form, all at once and independently of the class.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection

import gazekit.metrics
from gazekit.metrics import INFO, BehaviourDelta, EditDistance, InformationGain, SequenceScore
from gazekit.metrics.functional import (
    behaviour,
    behaviour_delta,
    edit_distance,
    information_gain_bits,
    sequence_score,
)

Batch = dict[str, Tensor]


def trials_batch(seed: int) -> Batch:
    """Twelve trials of three model scanpaths and a human one; some scanpaths are empty."""
    draw = torch.Generator().manual_seed(seed)

    def objects(*shape: int) -> Tensor:
        return torch.randint(4, shape, generator=draw)

    model_length = 1 + objects(12, 3, 1) * 2
    model_length[0, :2] = 0
    model_length[1] = 0
    human_length = 3 + objects(12, 1)
    human_length[seed % 3] = 0
    human_objects, target = objects(12, 7), objects(12) - 1
    human_objects[5] = target[5] = 2  # somebody finds it
    return {
        "model_objects": objects(12, 3, 9),
        "model_mask": torch.arange(9) < model_length,
        "human_objects": human_objects,
        "human_mask": torch.arange(7) < human_length,
        "target": target,
    }


def log_prob_batch(seed: int) -> Batch:
    draw = torch.Generator().manual_seed(seed)
    log_prob = torch.rand(4, 6, generator=draw).log()
    log_prob[0, 0] = torch.nan
    mask = torch.rand(4, 6, generator=draw) < 0.7
    mask[0, 0] = True
    return {"log_prob": log_prob, "log_baseline": torch.full((4, 6), -2.0), "mask": mask}


def mean_over_trials(pairwise: Callable[..., Tensor], batches: list[Batch]) -> Tensor:
    trials = [
        pairwise(model, human, model_mask, human_mask)
        for batch in batches
        for model, model_mask, human, human_mask in zip(
            batch["model_objects"],
            batch["model_mask"],
            batch["human_objects"],
            batch["human_mask"],
            strict=True,
        )
    ]
    return torch.stack([trial.nanmean() for trial in trials]).nanmean()


def delta_over_trials(batches: list[Batch]) -> Tensor:
    model, human = [], []
    for batch in batches:
        for i, target in enumerate(batch["target"]):
            n = len(batch["model_objects"][i])
            model.append(
                behaviour(batch["model_objects"][i], batch["model_mask"][i], target.expand(n)).nanmean(0)
            )
            human.append(behaviour(batch["human_objects"][[i]], batch["human_mask"][[i]], target[None])[0])
    model, human = torch.stack(model), torch.stack(human)
    undefined = model.isnan() | human.isnan()
    means = (side.masked_fill(undefined, torch.nan).nanmean(0) for side in (model, human))
    return behaviour_delta(*means)


def gain_over_fixations(batches: list[Batch]) -> Tensor:
    log_prob, log_baseline, mask = (
        torch.cat([batch[name] for batch in batches]) for name in ("log_prob", "log_baseline", "mask")
    )
    return information_gain_bits(log_prob, log_baseline, mask & ~log_prob.isnan())


@dataclass(frozen=True)
class Case:
    metric: type[Metric]
    batch: Callable[[int], Batch]
    expected: Callable[[list[Batch]], Tensor]

    def batches(self, count: int) -> list[Batch]:
        return [self.batch(seed) for seed in range(count)]

    def update(self, metric: Metric, batch: Batch) -> None:
        metric.update(**metric._filter_kwargs(**batch))


CASES = {
    "sequence_score": Case(SequenceScore, trials_batch, lambda b: mean_over_trials(sequence_score, b)),
    "edit_distance": Case(EditDistance, trials_batch, lambda b: mean_over_trials(edit_distance, b)),
    "behaviour_delta": Case(BehaviourDelta, trials_batch, delta_over_trials),
    "information_gain": Case(InformationGain, log_prob_batch, gain_over_fixations),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_every_metric_has_a_case_and_facts() -> None:
    classes = {c for c in vars(gazekit.metrics).values() if isinstance(c, type) and issubclass(c, Metric)}
    assert {case.metric for case in CASES.values()} == classes
    assert set(INFO) == set(CASES)
    for name, case in CASES.items():
        assert INFO[name].name == name
        assert case.metric.__name__ == name.title().replace("_", "")
        assert case.metric.higher_is_better == INFO[name].higher_is_better
        assert INFO[name].range[0] < INFO[name].range[1]
        assert INFO[name].chance and INFO[name].reference


def test_accumulation_equals_the_function_on_everything(case: Case) -> None:
    metric, batches = case.metric(), case.batches(4)
    for batch in batches:
        case.update(metric, batch)
    torch.testing.assert_close(metric.compute(), case.expected(batches), rtol=0, atol=1e-12)
    assert metric.undefined > 0 or case.metric is EditDistance  # every other one meets undefined items here
    metric.reset()
    assert metric.undefined == 0
    case.update(metric, batches[0])
    torch.testing.assert_close(metric.compute(), case.expected(batches[:1]), rtol=0, atol=1e-12)


def test_forward_gives_the_batch_and_accumulates(case: Case) -> None:
    metric, batches = case.metric(), case.batches(2)
    for batch in batches:
        value = metric(**metric._filter_kwargs(**batch))
        torch.testing.assert_close(value, case.expected([batch]), rtol=0, atol=1e-12)
    torch.testing.assert_close(metric.compute(), case.expected(batches), rtol=0, atol=1e-12)


def test_nothing_defined_is_nan(case: Case) -> None:
    metric = case.metric()
    case.update(metric, {name: tensor[:0] for name, tensor in case.batch(0).items()})
    assert metric.compute().isnan()
    assert metric.undefined == 0


def test_copies_and_checkpoints(case: Case) -> None:
    metric, batch = case.metric(), case.batch(0)
    case.update(metric, batch)
    copies = [pickle.loads(pickle.dumps(metric)), metric.clone()]
    assert all(torch.equal(copy.compute(), metric.compute()) for copy in copies)
    assert metric.state_dict() == {}
    assert isinstance(hash(metric), int)
    with pytest.raises(RuntimeError, match="higher_is_better"):
        metric.higher_is_better = None


def test_one_call_updates_a_collection() -> None:
    collection = MetricCollection([SequenceScore(), EditDistance(), BehaviourDelta()])
    batches = CASES["edit_distance"].batches(3)
    for batch in batches:
        collection.update(**batch)
    for name, value in collection.compute().items():
        case = next(c for c in CASES.values() if c.metric.__name__ == name)
        torch.testing.assert_close(value, case.expected(batches), rtol=0, atol=1e-12)


def test_a_collection_keeps_apart_what_is_equal_at_first() -> None:
    """One equal and one different pair of single fixations: sums of score and of edits are both 1."""
    ones = torch.ones(2, 1, dtype=torch.bool)
    collection = MetricCollection([SequenceScore(), EditDistance()])
    collection.update(torch.tensor([[[1]], [[2]]]), ones[:, None], torch.tensor([[1], [1]]), ones)
    collection.update(torch.tensor([[[1]], [[1]]]), ones[:, None], torch.tensor([[1], [1]]), ones)
    assert collection.compute() == {"SequenceScore": 0.75, "EditDistance": 0.25}


def _one_of_two_processes(rank: int, folder: str) -> None:
    store = f"file://{folder}/rendezvous"
    torch.distributed.init_process_group("gloo", init_method=store, rank=rank, world_size=2)
    values = {}
    for name, case in CASES.items():
        metric = case.metric()
        for batch in case.batches(5)[rank::2]:  # three batches here, two there
            case.update(metric, batch)
        values[name] = metric.compute()
        if isinstance(metric, BehaviourDelta):
            values["means"] = torch.stack(metric.means())
    torch.save(values, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


def test_two_processes_equal_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_one_of_two_processes, (str(tmp_path),), nprocs=2)
    alone = BehaviourDelta()
    for batch in CASES["behaviour_delta"].batches(5):
        alone.update(**batch)
    for rank in range(2):
        values = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(values.pop("means"), torch.stack(alone.means()), rtol=0, atol=1e-12)
        for name, case in CASES.items():
            torch.testing.assert_close(values[name], case.expected(case.batches(5)), rtol=0, atol=1e-12)


def test_import_is_light() -> None:
    """torchmetrics itself loads matplotlib and scipy where they are installed; gazekit adds nothing heavy."""
    heavy = "lightning pytorch_lightning hydra omegaconf triton cv2 mne sklearn torch_geometric torchvision"
    program = f"""
import sys, torchmetrics
allowed = set(sys.modules)
import gazekit.metrics
new = {{name.partition('.')[0] for name in set(sys.modules) - allowed}}
loaded = [name for name in {heavy.split()!r} if name in sys.modules]
assert not loaded, loaded
assert not new & {{'matplotlib', 'scipy'}}, new
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
