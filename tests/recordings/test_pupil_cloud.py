"""Pupil Cloud's CSV folder: exact nanoseconds, header variants, optional files, damage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.errors import RecordingError
from gazekit.recordings.readers import pupil_cloud, recognise
from gazekit.recordings.recording import Recording
from gazekit.recordings.video import SceneVideo, frame_at


@pytest.fixture
def folder(shared_data: Path, tmp_path: Path) -> Path:
    for file in (shared_data / "neon_native_demo/cloud_style").iterdir():
        shutil.copyfile(file, tmp_path / file.name)
    return tmp_path


def edit(file: Path, old: str, new: str, count: int = -1) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, count))


def test_the_toy_has_the_numbers_of_its_readme(shared_data: Path):
    folder = shared_data / "annotation_toy/neon_export/toy-0001"
    assert recognise(folder) == "pupil_cloud"
    recording = Recording.open(folder)
    assert len(recording.fixations()) == 14 and len(recording.samples) == 1006
    assert recording.size_px == (320, 240) == recording.camera.size_px
    assert recording.messages["text"].tolist() == [
        "recording.begin",
        "trial.start",
        "trial.end",
        "recording.end",
    ]
    assert recording.origin_ns == 1700000000000000000
    with SceneVideo(recording.video, recording.frame_t_ms) as video:
        assert len(video) == 150
    golden = pd.read_csv(shared_data / "annotation_toy/exports/fixation_aoi.csv")
    fixations = recording.fixations()
    middle = (fixations["onset_ms"] + fixations["offset_ms"]) / 2
    column = next(c for c in golden.columns if "frame" in c)
    assert frame_at(recording.frame_t_ms, middle).tolist() == golden[column].tolist()


def test_nanoseconds_never_pass_through_a_float(folder: Path):
    """At 1.7e18 ns neighbouring floats are 256 ns apart; two samples 1 ns apart stay so."""
    rows = ["timestamp [ns],gaze x [px],gaze y [px]", "1760676788219000001,1,2", "1760676788219000002,3,4"]
    (folder / "gaze.csv").write_text("\n".join(rows) + "\n")
    recording = pupil_cloud.read(folder)
    assert recording.samples["t_ms"].tolist() == [1e-6, 2e-6]


@given(steps=st.lists(st.integers(1, 10**8), min_size=1, max_size=30), start=st.integers(10**15, 9 * 10**18))
@settings(deadline=None, max_examples=30)
def test_any_times_come_back_exactly(tmp_path_factory: pytest.TempPathFactory, steps: list[int], start: int):
    folder = tmp_path_factory.mktemp("cloud")
    ns = [start + int(v) for v in np.cumsum(steps)]
    lines = ["timestamp [ns],gaze x [px],gaze y [px]", *(f"{t},1,2" for t in ns)]
    (folder / "gaze.csv").write_text("\n".join(lines) + "\n")
    recording = pupil_cloud.read(folder)
    assert recording.origin_ns == ns[0]
    assert recording.samples["t_ms"].tolist() == [(t - ns[0]) / 1e6 for t in ns]


def test_headers_with_underscores_and_capitals(folder: Path):
    whole = pupil_cloud.read(folder)
    for file in folder.glob("*.csv"):
        head, _, rest = file.read_text().partition("\n")
        file.write_text(head.replace(" ", "_").title() + "\n" + rest)
    same = pupil_cloud.read(folder)
    assert pupil_cloud.matches(folder)
    np.testing.assert_array_equal(whole.samples[["t_ms", "x_px"]], same.samples[["t_ms", "x_px"]])
    assert whole.events["onset_ms"].tolist() == same.events["onset_ms"].tolist()
    np.testing.assert_array_equal(whole.frame_t_ms, same.frame_t_ms)


def test_neon_players_export_has_no_section_id(folder: Path):
    for file in folder.glob("*.csv"):
        table = pd.read_csv(file, dtype=str)
        table.drop(columns="section id", errors="ignore").to_csv(file, index=False)
    assert len(pupil_cloud.read(folder).fixations()) == 23


def test_only_gaze_must_be_there(folder: Path):
    for file in folder.iterdir():
        if file.name != "gaze.csv":
            file.unlink()
    recording = pupil_cloud.read(folder)
    assert len(recording.samples) == 1788 and recording.samples["t_ms"].iloc[0] == 0.0
    assert recording.origin_ns == 1760676790465965534
    assert recording.camera is None and recording.size_px is None and len(recording.events) == 0
    (folder / "gaze.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"gaze\.csv"):
        pupil_cloud.read(folder)


@pytest.mark.parametrize("name", ["fixations", "saccades", "blinks", "events"])
def test_a_table_without_a_line_has_no_events(folder: Path, name: str):
    file = folder / f"{name}.csv"
    file.write_text(file.read_text().partition("\n")[0] + "\n")
    recording = pupil_cloud.read(folder)
    assert name[:-1] not in set(recording.events["kind"])


def test_both_names_of_the_distortion(folder: Path):
    whole = pupil_cloud.read(folder).camera.distortion
    edit(folder / "scene_camera.json", "distortion_coefficients", "dist_coefs")
    np.testing.assert_array_equal(pupil_cloud.read(folder).camera.distortion, whole)
    edit(folder / "scene_camera.json", "dist_coefs", "other")
    with pytest.raises(RecordingError, match="expected camera_matrix and dist_coefs"):
        pupil_cloud.read(folder)


def test_unknown_columns_are_kept(folder: Path):
    table = pd.read_csv(folder / "gaze.csv", dtype=str)
    table["mood"] = "calm"
    table.to_csv(folder / "gaze.csv", index=False)
    samples = pupil_cloud.read(folder).samples
    assert set(samples["mood"]) == {"calm"} and samples["azimuth [deg]"].iloc[0] == -5.5362
    assert 100 * samples["fixation id"].notna().mean() == pytest.approx(77.1, abs=0.05)


def test_what_is_not_worn_or_has_no_place_is_not_valid(folder: Path):
    lines = (folder / "gaze.csv").read_text().split("\n")
    lines[5] = lines[5].replace(",1.0,", ",0.0,")
    fields = lines[6].split(",")
    lines[6] = ",".join([*fields[:3], "", "", *fields[5:]])
    (folder / "gaze.csv").write_text("\n".join(lines))
    samples = pupil_cloud.read(folder).samples
    assert np.flatnonzero(~samples["valid"]).tolist() == [4, 5]
    assert np.isfinite(samples["x_px"].iloc[4]) and np.isnan(samples["x_px"].iloc[5])


def test_pupils_are_joined_by_time(folder: Path):
    ns = pd.read_csv(folder / "gaze.csv")["timestamp [ns]"]
    states = pd.DataFrame(
        {"timestamp [ns]": ns[1:], "pupil diameter left [mm]": 3.0, "pupil diameter right [mm]": 4.0}
    )
    states.iloc[5, 2] = np.nan
    states.to_csv(folder / "3d_eye_states.csv", index=False)
    recording = pupil_cloud.read(folder)
    assert recording.pupil_unit == "mm" and np.isnan(recording.samples["pupil"][[0, 6]]).all()
    assert recording.gaze().pupil[1] == 3.5 and any("1 of 1788" in note for note in recording.notes)


def test_sections_are_blocks_and_recordings_an_error(folder: Path):
    text = (folder / "gaze.csv").read_text()
    head, tail = text[: len(text) // 2], text[len(text) // 2 :]
    (folder / "gaze.csv").write_text(head + tail.replace("section-0", "section-1"))
    assert set(pupil_cloud.read(folder).samples["block"]) == {0, 1}
    (folder / "gaze.csv").write_text(head + tail.replace("d69bb34f", "e69bb34f"))
    with pytest.raises(RecordingError, match="samples of 2 recordings"):
        pupil_cloud.read(folder)


def test_swapped_columns_are_an_error(folder: Path):
    edit(folder / "gaze.csv", "timestamp [ns],gaze x [px]", "gaze x [px],timestamp [ns]")
    with pytest.raises(RecordingError, match="expected a whole number"):
        pupil_cloud.read(folder)
    edit(folder / "gaze.csv", "gaze x [px],timestamp [ns]", "timestamp [ns],gaze x [px]")
    edit(
        folder / "fixations.csv",
        "start timestamp [ns],end timestamp [ns]",
        "end timestamp [ns],start timestamp [ns]",
    )
    with pytest.raises(RecordingError, match="start and end are swapped"):
        pupil_cloud.read(folder)


def test_a_clock_that_jumps_back_is_an_error_or_sorted(folder: Path):
    lines = (folder / "gaze.csv").read_text().split("\n")
    lines[50], lines[60] = lines[60], lines[50]
    (folder / "gaze.csv").write_text("\n".join(lines))
    with pytest.raises(RecordingError, match=r"gaze\.csv: time .* in row 51 does .* clock=\"sort\""):
        pupil_cloud.read(folder)
    assert (np.diff(pupil_cloud.read(folder, clock="sort").samples["t_ms"]) > 0).all()
    lines = (folder / "world_timestamps.csv").read_text().split("\n")
    lines[50], lines[60] = lines[60], lines[50]
    (folder / "world_timestamps.csv").write_text("\n".join(lines))
    with pytest.raises(RecordingError, match=r"world_timestamps\.csv: time .* in row 51"):
        pupil_cloud.read(folder, clock="sort")  # row n is frame n: sorting would part them


@pytest.mark.parametrize("value", ["abc", "", "1.5", "9" * 30, "nan", "inf", "-1", "1e400"])
def test_a_time_that_is_none_is_an_error(folder: Path, value: str):
    lines = (folder / "gaze.csv").read_text().split("\n")
    fields = lines[20].split(",")
    fields[2] = value
    lines[20] = ",".join(fields)
    (folder / "gaze.csv").write_text("\n".join(lines))
    with pytest.raises(RecordingError, match=r"gaze\.csv"):
        pupil_cloud.read(folder)


def test_the_start_of_info_json_is_the_origin(folder: Path):
    (folder / "info.json").write_text(json.dumps({"start_time": 1760676790000000000, "wearer_name": "p1"}))
    recording = pupil_cloud.read(folder)
    assert recording.samples["t_ms"].iloc[0] == 465.965534 and recording.info["wearer_name"] == "p1"


def test_a_video_that_is_none_is_noted(folder: Path):
    (folder / "scene.mp4").write_bytes(b"nothing")
    recording = pupil_cloud.read(folder)
    assert recording.size_px is None and any("scene video cannot be used" in note for note in recording.notes)
    assert pupil_cloud.read(folder, size_px=(1600, 1200)).size_px == (1600, 1200)
