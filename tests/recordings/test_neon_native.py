"""Neon's native folder: the real recording, its two gaze streams, parts, layouts and damage."""

from __future__ import annotations

import json
import shutil
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.errors import RecordingError
from gazekit.recordings.readers import neon_native, pupil_cloud, recognise
from gazekit.recordings.recording import Recording
from gazekit.recordings.video import frame_at


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Path:
    return shared_data / "neon_native_demo/native"


@pytest.fixture
def folder(real: Path, tmp_path: Path) -> Path:
    for file in real.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    return tmp_path


def test_the_real_recording_has_the_numbers_of_its_readme(real: Path):
    assert recognise(real) == "neon_native"
    recording = Recording.open(real)
    t = recording.samples["t_ms"].to_numpy()
    assert len(t) == 1788 and 1000 * (len(t) - 1) / (t[-1] - t[0]) == pytest.approx(199.4, abs=0.05)
    assert len(recording.frame_t_ms) == 292
    assert recording.events["kind"].value_counts().to_dict() == {"fixation": 23, "saccade": 22, "blink": 2}
    assert recording.messages["text"].tolist() == ["recording.begin", "recording.end"]
    assert recording.messages["t_ms"].tolist() == [0.0, 11219.0]
    assert recording.origin_ns == 1760676788219000000 and recording.size_px == (1600, 1200)
    assert recording.samples["valid"].all() and recording.pupil_unit == "mm"
    assert recording.gaze().rate_hz == pytest.approx(200, abs=0.1)


def test_fixation_midpoints_fall_on_the_frames_of_the_readme(real: Path):
    recording = neon_native.read(real)
    fixations = recording.fixations()
    middle = (fixations["onset_ms"] + fixations["offset_ms"]) / 2
    frames = frame_at(recording.frame_t_ms, middle[:10])
    assert frames.tolist() == [29, 36, 52, 62, 70, 80, 87, 103, 126, 140]


def test_native_and_cloud_give_the_same(real: Path, shared_data: Path):
    native = neon_native.read(real, stream="gaze")
    cloud = pupil_cloud.read(shared_data / "neon_native_demo/cloud_style")
    assert native.origin_ns == cloud.origin_ns
    np.testing.assert_array_equal(native.samples["t_ms"], cloud.samples["t_ms"])
    xy = ["x_px", "y_px"]
    np.testing.assert_allclose(native.samples[xy], cloud.samples[xy], rtol=0, atol=6e-4)  # three decimals
    np.testing.assert_array_equal(native.samples["valid"], cloud.samples["valid"])
    np.testing.assert_array_equal(native.frame_t_ms, cloud.frame_t_ms)
    pd.testing.assert_frame_equal(native.messages, cloud.messages[["t_ms", "text"]])
    for column in ("kind", "id", "onset_ms", "offset_ms"):
        assert native.events[column].tolist() == cloud.events[column].tolist()
    np.testing.assert_allclose(native.events["duration_ms"], cloud.events["duration_ms"], rtol=0, atol=0.51)
    np.testing.assert_allclose(native.fixations()[xy], cloud.fixations()[xy], rtol=0, atol=6e-4)
    saccades = [r.events[r.events["kind"] == "saccade"] for r in (native, cloud)]
    for column in ("amplitude_px", "amplitude_dva", "mean_velocity_px_s", "peak_velocity_px_s"):
        np.testing.assert_allclose(saccades[0][column], saccades[1][column], rtol=0, atol=6e-3)
    np.testing.assert_allclose(native.camera.matrix, cloud.camera.matrix, rtol=1e-12)
    np.testing.assert_allclose(native.camera.distortion, cloud.camera.distortion, rtol=1e-12)


def test_saccades_lead_from_fixation_to_fixation(real: Path):
    saccades = neon_native.read(real).events.query("kind == 'saccade'")
    size = np.hypot(saccades["x_end_px"] - saccades["x_px"], saccades["y_end_px"] - saccades["y_px"])
    np.testing.assert_allclose(size, saccades["amplitude_px"], rtol=1e-5)


def test_of_two_gaze_streams_the_one_of_all_images_is_read_and_the_choice_is_told(folder: Path):
    slow = np.fromfile(folder / "gaze ps1.raw", "<f4").reshape(-1, 2)[::3]
    times = np.fromfile(folder / "gaze ps1.time", "<i8")[::3]
    slow.tofile(folder / "gaze ps1.raw")
    times.tofile(folder / "gaze ps1.time")
    np.fromfile(folder / "worn ps1.raw", "u1")[::3].tofile(folder / "worn ps1.raw")
    fast = neon_native.read(folder)
    assert (
        len(fast.samples) == 1788
        and "gaze_200hz was read" in fast.notes[0]
        and fast.info["stream"] == "gaze_200hz"
    )
    chosen = neon_native.read(folder, stream="gaze")
    np.testing.assert_array_equal(chosen.samples[["x_px", "y_px"]], slow.astype(float))
    assert chosen.samples["pupil"].notna().all()
    (folder / "gaze_200hz.raw").unlink()
    assert len(neon_native.read(folder).samples) == len(slow)
    with pytest.raises(RecordingError, match="no stream 'gaze_200hz', found: blinks, eye_state"):
        neon_native.read(folder, stream="gaze_200hz")


def test_parts_are_joined_in_the_order_of_their_numbers(folder: Path, real: Path):
    whole = neon_native.read(real, stream="gaze")
    names = {"gaze": 8, "worn": 1, "eye_state": 80, "fixations": 60, "Neon Scene Camera v1": 0}
    for name, size in names.items():
        for suffix, width in ((".raw", size), (".time", 8)):
            file = folder / f"{name} ps1{suffix}"
            if not file.exists():
                continue
            content = file.read_bytes()
            count = len(content) // width
            edges = [0, count // 3, count // 2, count]
            for part, (a, b) in zip((1, 2, 10), pairwise(edges), strict=True):
                (folder / f"{name} ps{part}{suffix}").write_bytes(content[a * width : b * width])
    joined = neon_native.read(folder, stream="gaze")
    pd.testing.assert_frame_equal(joined.samples, whole.samples)
    pd.testing.assert_frame_equal(joined.events, whole.events)
    np.testing.assert_array_equal(joined.frame_t_ms, whole.frame_t_ms)


def test_what_is_not_worn_is_not_valid(folder: Path):
    worn = np.fromfile(folder / "worn_200hz.raw", "u1")
    worn[100:150] = 0
    worn.tofile(folder / "worn_200hz.raw")
    recording = neon_native.read(folder)
    assert np.flatnonzero(~recording.samples["valid"]).tolist() == list(range(100, 150))
    assert recording.samples["x_px"].notna().all()  # kept as they are in the file
    assert np.isnan(recording.gaze().xy_px[100:150]).all()


def test_optional_files_may_be_absent_or_empty(folder: Path):
    for file in list(folder.iterdir()):
        if file.name.startswith(("fixations ps1", "blinks ps1")):
            file.write_bytes(b"")
        elif not file.name.startswith(("gaze_200hz", "info", "fixations.", "blinks.")):
            file.unlink()
    recording = neon_native.read(folder)
    assert len(recording.samples) == 1788 and recording.samples["valid"].all()
    assert len(recording.events) == 0 and len(recording.messages) == 0
    assert recording.camera is None and recording.frame_t_ms is None and recording.pupil_unit == ""


def test_no_gaze_is_an_error(folder: Path):
    (folder / "gaze_200hz.raw").write_bytes(b"")
    (folder / "gaze_200hz.time").write_bytes(b"")
    with pytest.raises(RecordingError, match="is empty"):
        neon_native.read(folder)


def test_eye_states_at_other_times_are_unknown_and_told(folder: Path):
    times = np.fromfile(folder / "eye_state ps1.time", "<i8")
    times[10:20] += 1
    times.tofile(folder / "eye_state ps1.time")
    recording = neon_native.read(folder)
    assert np.flatnonzero(recording.samples["pupil"].isna()).tolist() == list(range(10, 20))
    assert any("10 of 1788 gaze samples have no eye state" in note for note in recording.notes)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "[('x', 'float32'), ('x', 'float32')]",
        "[('x', 'O'), ('y', 'O')]",
        "[('x', 'V9999999')]",
        "[('x', 'float32', 9)]",
        "[(1, 'float32')]",
        "[('x', 'float32')",
        "[" * 5000,
        "(" * 200_000,
        "[]",
        "{}",
        "",
    ],
)
def test_a_layout_is_a_literal_or_an_error(folder: Path, text: str):
    (folder / "gaze.dtype").write_text(text)
    with pytest.raises(RecordingError, match=r"gaze\.dtype: expected a list of"):
        neon_native.read(folder)


def test_a_layout_of_another_size_is_an_error(folder: Path):
    (folder / "gaze.dtype").write_text("[('x', 'float32'), ('y', 'float32'), ('z', 'float32')]")
    with pytest.raises(RecordingError, match=r"1192 records but 1788 times"):
        neon_native.read(folder)


def test_the_checksum_of_the_calibration_is_the_crc32_of_what_comes_before(real: Path, folder: Path):
    content = (real / "calibration.bin").read_bytes()
    assert len(content) == 803 and int.from_bytes(content[-4:], "little") == zlib.crc32(content[:-4])
    assert neon_native.read(real).info["calibration"]["serial"] == "578846"
    for at in range(0, 803, 40):
        (folder / "calibration.bin").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(RecordingError, match="checksum"):
            neon_native.read(folder)
    kept = neon_native.read(folder, truncated="keep")
    assert kept.camera is None and any("no scene camera" in note for note in kept.notes)


def test_times_that_go_back_are_an_error_or_sorted(folder: Path, real: Path):
    times = np.fromfile(folder / "gaze_200hz.time", "<i8")
    swapped = times.copy()
    swapped[[500, 501]] = swapped[[501, 500]]
    swapped[900] = swapped[899]
    swapped.tofile(folder / "gaze_200hz.time")
    with pytest.raises(RecordingError, match=r"in row 502 does.*2 such rows.*clock=\"sort\""):
        neon_native.read(folder)
    recording = neon_native.read(folder, clock="sort")
    assert len(recording.samples) == 1787 and any("1 rows with duplicate times" in n for n in recording.notes)
    whole = neon_native.read(real).samples
    np.testing.assert_array_equal(recording.samples["t_ms"], whole["t_ms"].drop(900))
    np.testing.assert_array_equal(recording.samples["x_px"][[500, 501]], whole["x_px"][[501, 500]])


def test_swapped_times_of_events_are_an_error(folder: Path):
    text = (folder / "blinks.dtype").read_text()
    swapped = text.replace("start_", "tmp_").replace("end_", "start_").replace("tmp_", "end_")
    (folder / "blinks.dtype").write_text(swapped)
    with pytest.raises(RecordingError, match=r"2 such events\): start and end are swapped"):
        neon_native.read(folder)


@pytest.mark.parametrize("start", [1760676788, "now", 1.7e18, None, -5, True, 10**30])
def test_a_start_that_is_none_is_an_error(folder: Path, start):
    info = json.loads((folder / "info.json").read_text())
    (folder / "info.json").write_text(json.dumps({**info, "start_time": start}))
    with pytest.raises(RecordingError, match=r"start_time must be whole nanoseconds|do not fit a recording"):
        neon_native.read(folder)


def test_an_unknown_kind_of_event_keeps_its_number(folder: Path):
    blinks = np.fromfile(folder / "blinks ps1.raw", [("t", "<i4"), ("a", "<i8"), ("b", "<i8")])
    blinks["t"][0] = 7
    blinks.tofile(folder / "blinks ps1.raw")
    recording = neon_native.read(folder)
    assert (recording.events["kind"] == "type 7").sum() == 1 and any(
        "type 7" in note for note in recording.notes
    )
