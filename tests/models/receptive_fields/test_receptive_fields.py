"""Receptive fields in time: closed forms, made voxels with known fields, gaze, and the published reference values."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import gamma

from gazekit.metrics.functional.encoding import pearson
from gazekit.models.receptive_fields.encoder import FIELDS, TimeEncoder, fit_encoder, scale_to, start_of
from gazekit.models.receptive_fields.fields import frames_of, gaussian_sums
from gazekit.models.receptive_fields.hemodynamics import CANONICAL, Hemodynamics, double_gamma, responses
from gazekit.models.receptive_fields.readouts import AttentionReadout, places_of, tokens_of
from gazekit.models.receptive_fields.search import (
    best_of_grid,
    candidate_drives,
    candidates,
    chosen_by_training,
    likely_hrf,
)

TR_S = 1.3
X_DVA, Y_DVA = torch.linspace(-8, 8, 20), torch.linspace(5, -5, 15)
FACTS = {"voxels": 4, "tr_s": TR_S, "x_dva": X_DVA.tolist(), "y_dva": Y_DVA.tolist()}
TRUE_XY = torch.tensor([[-4.0, 2.0], [3.0, -1.5], [0.5, 0.5], [5.0, 3.0]])
TRUE_SD = torch.tensor([1.0, 1.5, 0.9, 2.0])
TRUE_HRF = (3.5, 1.3, 0.15)


def bars(generator=None):
    """[T, X, Y] a bar that crosses to the right and down, then back, with blanks between."""
    right = torch.eye(20)[:, :, None].expand(-1, -1, 15)
    down = torch.eye(15)[:, None].expand(-1, 20, -1)
    blank = torch.zeros(8, 20, 15)
    return torch.cat([right, blank, down, blank, right.flip(0), blank, down.flip(0), blank])


def made(noise=0.0, gaze=None, seed=0):
    """Stimulus, volumes and responses of four Gaussian fields, the last of them suppressed."""
    generator = torch.Generator().manual_seed(seed)
    stimulus = bars()
    drive = gaussian_sums(frames_of(stimulus, X_DVA, Y_DVA, gaze), *TRUE_XY.T, TRUE_SD)
    shape = responses(drive, Hemodynamics.of(TRUE_HRF, TR_S))
    response = shape / shape.std(0) * torch.tensor([1.0, 1.0, 1.0, -1.0]) + 3
    response = response + noise * torch.randn(response.shape, generator=generator)
    batch = {"stimulus": stimulus, "time": torch.arange(len(stimulus)), "response": response}
    return batch if gaze is None else batch | {"gaze_dva": gaze}


def test_canonical_response_is_the_usual_one():
    hrf = double_gamma(*torch.tensor(CANONICAL, dtype=torch.float64), TR_S).numpy()
    time_s = np.arange(0, 32, TR_S)
    np.testing.assert_allclose(hrf[1:], (gamma.pdf(time_s, 6) - gamma.pdf(time_s, 16) / 6)[1:], atol=1e-7)


def test_first_density_has_its_peak_where_it_is_said():
    fine = double_gamma(torch.tensor(3.3), torch.tensor(0.9), torch.tensor(0.0), 0.01)
    assert float(fine.argmax()) * 0.01 == pytest.approx(3.3, abs=0.011)


def test_responses_are_a_causal_convolution():
    drive, hrf = torch.randn(40, 3).double(), torch.randn(12).double()
    expected = np.stack([np.convolve(drive[:, v], hrf)[:40] for v in range(3)], 1)
    np.testing.assert_allclose(responses(drive, hrf).numpy(), expected, atol=1e-12)


@given(st.integers(0, 1000))
def test_sums_over_parts_are_sums_over_pixels(seed):
    generator = torch.Generator().manual_seed(seed)
    stimulus = torch.rand(3, 20, 15, generator=generator).double()
    gaze = torch.randn(3, 2, generator=generator).double()
    x, y = X_DVA.double(), Y_DVA.double()
    found = gaussian_sums(frames_of(stimulus, x, y, gaze, left_out=0), *TRUE_XY.double().T, TRUE_SD.double())
    for t in range(3):
        for v in range(4):
            apart = (x[:, None] - TRUE_XY[v, 0] - gaze[t, 0]) ** 2 + (y - TRUE_XY[v, 1] - gaze[t, 1]) ** 2
            field = torch.exp(-apart / (2 * TRUE_SD[v].double() ** 2))
            assert float(found[t, v]) == pytest.approx(float((stimulus[t] * field).sum()), rel=1e-9)


def test_few_parts_keep_what_is_asked_for():
    stimulus = bars()
    frames = frames_of(stimulus, X_DVA, Y_DVA)
    assert frames.along_x.shape[1] == 1  # a bar is one product
    torch.testing.assert_close(torch.einsum("trx,try->txy", *frames[:2]), stimulus, atol=1e-5, rtol=0)


def test_grid_finds_places_signs_and_the_response_function():
    batch = made()
    encoder = TimeEncoder(FACTS, "gaussian")
    start = start_of(encoder, encoder.frames(batch["stimulus"]), batch["time"], batch["response"])
    assert start.hrf == TRUE_HRF
    assert (start.xy_dva - TRUE_XY).abs().max() < 0.6
    assert (start.sd_dva / TRUE_SD).log().abs().max() < 0.4


@pytest.mark.parametrize("field", FIELDS)
def test_fit_predicts_the_return_of_the_bar(field):
    batch = made(noise=0.3)
    half = len(batch["time"]) // 2 + 8
    learn = {
        "stimulus": batch["stimulus"],
        "time": batch["time"][:half],
        "response": batch["response"][:half],
    }
    encoder = TimeEncoder(FACTS, field, own_delays=field == "attention")
    history = fit_encoder(encoder, learn, 15)
    assert history[-1] < history[0]
    with torch.no_grad():
        said = encoder(batch | {"time": batch["time"][half:]})
    assert (pearson(said, batch["response"][half:]) > 0.85).all()
    assert (encoder.amplitude * encoder.field.sign()).sign().tolist() == [1, 1, 1, -1]


def test_gaussian_fit_recovers_fields():
    batch = made(noise=0.1)
    encoder = TimeEncoder(FACTS, "gaussian")
    fit_encoder(encoder, batch, 40)
    assert (encoder.field.xy_dva - TRUE_XY).abs().max() < 0.15
    assert (encoder.field.sd_dva / TRUE_SD).log().abs().max() < 0.15
    assert encoder.baseline.mean() == pytest.approx(3, abs=0.8)


@pytest.mark.parametrize("field", ["gaussian", "point"])
def test_shift_by_gaze_recovers_the_fit(field):
    turn = torch.arange(len(bars())) * 2 * torch.pi
    gaze = torch.stack([4 * (turn / 31).sin(), 3 * (turn / 17).cos()], 1)
    batch = made(gaze=gaze)
    knows, ignores = TimeEncoder(FACTS, field), TimeEncoder(FACTS, field)
    fit_encoder(knows, batch, 15)
    without = {name: value for name, value in batch.items() if name != "gaze_dva"}
    fit_encoder(ignores, without, 15)
    with torch.no_grad():
        r = [pearson(e(b), batch["response"]) for e, b in ((knows, batch), (ignores, without))]
    apart = [(e.field.xy_dva - TRUE_XY).norm(dim=1) for e in (knows, ignores)]
    assert (r[0] > 0.995).all() and (r[1] < 0.97).all()
    assert apart[0].max() < 0.4 < apart[1].mean()


def test_attention_begins_as_the_gaussian_and_adds_up_to_one():
    frames = frames_of(bars(), X_DVA, Y_DVA)
    readout = AttentionReadout(4, (8.0, 5.0))
    readout.start(TRUE_XY, TRUE_SD)
    rows = readout.attention(frames).detach()
    torch.testing.assert_close(rows.sum(-1), torch.ones(2, 4))
    apart = (places_of(frames)[None] - TRUE_XY[:, None]).square().sum(2)
    field = torch.exp(-apart / (2 * TRUE_SD[:, None] ** 2))
    torch.testing.assert_close(rows[0], field / field.sum(1, keepdim=True), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(readout.kernel(frames).detach(), rows[0])


def test_tokens_and_their_places_are_in_one_order():
    stimulus = torch.zeros(1, 20, 15)
    stimulus[0, 0, 14] = 1.0  # left, bottom
    frames = frames_of(stimulus, X_DVA, Y_DVA)
    assert places_of(frames)[tokens_of(frames)[0].argmax()].tolist() == [-8.0, -5.0]


def test_constant_voxels_take_no_part():
    batch = made()
    batch["response"][:, 1] = 2.5
    encoder = TimeEncoder(FACTS, "gaussian")
    fit_encoder(encoder, batch, 3)
    assert encoder.amplitude[1] == 0 and encoder.baseline[1] == 2.5
    assert torch.isfinite(encoder(batch)).all()
    drives = candidate_drives(encoder.frames(batch["stimulus"]), candidates((8.0, 5.0)))
    r = chosen_by_training(drives, batch["response"], Hemodynamics.of(TRUE_HRF, TR_S), 5, 4)
    assert r.isnan().tolist() == [False, True, False, False]
    assert (r[[0, 2, 3]] > 0.8).all()


def test_noise_is_not_chosen():
    batch = made()
    noise = torch.randn(batch["response"].shape, generator=torch.Generator().manual_seed(3))
    drives = candidate_drives(frames_of(batch["stimulus"], X_DVA, Y_DVA), candidates((8.0, 5.0)))
    assert (chosen_by_training(drives, noise, Hemodynamics.of(TRUE_HRF, TR_S), 5, 4) < 0.4).all()
    assert (best_of_grid(drives, noise).r2 > 0).all()
    assert likely_hrf(drives, noise, batch["time"], TR_S) == CANONICAL  # nobody has a say


def test_what_is_refused():
    with pytest.raises(ValueError, match="field must be one of gaussian"):
        TimeEncoder(FACTS, "square")
    with pytest.raises(ValueError, match=r"stimulus must have shape \[T, 20, 15\], got \[5, 15, 20\]"):
        TimeEncoder(FACTS, "gaussian").frames(torch.zeros(5, 15, 20))


def test_attention_does_not_pretend_to_follow_the_gaze():
    batch = made() | {"gaze_dva": torch.zeros(len(bars()), 2)}
    with pytest.raises(ValueError, match="cannot follow the gaze"):
        TimeEncoder(FACTS, "attention")(batch)


def test_what_is_not_learned_stays_whatever_a_run_marks():
    encoder = TimeEncoder(FACTS, "gaussian", learned_hrf=False).requires_grad_(True)
    fit_encoder(encoder, made(), 3)
    np.testing.assert_allclose(encoder.hrf.shape, CANONICAL, rtol=1e-6)
    assert not encoder.delay_s.any()


def test_scale_is_least_squares():
    batch = made(noise=0.5)
    encoder = TimeEncoder(FACTS, "gaussian", learned_hrf=False)
    encoder.field.start(TRUE_XY, TRUE_SD)
    scale_to(encoder, batch)
    with torch.no_grad():
        shape = encoder.shape_of(encoder.frames(batch["stimulus"])).numpy()
    for v in range(4):
        slope, intercept = np.polyfit(shape[:, v], batch["response"][:, v].numpy(), 1)
        assert float(encoder.amplitude[v]) == pytest.approx(slope, rel=1e-3)
        assert float(encoder.baseline[v]) == pytest.approx(intercept, rel=1e-3)
