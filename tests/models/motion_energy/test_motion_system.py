"""Systems of motion: rows beside them, a user's frames, scores by kind, and flow decoded from responses."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from gazekit.base.scores import Settings
from gazekit.datasets.motion_responses import MotionResponses
from gazekit.datasets.motion_stimuli import MotionStimuli
from gazekit.metrics.functional import flow_correlation
from gazekit.models.motion_energy import (
    BrainFlow,
    Farneback,
    FlowScores,
    MeanFlow,
    MLPFlow,
    MotionEnergyFlow,
    RidgeFlow,
    ZeroFlow,
)
from gazekit.models.motion_energy.figures import flow_rgb
from gazekit.models.motion_energy.physiology import measure

NOTHING = torch.Generator()


@pytest.fixture(scope="module")
def stimuli():
    data = MotionStimuli(clips=8, scored=8, size_px=(40, 32), batch_size=4)
    data.setup()
    return data


@pytest.fixture(scope="module")
def system(stimuli):
    torch.manual_seed(0)
    return MotionEnergyFlow(stimuli.facts(), levels=2, units=4, iterations=2).eval()


def scored(rows, data, differences=(), resamples=50):
    return FlowScores(differences).scores(rows, data, Settings(1, resamples), lambda *_: None)


def test_rows_beside_the_model(stimuli):
    facts = stimuli.facts()
    rows = {"zero": ZeroFlow(facts), "mean": MeanFlow(facts), "Farneback": Farneback(facts)}
    rows["mean"].fit(stimuli)
    flows = torch.cat([b["true_flow"] for b in stimuli.batches("train")])
    torch.testing.assert_close(rows["mean"].flow, flows.mean(0))
    found = scored(rows, stimuli, [("Farneback", "zero")]).table
    test = torch.cat([b["true_flow"] for b in stimuli.batches("test")])
    assert found["zero"]["error"].value == pytest.approx(test.norm(dim=1).mean().item(), rel=1e-5)
    kinds = [found["zero"][f"error.{k}"].value for k in ("scene", "grating", "plaid", "dots")]
    assert found["zero"]["error"].value == pytest.approx(np.mean(kinds))
    assert "error.reverse_phi" not in found["zero"]
    assert found["zero"]["error"].undefined == 0 and found["zero"]["error"].n == 8 * 40 * 32
    assert found["zero"]["cosine"].n == 0 and found["zero"]["cosine"].undefined == 8 * 40 * 32  # no direction
    assert found["zero"]["cosine.dots"].undefined == found["zero"]["error.dots"].n
    assert found["Farneback"]["error"].value < found["zero"]["error"].value
    apart = found["Farneback - zero"]["error"]
    assert apart.value == pytest.approx(found["Farneback"]["error"].value - found["zero"]["error"].value)
    assert found["zero"]["cosine"].value != found["zero"]["cosine"].value  # no motion has no direction
    said = torch.cat([rows["Farneback"].predict(b, NOTHING)["flow"] for b in stimuli.batches("test")])
    each = [flow_correlation(said[k::4], test[k::4]).item() for k in range(4)]
    assert found["Farneback"]["r_truth"].value == pytest.approx(np.mean(each))


def test_scores_refuse_what_is_not_there(stimuli):
    with pytest.raises(ValueError, match="no row b to subtract, rows: a"):
        scored({"a": ZeroFlow()}, stimuli, [("a", "b")])
    with pytest.raises(ValueError, match="must be pairs of rows"):
        FlowScores([["a"]])


def test_clips_of_any_size(system):
    clip = torch.rand(1, 11, 21, 30)
    flow = system.predict({"frames": clip}, NOTHING)["flow"]
    assert flow.shape == (1, 2, 21, 30)
    with pytest.raises(ValueError, match="the movies are not at hand"):
        system.predict({"true_flow": clip}, NOTHING)


def test_a_folder_of_frames(system, tmp_path):
    frames = np.random.default_rng(0).integers(0, 255, (13, 24, 32, 3), dtype=np.uint8)
    for k, frame in enumerate(frames):
        cv2.imwrite(str(tmp_path / f"frame_{k:03d}.png"), frame)
    found = list(system.read(tmp_path, every=2))
    assert [items for items, _ in found] == [["frame_005"], ["frame_007"]]
    items, batch = found[1]
    grey = frames[2:13].astype(float) @ [0.114, 0.587, 0.299] / 255  # OpenCV writes blue first
    np.testing.assert_allclose(batch["frames"][0].numpy(), grey, atol=0.005)  # 8 bits, cut off
    with torch.no_grad():
        records = system.records(items, system.predict(batch, NOTHING))
    assert set(records) == {"flow.csv", "flow/frame_007.npy", "flow/frame_007.png"}
    records["flow/frame_007.npy"](tmp_path / "flow.npy")
    assert np.load(tmp_path / "flow.npy").shape == (2, 24, 32)
    (tmp_path / "frame_000.png").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"frame_000\.png is not a picture"):
        list(system.read(tmp_path))
    (tmp_path / "few").mkdir()
    cv2.imwrite(str(tmp_path / "few" / "a.png"), frames[0])
    with pytest.raises(ValueError, match="has 1 pictures, 11 frames are needed"):
        list(system.read(tmp_path / "few"))
    with pytest.raises(ValueError, match="must be a folder with the pictures of a movie"):
        list(system.read(tmp_path / "few" / "a.png"))


def test_colours_of_flow():
    flow = np.zeros((2, 1, 3))
    flow[0, 0, 1], flow[1, 0, 2] = 2, 1
    rgb = flow_rgb(flow)
    np.testing.assert_allclose(rgb[0, :2], [[1, 1, 1], [1, 0, 0]])
    assert 0 < rgb[0, 2].min() < 1


def test_physiology_has_a_row_for_each_stage(system):
    found = measure(system, phases=1)
    assert found.tuning.shape == found.plaid_tuning.shape == (3, 16, 8)
    assert found.pattern.shape == (3, 8) and (found.plaid_error_deg <= 180).all()


@pytest.fixture(scope="module")
def responses():
    data = MotionResponses(clips=200, scored=60, voxels=150, noise=0.3, grid=4, side_px=32)
    data.setup()
    return data


def test_responses_add_to_the_first_frame(responses):
    facts = responses.facts()
    rows = {
        "both": BrainFlow(facts),
        "frame": RidgeFlow(facts, ["frame_features"]),
        "responses": RidgeFlow(facts, ["response"]),
        "shuffled": RidgeFlow(facts, shuffled=True),
        "mean": MeanFlow(facts),
        "zero": ZeroFlow(facts),
    }
    for row in rows.values():
        row.fit(responses)
        row.eval()
    found = scored(rows, responses, [("both", "frame"), ("shuffled", "frame")], 400).table
    gain = found["both - frame"]
    assert gain["error"].high < 0 < gain["r_truth"].low and gain["cosine"].low > 0
    assert found["frame"]["error"].value < found["zero"]["error"].value  # it hints at what follows
    assert found["shuffled - frame"]["r_truth"].low < 0.02
    assert abs(found["mean"]["r_truth"].value) < 0.2


def test_a_decoder_of_nothing_else_is_told():
    with pytest.raises(ValueError, match="must be some of response, frame_features, got"):
        RidgeFlow({}, ["pictures"])
    assert RidgeFlow({}, ["response"]).about == "Ridge regression from responses to flow."


def test_the_net_learns_and_is_repeatable(responses):
    facts = responses.facts()
    nets = [MLPFlow(facts, hidden=16, steps=40, lr=5e-3) for _ in range(2)]
    state = torch.random.get_rng_state()
    for net in nets:
        net.fit(responses)
        net.eval()
    assert torch.equal(torch.random.get_rng_state(), state)
    batch = next(iter(responses.batches("test")))
    flows = [net.predict(batch, NOTHING)["flow"] for net in nets]
    assert torch.equal(*flows)
    error = (flows[0] - batch["true_flow"]).abs().mean()
    assert error < batch["true_flow"].abs().mean()
