"""OAT with durations: what it says, and that nothing changes without."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from toys import random_batch

from gazekit.metrics import DurationCalibration, DurationGain
from gazekit.models.oat import OAT
from gazekit.models.oat.timing import generated, observed

SMALL = {"width": 24, "encoder_layers": 1, "decoder_layers": 1, "heads": 2, "hidden": 32, "pointer_heads": 1}
FACTS = {"max_fixations": 5, "free_viewing": True, "observers": ["anna", "ben"], "dataset": "toy"}


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Trainings of a few steps."""
    monkeypatch.setattr("gazekit.scanpaths.durations.model.STEPS", 4)


def made(**options) -> OAT:
    torch.manual_seed(0)
    return OAT(FACTS, **SMALL, **options).eval()


def timed_batch(seed: int = 0):
    """Fixations on the target last twice as long."""
    batch = random_batch(seed, lengths=(6, 1, 4, 0, 3, 6, 5, 6))
    target = batch.scenes.target[batch.scene_of_trial][:, None]
    draw = torch.Generator().manual_seed(seed)
    ms = 200 * (0.2 * torch.randn(batch.mask.shape, generator=draw)).exp() * (1 + (batch.objects == target))
    return dataclasses.replace(
        batch, duration_ms=ms.masked_fill(~batch.mask, 0.0), observer=torch.arange(len(batch)) % 3 - 1
    )


def data(**changes):
    batches = [dataclasses.replace(timed_batch(seed), **changes) for seed in range(20)]
    return SimpleNamespace(batches=lambda part: iter(batches[:15] if part == "train" else batches[15:]))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_nothing_else_changes():
    """Weights, losses and scanpaths with durations are those without, which are those of any older checkpoint."""
    without, system = made(), made(durations=True)
    without.fit(data())
    system.fit(data())
    assert not any(name.startswith("durations") for name in without.state_dict())
    torch.testing.assert_close(
        {k: v for k, v in system.state_dict().items() if not k.startswith("durations.")},
        dict(without.state_dict()), rtol=0, atol=0,
    )  # fmt: skip
    assert not any(p.requires_grad for p in system.durations.parameters())
    batch = timed_batch()
    assert system.loss(batch)["loss"] == without.loss(batch)["loss"]
    plain, timed = without.predict(batch, seeded(), 3), system.predict(batch, seeded(), 3)
    assert set(timed) - set(plain) == {
        "duration_log_prob", "duration_log_chance", "duration_cdf", "duration_mask", "model_duration_ms",
    }  # fmt: skip
    for name, values in plain.items():
        assert torch.equal(values, timed[name]), name


def test_durations_of_people_and_of_its_own():
    system = made(durations=True)
    system.fit(data())
    batch = timed_batch(30)
    said = system.predict(batch, seeded(), 200)
    for metric in (DurationGain(), DurationCalibration()):
        metric.update(**metric._filter_kwargs(**said))
        assert metric.count == int(batch.mask.sum())
    gain = DurationGain()
    gain.update(**gain._filter_kwargs(**said))
    assert gain.compute() > 0.1
    ms, mask = said["model_duration_ms"], said["model_mask"]
    assert ms.shape == mask.shape
    assert (ms[~mask] == 0).all() and (ms[mask] > 0).all()
    on_target = said["model_objects"] == batch.scenes.target[batch.scene_of_trial][:, None, None]
    assert ms[mask & on_target].median() > 1.3 * ms[mask & ~on_target].median()
    again = made(durations=True)
    again.load_state_dict(system.state_dict(), strict=True)
    assert torch.equal(again.predict(batch, seeded(), 200)["model_duration_ms"], ms)


def test_what_is_known_of_objects_is_causal_and_right():
    batch = random_batch(lengths=(5,), objects=(6,), targets=(4,))
    batch = dataclasses.replace(batch, objects=torch.tensor([[1, 4, 4, 2, 1]]))
    context = observed(batch).context
    assert context[0, :, 0].tolist() == [0, 1, 1, 0, 0]  # on the target
    assert context[0, :, 1].tolist() == [0, 0, 1, 0, 0]  # same object as before
    assert context[0, :, 2].tolist() == [0, 0, 1, 0, 1]  # visited earlier
    many = generated(batch, batch.objects[:, None].repeat(1, 2, 1), batch.mask[:, None].repeat(1, 2, 1))
    torch.testing.assert_close(many.context[:, 1], context)
    torch.testing.assert_close(many.xy_px[0, 0], batch.scenes.centres_px[0, batch.objects[0]])


def test_data_without_durations():
    with pytest.raises(ValueError, match=r"model\.durations=true, but toy has no durations; set it to false"):
        made(durations=True).fit(data(duration_ms=None))
    said = made(durations=True).predict(
        random_batch(), seeded(), 1
    )  # scanpaths of its own have durations anyway
    assert "duration_log_prob" not in said and "model_duration_ms" in said
    assert any("durations" in note for note in made(durations=True).notes())


def test_written_with_durations():
    system = made(durations=True)
    scenes = [SimpleNamespace(name=f"scene {k}", boxes_px=np.array([[0.0, 0, 10, 10]])) for k in range(2)]
    said = {
        "model_objects": torch.zeros(2, 1, 2).long(),
        "model_mask": torch.tensor([[[True, True]], [[True, False]]]),
    }
    table = system.records(scenes, said)["scanpaths.csv"]
    assert list(table.columns) == ["image", "sample", "x_px", "y_px"]
    said["model_duration_ms"] = torch.tensor([[[200.0, 300.0]], [[150.0, 0.0]]])
    table = system.records(scenes, said)["scanpaths.csv"]
    assert table["duration_ms"].tolist() == [200, 300, 150]
    assert table["image"].tolist() == ["scene 0", "scene 0", "scene 1"]
