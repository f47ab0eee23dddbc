"""Pupil Player's export: the traps of the real folder (origin, index offset, units, header) and damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.errors import RecordingError
from gazekit.recordings.readers import pupil_player, recognise
from gazekit.recordings.recording import Recording
from gazekit.recordings.video import SceneVideo, frame_at

SIZE = (1088, 1080)  # of the original video; the shared one is made small


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Path:
    return shared_data / "pupil_player_export/export"


@pytest.fixture
def folder(real: Path, tmp_path: Path) -> Path:
    for file in real.iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    return tmp_path


def test_the_real_export_has_the_numbers_of_its_readme(real: Path):
    assert recognise(real) == "pupil_player"
    recording = Recording.open(real, size_px=SIZE)
    assert (
        len(recording.samples) == 145 and len(recording.fixations()) == 10 and len(recording.frame_t_ms) == 58
    )
    assert recording.size_px == SIZE and recording.samples["valid"].all()
    assert pupil_player.read(real).size_px == (272, 270)  # the video's own
    with SceneVideo(recording.video, recording.frame_t_ms) as video:
        assert len(video) == 58


def test_positions_count_from_the_top_left(real: Path):
    """norm_pos counts from the bottom left: y grows downwards in pixels, so it must fall where norm_pos_y grows."""
    raw = pd.read_csv(real / "gaze_positions.csv")
    samples = pupil_player.read(real, size_px=SIZE).samples
    np.testing.assert_allclose(samples["x_px"], raw["norm_pos_x"] * 1088, rtol=1e-12)
    np.testing.assert_allclose(samples["y_px"], 1080 - raw["norm_pos_y"] * 1080, rtol=1e-12)
    assert samples["y_px"].iloc[0] == pytest.approx(496.159454, abs=1e-5)


def test_fixation_durations_are_milliseconds_and_times_seconds(real: Path):
    fixations = pupil_player.read(real).fixations()
    raw = pd.read_csv(real / "fixations.csv")
    np.testing.assert_allclose(fixations["duration_ms"], raw["duration"], rtol=1e-12)
    np.testing.assert_allclose(fixations["onset_ms"], (raw["start_timestamp"] - 65.300018) * 1000, atol=1e-6)
    last = [
        float(stamps.split()[-1]) for stamps in raw["base_data"]
    ]  # the samples that the fixation was made of
    np.testing.assert_allclose(fixations["offset_ms"], (np.array(last) - 65.300018) * 1000, atol=1e-6)


def test_frames_count_in_the_trimmed_video(real: Path):
    recording = pupil_player.read(real)
    assert recording.info["first_world_index"] == 1910
    assert "number 1910" in recording.notes[0]
    samples, fixations = recording.samples, recording.fixations()
    assert samples["frame"].iloc[0] == 0 and samples["frame"].iloc[-1] == 57
    nearest = np.abs(samples["t_ms"].to_numpy()[:, None] - recording.frame_t_ms).argmin(1)
    np.testing.assert_array_equal(samples["frame"], nearest)  # the index agrees with the times
    assert fixations["first_frame"].iloc[0] == 3 and fixations["last_frame"].iloc[-1] == 57
    seen = frame_at(recording.frame_t_ms, fixations["onset_ms"])
    assert np.abs(seen - fixations["first_frame"]).max() <= 1


def test_the_offset_is_found_though_the_first_frames_have_no_gaze(folder: Path):
    table = pd.read_csv(folder / "gaze_positions.csv", dtype=str)
    table[table["world_index"].astype(int) > 1914].to_csv(folder / "gaze_positions.csv", index=False)
    recording = pupil_player.read(folder)
    assert recording.info["first_world_index"] == 1910 and recording.samples["frame"].iloc[0] == 5
    assert recording.samples["t_ms"].iloc[0] > 100


def test_unsure_samples_are_kept_but_not_valid(folder: Path):
    table = pd.read_csv(folder / "gaze_positions.csv", dtype=str)
    table.loc[3, "confidence"], table.loc[4, "confidence"], table.loc[5, "confidence"] = "0.59", "0.6", ""
    table.to_csv(folder / "gaze_positions.csv", index=False)
    samples = pupil_player.read(folder).samples
    assert np.flatnonzero(~samples["valid"]).tolist() == [3, 5] and samples["x_px"].notna().all()
    assert pupil_player.read(folder, min_confidence=0.5).samples["valid"].sum() == 144
    assert pupil_player.read(folder, min_confidence=0.61).samples["valid"].sum() == 142
    with pytest.raises(ValueError, match="min_confidence"):
        pupil_player.read(folder, min_confidence=60)


def test_fixations_behind_the_trimmed_video_are_told(folder: Path):
    table = pd.read_csv(folder / "fixations.csv")
    late = table.tail(2).assign(start_timestamp=lambda t: t["start_timestamp"] + 5, start_frame_index=2100)
    pd.concat([table, late]).to_csv(folder / "fixations.csv", index=False)
    recording = pupil_player.read(folder)
    assert len(recording.fixations()) == 12
    assert "2 of 12 fixations end after the last frame of the trimmed video" in recording.notes


def test_annotations_are_messages(folder: Path):
    (folder / "annotations.csv").write_text(
        "index,timestamp,label,duration\n1911,65.4,left,0\n1910,65.300018,start,0\n"
    )
    messages = pupil_player.read(folder).messages
    assert messages["text"].tolist() == ["start", "left"]
    np.testing.assert_allclose(messages["t_ms"], [0, 99.982], atol=1e-6)
    (folder / "annotations.csv").write_text("index,timestamp,label,duration\n1,,left,0\n")
    with pytest.raises(RecordingError, match="row 1 has no time"):
        pupil_player.read(folder)


def test_no_time_is_infinite(folder: Path):
    rows = (folder / "fixations.csv").read_text().split("\n")
    first = rows[1].split(",")
    (folder / "fixations.csv").write_text("\n".join([rows[0], ",".join([first[0], "1e400", *first[2:]]), ""]))
    with pytest.raises(RecordingError, match="a fixation from inf to inf"):
        pupil_player.read(folder)


def test_only_gaze_must_be_there(folder: Path):
    for name in ("fixations.csv", "world_timestamps.csv", "world.mp4"):
        (folder / name).unlink()
    with pytest.raises(RecordingError, match=r"size_px=\(width, height\)"):
        pupil_player.read(folder)
    recording = pupil_player.read(folder, size_px=SIZE)
    assert recording.frame_t_ms is None and recording.samples["t_ms"].iloc[0] == 0.0
    assert "frame" not in recording.samples and len(recording.events) == 0
    (folder / "world.mp4").write_bytes(b"no video")
    with pytest.raises(RecordingError, match="the scene video cannot be used"):
        pupil_player.read(folder)
    with pytest.raises(ValueError, match="whole pixels"):
        pupil_player.read(folder, size_px=(0, 5))


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "gaze_timestamp,world_index,confidence",
            "confidence,world_index,gaze_timestamp",
            "columns swapped|does not follow",
        ),
        ("gaze_timestamp,world_index", "world_index,gaze_timestamp", "expected a whole number"),
        ("confidence,norm_pos_x", "norm_pos_x,conf", "no column 'confidence'"),
        ("norm_pos_y,", "norm_pos_x,", "no column 'norm_pos_y'|occurs 2 times"),
    ],
)
def test_wrong_columns_are_an_error(folder: Path, old: str, new: str, text: str):
    file = folder / "gaze_positions.csv"
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(RecordingError, match=text):
        pupil_player.read(folder)


def test_a_clock_that_jumps_back_is_an_error_or_sorted(folder: Path):
    lines = (folder / "gaze_positions.csv").read_text().split("\n")
    lines[5], lines[9] = lines[9], lines[5]
    (folder / "gaze_positions.csv").write_text("\n".join(lines))
    with pytest.raises(RecordingError, match=r"in row 6 does .* clock=\"sort\""):
        pupil_player.read(folder)
    recording = pupil_player.read(folder, clock="sort")
    assert len(recording.samples) == 145 and (np.diff(recording.samples["t_ms"]) > 0).all()
