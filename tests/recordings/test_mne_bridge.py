"""Recordings as mne has them, and back: against mne's own EyeLink reader and by round trips."""

from __future__ import annotations

import warnings
from collections import Counter
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.errors import RecordingError
from gazekit.recordings.eeg.mne_bridge import from_mne, to_mne
from gazekit.recordings.recording import Recording, event_table

NUMBERS = ["onset_ms", "offset_ms", "duration_ms", "x_px", "y_px"]
LIKE_MNE = [
    "cili_mono250", "cili_mono500", "cili_mono1000", "cili_bino250", "cili_bino500", "cili_bino1000",
    "cili_monoRemote250",
]  # fmt: skip


def quietly(recording: Recording, **options) -> mne.io.RawArray:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*are left out of the mne object")
        return to_mne(recording, **options)


def read_by_mne(path: Path) -> mne.io.BaseRaw:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas 3 at mne, and of annotations beyond the samples
        return mne.io.read_raw_eyelink(path, verbose="error")


def made(t_ms, xy=None, events=(), messages=(), pupil=None, eye="", unit="", **more) -> Recording:
    t = np.asarray(t_ms, float)
    xy = np.column_stack([t, 2 * t]) if xy is None else xy
    end = f"_{eye}" if eye else ""
    samples = pd.DataFrame({"t_ms": t, f"x_px{end}": xy[:, 0], f"y_px{end}": xy[:, 1], f"valid{end}": True})
    if pupil is not None:
        samples[f"pupil{end}"] = pupil
    return Recording(
        path=Path("made.csv"), tracker="made", samples=samples, events=event_table(list(events)), eyes=(eye,),
        messages=pd.DataFrame(list(messages), columns=["t_ms", "text"]), pupil_unit=unit, **more,
    )  # fmt: skip


def of(raw, kind):
    found = raw.annotations[raw.annotations.description == kind]
    return np.column_stack([found.onset, found.duration])


@pytest.mark.parametrize("name", LIKE_MNE)
def test_eyelink_text_comes_out_as_mne_reads_it(shared_data, name):
    path = shared_data / "eyelink_asc" / f"{name}.asc"
    raw = quietly(Recording.open(path))
    theirs = read_by_mne(path)
    assert raw.info["sfreq"] == theirs.info["sfreq"] and raw.n_times == theirs.n_times
    np.testing.assert_array_equal(raw.get_data(), theirs.get_data(picks=raw.ch_names))
    for ours, other in zip(
        raw.info["chs"], theirs.info["chs"], strict=False
    ):  # theirs has the head's target too
        assert [ours[k] for k in ("ch_name", "kind", "coil_type")] == [
            other[k] for k in ("ch_name", "kind", "coil_type")
        ]
        np.testing.assert_array_equal(ours["loc"][3:5], other["loc"][3:5])
    for kind in ("fixation", "saccade", "BAD_blink"):
        ours, other = of(raw, kind), of(theirs, kind)
        order, other_order = np.lexsort(ours.T), np.lexsort(other.T)
        np.testing.assert_allclose(ours[order], other[other_order], atol=1e-9)
    assert Counter(raw.annotations.description)["BAD_ACQ_SKIP"] == 3  # three pauses between four blocks
    same = {str(text) for text in theirs.annotations.description}
    assert same - set(raw.annotations.description) == set()  # every message that mne keeps is here


def test_mne_blanks_every_second_sample_of_2000_hz_and_we_do_not(shared_data):
    path = shared_data / "eyelink_asc" / "cili_mono2000.asc"
    recording = Recording.open(path)
    raw, theirs = quietly(recording), read_by_mne(path)
    assert np.isfinite(raw.get_data()[0]).sum() == recording.gaze().valid.sum() == 8976
    assert np.isfinite(theirs.get_data()[0]).sum() < 4600


@pytest.mark.parametrize(
    "name", [*LIKE_MNE, "cili_mono2000", "cili_binoRemote250", "pymovements_eyelink_binocular_example"]
)
def test_there_and_back_is_the_same(shared_data, name):
    recording = Recording.open(shared_data / "eyelink_asc" / f"{name}.asc")
    start = recording.samples["t_ms"].iloc[0]
    back = from_mne(quietly(recording), recording.size_px, start, recording.pupil_unit)
    assert back.eyes == recording.eyes and back.size_px == recording.size_px
    assert back.pupil_unit == recording.pupil_unit
    for eye in recording.eyes:
        ours, theirs = recording.gaze(eye), back.gaze(eye)
        np.testing.assert_allclose(theirs.t_ms, ours.t_ms, atol=1e-6)
        np.testing.assert_array_equal(theirs.xy_px, ours.xy_px)
        np.testing.assert_array_equal(theirs.pupil, ours.pupil)
        assert theirs.pieces() == ours.pieces()
    last = recording.samples["t_ms"].iloc[-1]
    events = recording.events[recording.events["onset_ms"].between(start, last)]
    order = ["onset_ms", "kind", "eye"]
    events, found = (x.sort_values(order, ignore_index=True) for x in (events, back.events))
    assert (
        events["kind"].tolist() == found["kind"].tolist() and events["eye"].tolist() == found["eye"].tolist()
    )
    for column in [c for c in events if events[c].dtype == float and events[c].notna().any()]:
        np.testing.assert_allclose(found[column], events[column], atol=1e-6, err_msg=column)
    messages = recording.messages[recording.messages["t_ms"].between(start, last)]
    assert sorted(messages["text"]) == sorted(back.messages["text"])


def test_events_and_messages_beyond_the_samples_are_counted():
    fixation = {"kind": "fixation", "onset_ms": 2.0, "offset_ms": 5.0, "duration_ms": 4.0}
    recording = made(range(10), events=[fixation], messages=[(-5.0, "before"), (3.0, "in"), (50.0, "after")])
    with pytest.warns(
        UserWarning, match=r"made.csv: 2 of 4 events and messages lie before the first or after"
    ):
        raw = to_mne(recording)
    assert raw.annotations.description.tolist() == ["fixation", "in"]


def test_gaps_are_nan_and_skipped_and_blocks_move_by_half_a_step_at_most():
    t = np.array([0, 2, 4, 6, 21, 23, 25, 27.0])  # 21 lies between the grid's 20 and 22
    raw = to_mne(made(t))
    assert raw.info["sfreq"] == 500.0
    missing = np.isnan(raw.get_data()[0])
    assert np.flatnonzero(~missing).tolist() == [0, 1, 2, 3, 10, 11, 12, 13]
    np.testing.assert_allclose(of(raw, "BAD_ACQ_SKIP"), [[0.008, 0.012]])
    assert np.isnan(raw.get_data(reject_by_annotation="NaN")[0]).sum() == missing.sum()
    back = from_mne(raw)
    assert back.samples["block"].tolist() == [0] * 4 + [1] * 4
    assert np.abs(back.samples["t_ms"] - t).max() == 1.0


def test_samples_that_are_invalid_are_nan():
    recording = made(range(6), eye="left", pupil=np.arange(6.0) + 3, unit="mm")
    recording.samples.loc[2, "valid_left"] = False
    raw = to_mne(recording)
    assert raw.get_channel_types() == ["eyegaze", "eyegaze", "pupil"]
    assert np.isnan(raw.get_data()[0]).tolist() == [k == 2 for k in range(6)]
    np.testing.assert_allclose(raw.get_data()[2], (np.arange(6) + 3) / 1000)  # mm to m
    assert from_mne(raw).pupil_unit == "mm"


def test_combined_gaze_has_no_eye():
    raw = to_mne(made(range(6), pupil=np.arange(6.0), unit="mm"))
    assert raw.ch_names == ["xpos", "ypos", "pupil_size"]
    assert all(np.isnan(channel["loc"][3]) for channel in raw.info["chs"])
    back = from_mne(raw)
    assert back.eyes == ("",) and back.pupil_unit == "mm"
    np.testing.assert_allclose(back.samples["pupil"], np.arange(6))


@pytest.mark.parametrize("text", ["", "a;b\nc", "BAD_ACQ_SKIP", "fixation", "x" * 5000])
def test_any_message_comes_back(text):
    assert from_mne(to_mne(made(range(9), messages=[(3.0, text)]))).messages.to_numpy().tolist() == [
        [3.0, text]
    ]


def test_events_keep_what_vendors_say_of_them():
    known = {"description": "long", "first": 2, "b": True, "n": None, "x_px": np.nan, "duration": "1 s"}
    event = {
        "kind": "fixation",
        "onset_ms": 2.0,
        "offset_ms": 4.0,
        "duration_ms": 2.0,
        **known,
        "list": [1, 2],
    }
    back = from_mne(to_mne(made(range(9), events=[event]))).events.iloc[0]
    assert [back[k] for k in ("description", "first", "b", "duration", "list")] == [
        "long",
        2,
        True,
        "1 s",
        "[1, 2]",
    ]
    assert "n" not in back and back["x_px"] == pytest.approx(2.5)  # the mean of its samples: mne knew none
    odd = {"kind": "x", "onset_ms": np.nan, "offset_ms": 3.0}
    with pytest.warns(UserWarning, match="1 of 1 events and messages lie"):
        assert len(to_mne(made(range(9), events=[odd])).annotations) == 0


def test_irregular_sampling_needs_a_rate():
    t = np.arange(0, 1000, 5.0) + np.random.default_rng(0).uniform(-2, 2, 200)
    recording = made(np.sort(t))
    with pytest.raises(
        RecordingError, match=r"made.csv: sampling is irregular: .* give rate_hz= to interpolate"
    ):
        to_mne(recording)
    raw = to_mne(recording, rate_hz=250)
    grid = recording.samples["t_ms"].iloc[0] + 1000 * raw.times
    finite = np.isfinite(raw.get_data()[0])
    np.testing.assert_allclose(raw.get_data()[1][finite], 2 * grid[finite])  # y = 2 t
    lost = np.diff(recording.samples["t_ms"]) > 1.5 * recording.gaze().interval_ms
    assert (~finite).any() == lost.any()


def test_interpolation_leaves_invalid_samples_and_gaps_alone():
    t = np.r_[0:10, 20:30].astype(float)
    recording = made(t)
    recording.samples.loc[4, "valid"] = False
    raw = to_mne(recording, rate_hz=2000)
    at = 1000 * raw.times
    missing = np.isnan(raw.get_data()[0])
    expected = ((at > 3) & (at < 5)) | ((at > 9) & (at < 20))
    np.testing.assert_array_equal(missing, expected)
    np.testing.assert_allclose(of(raw, "BAD_ACQ_SKIP"), [[0.0095, 0.0105]])


def test_small_clock_faults_are_told():
    with pytest.raises(RecordingError, match="mne needs at least two samples, got 1"):
        to_mne(made([5.0]))
    with pytest.raises(RecordingError, match=r"2\d samples are spread over 4000000 s.*one by one"):
        to_mne(made(np.r_[0:10, 4e9 : 4e9 + 10]))
    with pytest.raises(ValueError, match="rate_hz must be positive"):
        to_mne(made(range(5)), rate_hz=0)
    with pytest.raises(RecordingError, match="fall on one point"):
        to_mne(blocks([0, 2, 4, 4.9, 6.9], [0, 0, 0, 1, 1]))


def blocks(t, block):
    recording = made(t)
    recording.samples["block"] = block
    return recording


def test_what_is_no_gaze_is_refused():
    eeg = mne.io.RawArray(np.zeros((1, 10)), mne.create_info(["Cz"], 100.0, "eeg"), verbose="error")
    with pytest.raises(RecordingError, match="no eyegaze channels among Cz"):
        from_mne(eeg)
    raw = to_mne(made(range(5), eye="left"))
    mne.preprocessing.eyetracking.set_channel_types_eyetrack(
        raw, {"xpos_left": ("eyegaze", "deg", "left", "x")}
    )
    with pytest.raises(RecordingError, match="xpos_left is not in pixels"):
        from_mne(raw)


def test_fixations_of_mne_get_the_mean_of_their_samples(shared_data):
    path = shared_data / "eyelink_asc" / "cili_mono1000.asc"
    recording = Recording.open(path)
    theirs = read_by_mne(path)
    start = recording.samples["t_ms"].iloc[0]
    back, ours = from_mne(theirs, start_ms=start).fixations(), recording.fixations()
    np.testing.assert_allclose(back["onset_ms"], ours["onset_ms"], atol=1e-6)
    np.testing.assert_allclose(back[["x_px", "y_px"]], ours[["x_px", "y_px"]], atol=0.6)


def test_a_saved_file_is_the_same_recording(tmp_path):
    event = {
        "kind": "saccade",
        "eye": "right",
        "onset_ms": 12.0,
        "offset_ms": 18.0,
        "duration_ms": 8.0,
        "x_px": 3.5,
    }
    recording = made(
        np.arange(10, 30, 2), eye="right", events=[{**event, "amplitude_dva": 4.5}], messages=[(14, "go")]
    )
    raw = to_mne(recording)
    raw.save(tmp_path / "gaze_raw.fif", fmt="double", verbose="error")
    back = from_mne(mne.io.read_raw_fif(tmp_path / "gaze_raw.fif", verbose="error"), start_ms=10.0)
    assert back.path == tmp_path / "gaze_raw.fif"
    np.testing.assert_allclose(back.samples["x_px_right"], recording.samples["x_px_right"])
    for column in ("onset_ms", "offset_ms", "duration_ms", "x_px", "amplitude_dva"):
        assert back.events[column].iloc[0] == pytest.approx({**event, "amplitude_dva": 4.5}[column])
    assert back.messages.to_numpy().tolist() == [[pytest.approx(14.0), "go"]]


@settings(deadline=None, max_examples=40)
@given(
    step=st.sampled_from([0.5, 1.0, 2.0, 4.0, 1000 / 300]),
    lengths=st.lists(st.integers(2, 30), min_size=1, max_size=5),
    pauses=st.lists(st.integers(2, 60), min_size=5, max_size=5),
    lost=st.sets(st.integers(0, 149)),
    start=st.floats(-1e6, 1e7),
)
def test_any_blocks_on_a_grid_come_back(step, lengths, pauses, lost, start):
    block = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(block)) + np.repeat(np.cumsum([0, *pauses])[: len(lengths)], lengths)
    recording = blocks(start + step * place, block)
    recording.samples["valid"] = ~np.isin(np.arange(len(block)), list(lost))
    back = from_mne(to_mne(recording), start_ms=recording.samples["t_ms"].iloc[0])
    ours, theirs = recording.gaze(), back.gaze()
    np.testing.assert_allclose(theirs.t_ms, ours.t_ms, atol=1e-3)
    np.testing.assert_array_equal(theirs.xy_px, ours.xy_px)
    assert theirs.pieces() == ours.pieces()
