"""What every metric class must do, whatever it measures: one harness; the cases are in `cases_*.py`."""

from __future__ import annotations

import ast
import importlib
import pickle
import pydoc
import subprocess
import sys
from pathlib import Path

import cases_agreement
import cases_conditions
import cases_encoding
import cases_gaze
import cases_motion
import cases_objects
import cases_regions
import cases_saliency
import cases_scanpath
import cases_search
import pytest
import torch
from cases import Case
from torchmetrics import Metric, MetricCollection

import gazekit.metrics
from gazekit.metrics import INFO, BehaviourDelta, EditDistance, SequenceScore

CASES = (
    cases_saliency.CASES
    | cases_scanpath.CASES
    | cases_objects.CASES
    | cases_search.CASES
    | cases_conditions.CASES
    | cases_gaze.CASES
    | cases_regions.CASES
    | cases_agreement.CASES
    | cases_encoding.CASES
    | cases_motion.CASES
)
ROUNDING = {"atol": 1e-12, "rtol": 1e-14}  # relative: around an R2 of -1200 float64 has steps of 2e-13


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_every_metric_has_a_case_and_facts() -> None:
    public = [getattr(gazekit.metrics, name) for name in gazekit.metrics.__all__]
    classes = {c for c in public if isinstance(c, type) and issubclass(c, Metric)}
    assert {type(case.make()) for case in CASES.values()} == classes
    assert set(INFO) == set(CASES)
    for name, case in CASES.items():
        metric, info = case.make(), INFO[name]
        assert info.name == name
        assert callable(getattr(gazekit.metrics.functional, name))
        assert type(metric).__name__ == info.class_name
        assert metric.higher_is_better == info.higher_is_better
        assert info.range[0] < info.range[1]
        assert info.chance and info.undefined and info.reference


def test_accumulation_equals_the_function_on_everything(case: Case) -> None:
    metric, batches = case.make(), case.batches(4)
    for batch in batches:
        case.update(metric, batch)
    torch.testing.assert_close(metric.compute(), case.expected(batches), **ROUNDING)
    assert metric.undefined.any() == case.may_be_undefined
    metric.reset()
    assert not metric.undefined.any()
    case.update(metric, batches[0])
    torch.testing.assert_close(metric.compute(), case.expected(batches[:1]), **ROUNDING)


def test_forward_gives_the_batch_and_accumulates(case: Case) -> None:
    metric, batches = case.make(), case.batches(2)
    for batch in batches:
        value = metric(**metric._filter_kwargs(**batch))
        torch.testing.assert_close(value, case.expected([batch]), **ROUNDING)
    torch.testing.assert_close(metric.compute(), case.expected(batches), **ROUNDING)


def test_nothing_defined_is_nan(case: Case) -> None:
    metric = case.make()
    case.update(metric, {name: values[:0] for name, values in case.batch(0).items()})
    assert metric.compute().isnan().all()
    assert not metric.undefined.any()


def test_copies_and_checkpoints(case: Case) -> None:
    metric, batch = case.make(), case.batch(0)
    case.update(metric, batch)
    copies = [pickle.loads(pickle.dumps(metric)), metric.clone()]
    assert all(torch.equal(copy.compute(), metric.compute()) for copy in copies)
    assert metric.state_dict() == {}
    metric.persistent(True)
    resumed, later = case.make(), case.batch(1)
    resumed.persistent(True)
    resumed.load_state_dict(metric.state_dict())
    for each in (resumed, metric):
        case.update(each, later)
    assert torch.equal(resumed.compute(), metric.compute())
    assert isinstance(hash(metric), int)
    with pytest.raises(RuntimeError, match="higher_is_better"):
        metric.higher_is_better = None


def test_one_call_updates_a_collection() -> None:
    collection = MetricCollection([SequenceScore(), EditDistance(), BehaviourDelta()])
    batches = CASES["edit_distance"].batches(3)
    for batch in batches:
        collection.update(**batch)
    for name, value in collection.compute().items():
        case = next(CASES[key] for key, info in INFO.items() if info.class_name == name)
        torch.testing.assert_close(value, case.expected(batches), **ROUNDING)


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
        metric = case.make()
        for batch in case.batches(5)[rank::2]:  # three batches here, two there
            case.update(metric, batch)
        values[name] = metric.compute()
        lonely = case.make()
        if rank == 0:  # the other has nothing
            case.update(lonely, case.batch(0))
        values[f"{name}, one process idle"] = lonely.compute()
        if isinstance(metric, BehaviourDelta):
            values["means"] = torch.stack(metric.means())
    torch.save(values, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(_one_of_two_processes, (str(tmp_path),), nprocs=2)
    delta = BehaviourDelta()
    for batch in CASES["behaviour_delta"].batches(5):
        delta.update(**batch)
    for rank in range(2):
        values = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        torch.testing.assert_close(values.pop("means"), torch.stack(delta.means()), **ROUNDING)
        for name, case in CASES.items():
            torch.testing.assert_close(values[name], case.expected(case.batches(5)), **ROUNDING)
            alone = case.expected(case.batches(1))
            torch.testing.assert_close(values[f"{name}, one process idle"], alone, **ROUNDING)


def test_import_is_light() -> None:
    """The functions come without torchmetrics, whose import takes as long as torch's and loads scipy and matplotlib."""
    heavy = "lightning pytorch_lightning hydra omegaconf triton cv2 mne sklearn torch_geometric torchvision"
    program = f"""
import sys
import gazekit.metrics
assert gazekit.metrics.INFO and 'torch' not in sys.modules
assert gazekit.metrics.functional.nss
later = 'torchmetrics', 'scipy', 'matplotlib'
loaded = [name for name in {heavy.split()!r} + [*later] if name in sys.modules]
assert not loaded, loaded
metric = gazekit.metrics.NSS()
assert 'torchmetrics' in sys.modules
loaded = [name for name in {heavy.split()!r} if name in sys.modules]
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_every_name_is_found_where_the_table_says() -> None:
    tree = ast.parse(Path(gazekit.metrics.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    for_editors = {alias.name: node.module for node in imports for alias in node.names}
    public = {name: getattr(gazekit.metrics, name) for name in gazekit.metrics.__all__}
    for name, value in public.items():
        assert value is getattr(importlib.import_module(for_editors[name]), name)
    assert set(public) <= set(dir(gazekit.metrics))
    shown = pydoc.plain(pydoc.render_doc(gazekit.metrics))
    assert all(f"class {info.class_name}(" in shown for info in INFO.values())


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match=r"module 'gazekit.metrics' has no attribute 'NSSS'"):
        gazekit.metrics.NSSS  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'NSSS'"):
        from gazekit.metrics import NSSS  # noqa: F401
