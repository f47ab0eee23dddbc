"""The system and its rows on responses that follow the tokens of a picture."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
import torch

from gazekit.base.scores import Settings
from gazekit.brain import EncodingScores
from gazekit.datasets.brain_data import BrainData
from gazekit.datasets.brain_responses import Block, BrainRecords
from gazekit.models.brain_encoding import BrainEncoding, ReadoutRow, RidgeRow
from gazekit.models.brain_encoding.records import encoding_records

N, SHAPE, VOXELS = 90, (8, 4, 4), 12


class Tokens(BrainData):
    """Voxels that answer to what is at the fixated place; the second half belongs to another subject."""

    def setup(self, stage: str | None = None) -> None:
        draw = np.random.default_rng(0)
        maps = draw.normal(size=(N, *SHAPE)).astype(np.float32)
        place = draw.integers(0, 16, N)
        looked = np.eye(16, dtype=np.float32)[place].reshape(N, 4, 4)
        at = maps.reshape(N, 8, 16)[np.arange(N), :, place]
        response = (at @ draw.normal(size=(8, VOXELS))).astype(np.float32)
        response[::7, 0] = np.nan
        response[:, 5] = 3.0
        rows = np.arange(N)[None]
        records = BrainRecords(
            name="tokens", items=[f"p{k}" for k in range(N)], blocks=[Block(response, rows)], subjects=["a", "b"],
            subject_of=np.repeat([0, 1], 6), regions={"front": np.arange(4), "back": np.arange(3, 9)},
            features={"grid": maps, "mean": maps.mean((2, 3))}, fixation_map=looked,
        )  # fmt: skip
        self.use(records, {"train": np.arange(60), "val": np.arange(60, 75), "test": np.arange(75, 90)})


@pytest.fixture(scope="module")
def data() -> Tokens:
    made = Tokens(batch_size=15)
    made.setup()
    return made


def trained(data: Tokens, steps: int = 60, **settings) -> BrainEncoding:
    torch.manual_seed(0)
    system = BrainEncoding(data.facts(), heads=2, feedforward=16, dropout=0.0, **settings)
    system.fit(data)
    optimiser = torch.optim.Adam(system.parameters(), 3e-3)
    system.train()
    for step in range(steps):
        loss = system.loss(data.training_batch(step))["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return system.eval()


def validated(system: BrainEncoding, data: Tokens) -> None:
    system.log = lambda *_: None
    system.on_validation_epoch_start()
    with torch.no_grad():
        for batch in data.batches("val"):
            system.validate(batch)
    system.on_validation_epoch_end()


def test_it_learns_and_weighs_its_members(data: Tokens) -> None:
    system = trained(data, steps=0, runs=2)
    batch = data.batch(data.parts["train"])
    before = system.loss(batch)["loss"].item()
    assert len(system.members) == 4
    assert before / 4 == pytest.approx(
        2 * 2, rel=0.6
    )  # two subjects, read-out of unit variance, standardised responses
    system = trained(data, runs=2)
    assert system.loss(batch)["loss"].item() < 0.75 * before
    validated(system, data)
    assert system.validation_r[:, 5].isnan().all()  # never varies
    assert system.validation_r[:, :5].isfinite().all()
    with torch.no_grad():
        said = system.predict(data.batch([0, 1]), torch.Generator(), attention=True)
    assert said["prediction"].shape == (2, VOXELS)
    torch.testing.assert_close(said["prediction"][:, 5], torch.full((2,), 3.0), atol=0.5, rtol=0)
    assert said["attention"].shape == (2, len(system.members[0].names), 4, 4)


def test_missing_responses_do_not_count(data: Tokens) -> None:
    system = trained(data, steps=2)
    batch = data.batch([0, 1, 2])
    changed = {**batch, "response": batch["response"].clone()}
    changed["response"][1:, 3] = torch.nan
    losses = [system.loss(b)["loss"] for b in (batch, changed)]
    assert losses[0] != losses[1]
    assert losses[1].isfinite()
    changed["response"][:] = torch.nan
    assert system.loss(changed)["loss"] == 0


def test_gaze_pays_where_voxels_answer_to_what_is_fixated(data: Tokens) -> None:
    rows = {
        gaze or "without": RidgeRow(data.facts(), ["grid"], grid=1, gaze=gaze) for gaze in (None, "weight")
    }
    for row in rows.values():
        row.fit(data)
    found = EncodingScores().scores(
        {"gaze": rows["weight"], "without": rows["without"]}, data, Settings(resamples=50), lambda *_: None
    )
    assert found.table["gaze"]["r"].value > 0.95
    gain = found.table["gaze - without"]["r"]
    assert gain.low > 0.2
    without = {k: v for k, v in data.batch([0]).items() if k != "fixation_map"}
    with pytest.raises(ValueError, match=r"gaze=weight needs data with fixation maps"):
        trained(data, steps=0, gaze="weight").loss(without)


@pytest.mark.parametrize("readout", ["factorised", "gaussian", "linear", "transformer"])
def test_rows_of_readouts_learn_and_load(data: Tokens, readout: str) -> None:
    settings = {"heads": 2, "feedforward": 8} if readout == "transformer" else {}
    row = ReadoutRow(data.facts(), readout, settings=settings, steps=20)
    row.fit(data)
    batch = data.batch(data.parts["test"])
    found = row.predict(batch, torch.Generator())["prediction"]
    other = ReadoutRow(data.facts(), readout, settings=settings, seed=1).eval()
    other.load_state_dict(row.state_dict())
    torch.testing.assert_close(other.predict(batch, torch.Generator())["prediction"], found)
    assert not any(p.requires_grad for p in row.parameters())


def test_records_and_settings(data: Tokens, tmp_path) -> None:
    system = trained(data, steps=0)
    said = system.predict(data.batch([3, 4]), torch.Generator(), attention=True)
    files = encoding_records(["p3", "p4"], said, data.facts(), system.members[0].names)
    table: pd.DataFrame = files["regions.csv"]
    assert list(table) == ["item", "front, a", "back, a", "back, b", "all, a", "all, b"]
    expected = said["prediction"][:, 3:6].mean(1).detach().numpy()
    np.testing.assert_allclose(table["back, a"], expected, rtol=1e-5)
    files["attention/p3.npy"](tmp_path / "maps.npy")
    assert np.load(tmp_path / "maps.npy").shape == (len(system.members[0].names), 4, 4)
    json.dumps(data.facts())
    with pytest.raises(ValueError, match=r"model.layers must be some of grid, mean"):
        BrainEncoding(data.facts(), layers=["block1"])
    with pytest.raises(ValueError, match=r"model.gaze must be null or one of"):
        BrainEncoding(data.facts(), gaze="left")
    with pytest.raises(ValueError, match=r"readout must be one of linear"):
        ReadoutRow(data.facts(), "best")
