"""Tobii Glasses 2 (a real recording) and 3 (a folder made here by the documented layout: no real one was at hand)."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gazekit.errors import RecordingError
from gazekit.recordings.readers import recognise, tobii_glasses2, tobii_glasses3
from gazekit.recordings.recording import Recording
from gazekit.recordings.video import SceneVideo

LIVE = "segments/1/livedata.json.gz"


@pytest.fixture(scope="module")
def real(shared_data: Path) -> Path:
    return shared_data / "tobii_glasses2_demo"


@pytest.fixture(scope="module")
def rows(real: Path) -> list[dict[str, Any]]:
    with gzip.open(real / LIVE, "rt") as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope="module")
def recording(real: Path) -> Recording:
    return tobii_glasses2.read(real)


@pytest.fixture(scope="module")
def few(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first rows, enough for what is in a row."""
    return rows[:1000]


@pytest.fixture
def folder(real: Path, tmp_path: Path) -> Path:
    for name in ("recording.json", LIVE, "segments/1/et.tslv.gz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real / name, tmp_path / name)
    return tmp_path


def write(file: Path, rows: list[dict[str, Any]]) -> None:
    with gzip.open(file, "wt", compresslevel=1) as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def test_the_real_recording_has_the_numbers_of_its_readme(real: Path):
    assert recognise(real) == "tobii_glasses2"
    recording = Recording.open(real)
    assert len(recording.samples) == 1424 and recording.samples["valid"].sum() == 1331
    assert recording.size_px == (1920, 1080) and recording.notes == ()  # its recording.json counts the same
    t = recording.samples["t_ms"].to_numpy()
    assert 1000 * (len(t) - 1) / (t[-1] - t[0]) == pytest.approx(49.58, abs=0.05)
    counts = {"gp": 1424, "gp3": 1424, "pd": 2848, "ac": 2966, "vts": 44, "pts": 45, "sig": 33}
    assert counts.items() <= recording.info["rows"].items()


def test_rows_that_stay_unread_take_no_memory(rows: list[dict[str, Any]]):
    kinds, counts = tobii_glasses2._kinds(iter(rows))
    assert sum(counts.values()) == len(rows) > sum(map(len, kinds.values()))
    assert counts["ac"] > 0 and "ac" not in kinds


def test_times_are_those_of_the_video(recording: Recording, rows: list[dict[str, Any]]):
    first = next(row for row in rows if "gp" in row)
    assert recording.origin_ns == 485478112000  # ts at which vts is 0, in microseconds
    assert recording.samples["t_ms"].iloc[0] == (first["ts"] - 485478112) / 1000
    clock = recording.info["clocks"]["vts"]
    np.testing.assert_allclose(clock["t_ms"], clock["vts"] / 1000, rtol=0, atol=0.01)  # no drift in this one
    ticks = recording.info["clocks"]["pts"]
    assert np.polyfit(ticks["t_ms"], ticks["pts"], 1)[0] == pytest.approx(90, rel=1e-3)  # 90 kHz


def test_gaze_and_pupils_are_those_of_the_rows(recording: Recording, rows: list[dict[str, Any]]):
    samples = recording.samples
    gaze = {row["gidx"]: row for row in rows if "gp" in row}
    for index in (0, 5, 20, 700, 1423):
        row, sample = gaze[samples["gidx"][index]], samples.iloc[index]
        assert (sample["x_px"], sample["y_px"]) == (row["gp"][0] * 1920, row["gp"][1] * 1080)
        assert sample["valid"] == (row["s"] == 0)
        for eye in ("left", "right"):
            pupil = next(r for r in rows if "pd" in r and r["gidx"] == row["gidx"] and r["eye"] == eye)
            expected = pupil["pd"] if pupil["s"] == 0 else np.nan
            np.testing.assert_equal(sample[f"pupil_{eye}"], expected)
    both = samples[["pupil_left", "pupil_right"]].notna().all(axis=1)
    assert samples["pupil"].notna().equals(both) and (samples["pupil"][both] > 1).all()


def test_sync_port_changes_are_messages(recording: Recording):
    messages = recording.messages
    assert len(messages) == 33 and set(messages["type"]) == {"sync port"}
    assert messages["text"].tolist()[:2] == ["out 1", "out 0"]
    assert messages["t_ms"].iloc[0] == pytest.approx(75.568, abs=1e-9)
    assert messages["text"].str.startswith("in").sum() == 22


def test_the_camera_projects_gaze_in_space_onto_gaze_in_the_picture(real: Path, recording: Recording):
    """`gp3` is turned by the camera's pose, which is written before its focal length, and projected: `gp` comes out."""
    content = gzip.decompress((real / "segments/1/et.tslv.gz").read_bytes())
    at = content.index(b"\x2c\x01\0\0")  # record type 300
    turn = np.frombuffer(content, "<f4", 9, at + 8 + 16).reshape(3, 3).astype(float)
    valid = recording.samples[recording.samples["valid"]].dropna(subset=["gp3_z_mm"])
    seen = valid[["gp3_x_mm", "gp3_y_mm", "gp3_z_mm"]].to_numpy() @ turn.T
    pixels = recording.camera.pixels(seen[:, :2] / seen[:, 2:])
    assert len(valid) == 1331
    # gp has four decimals: 0.1 px in x, 0.05 px in y
    assert np.abs(pixels - valid[["x_px", "y_px"]]).to_numpy().max() < 0.15


def test_the_size_may_be_given_or_come_from_the_video(folder: Path, shared_data: Path):
    (folder / "segments/1/et.tslv.gz").unlink()
    with pytest.raises(RecordingError, match=r"size_px=\(width, height\)"):
        tobii_glasses2.read(folder)
    assert tobii_glasses2.read(folder, size_px=(960, 540)).samples["x_px"].iloc[0] == 0.5234 * 960
    video = next((shared_data / "annotation_toy/neon_export/toy-0001").glob("*.mp4"))
    shutil.copyfile(video, folder / "segments/1/fullstream.mp4")
    recording = tobii_glasses2.read(folder)
    assert recording.size_px == (320, 240) and recording.camera is None
    with SceneVideo(recording.video, recording.frame_t_ms) as scene:
        assert len(scene) == 150


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: b"PK" + c[10:], "expected a file that starts with 'TSLV1'"),
        (lambda c: b"", "expected a file that starts with 'TSLV1'"),
        (lambda c: c.replace(b"\x80\x07\x38\x04", bytes(4), 1), "invalid scene picture size 0 x 0 px"),
        (
            lambda c: c.replace(np.float32(1136.65).tobytes(), np.float32(np.nan).tobytes(), 1),
            "no usable camera",
        ),
    ],
)
def test_a_wrong_start_of_the_tslv_file_is_an_error(
    folder: Path, change: Callable[[bytes], bytes], text: str
):
    file = folder / "segments/1/et.tslv.gz"
    file.write_bytes(gzip.compress(change(gzip.decompress(file.read_bytes())[:1000])))
    with pytest.raises(RecordingError, match=text):
        tobii_glasses2.read(folder)


def test_a_tslv_file_without_a_camera_is_noted(folder: Path):
    file = folder / "segments/1/et.tslv.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:120]))
    recording = tobii_glasses2.read(folder)
    assert recording.camera is None and recording.size_px == (1920, 1080)
    assert "starts without the calibration" in recording.notes[0]


def test_without_the_video_clock_the_first_sample_is_zero(folder: Path, rows: list[dict[str, Any]]):
    write(folder / LIVE, [row for row in rows if "vts" not in row])
    recording = tobii_glasses2.read(folder)
    assert recording.samples["t_ms"].iloc[0] == 0 and "video's clock" in recording.notes[0]


def test_clocks_that_drift_are_told(folder: Path, rows: list[dict[str, Any]]):
    write(folder / LIVE, [{**r, "vts": int(r["vts"] * 1.002)} if "vts" in r else r for r in rows])
    assert any("drift by 55.0 ms" in note for note in tobii_glasses2.read(folder).notes)


def test_rows_of_another_kind_are_messages(folder: Path, rows: list[dict[str, Any]]):
    write(folder / LIVE, [*rows, {"ts": 490000000, "s": 0, "ets": 12, "type": "mark", "tag": "go"}])
    message = tobii_glasses2.read(folder).messages.query("type == 'other'").iloc[0]
    assert json.loads(message["text"]) == {"ets": 12, "type": "mark", "tag": "go"}
    assert message["t_ms"] == (490000000 - 485478112) / 1000


def test_lost_rows_are_told_by_the_counts_of_recording_json(folder: Path, rows: list[dict[str, Any]]):
    write(folder / LIVE, rows[:10000])
    recording = tobii_glasses2.read(folder)
    assert "states 1424 gaze samples, 1331 valid" in recording.notes[0]


def test_one_of_several_segments_must_be_chosen(folder: Path):
    shutil.copytree(folder / "segments/1", folder / "segments/2")
    with pytest.raises(RecordingError, match=r"segments 1, 2; choose one with segment="):
        tobii_glasses2.read(folder)
    assert len(tobii_glasses2.read(folder, segment=2).samples) == 1424
    with pytest.raises(RecordingError, match="segments 1, 2"):
        tobii_glasses2.read(folder, segment=3)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"gp": [0.5]}, "expected 2 numbers"),
        ({"gp": ["0.5", "0.5"]}, "expected 2 numbers"),
        ({"gp": 0.5}, "expected 2 numbers"),
        ({"gp": {"u": 1}}, "expected 2 numbers"),
        ({"ts": 1.5}, "expected a whole number"),
        ({"ts": "12"}, "expected a whole number"),
        ({"ts": 10**40}, "too large"),
        ({"ts": 10**17}, "too large"),
        ({"ts": True}, "expected a whole number"),
        ({"gidx": 2766}, "same gidx"),
        ({"s": None}, "expected a whole number"),
        ({"ts": 484698548}, "does not follow"),
    ],
)
def test_a_wrong_row_is_an_error(folder: Path, few: list[dict[str, Any]], change: dict[str, Any], text: str):
    at = next(i for i, row in enumerate(few) if "gp" in row and row["gidx"] == 2770)
    write(folder / LIVE, [*few[:at], {**few[at], **change}, *few[at + 1 :]])
    with pytest.raises(RecordingError, match=text):
        tobii_glasses2.read(folder)


@pytest.mark.parametrize("key", ["ts", "s", "gidx"])
def test_a_row_without_a_key_is_an_error(folder: Path, few: list[dict[str, Any]], key: str):
    write(folder / LIVE, [{k: v for k, v in r.items() if k != key} if "gp" in r else r for r in few])
    with pytest.raises(RecordingError, match=f"a row without '{key}'"):
        tobii_glasses2.read(folder)


# Glasses 3

CAMERA = {
    "position": [0, 0, 0], "rotation": [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "focal-length": [910.5, 911.0],
    "principal-point": [951.1, 538.2], "skew": 0.5, "radial-distortion": [-0.05, 0.06, -0.04],
    "tangential-distortion": [0.001, -0.002], "resolution": [1920, 1080],
}  # fmt: skip


@pytest.fixture
def glasses3(tmp_path: Path) -> Path:
    info = {"name": "r", "created": "2024-05-06T07:08:09.123456Z", "duration": 2.0}
    info["scenecamera"] = {"camera-calibration": CAMERA}
    (tmp_path / "recording.g3").write_text(json.dumps(info))
    rows: list[dict[str, Any]] = []
    for i in range(100):
        eye = {"gazeorigin": [30, 0, 0], "gazedirection": [0, 0, 1], "pupildiameter": 3 + 0.01 * i}
        data: dict[str, Any] = {
            "gaze2d": [0.25, i / 100],
            "gaze3d": [1, 2, 500 + i],
            "eyeleft": eye,
            "eyeright": eye,
        }
        if i == 10:
            data = {}
        if i == 20:
            data["eyeright"] = {}
        rows.append({"type": "gaze", "timestamp": 0.02 * i + 0.0073, "data": data})
    write(tmp_path / "gazedata.gz", rows)
    write(
        tmp_path / "eventdata.gz", [{"type": "event", "timestamp": 0.5, "data": {"tag": "go", "object": {}}}]
    )
    return tmp_path


def test_glasses3_by_its_documented_layout(glasses3: Path):
    assert recognise(glasses3) == "tobii_glasses3"
    recording = Recording.open(glasses3)
    samples = recording.samples
    np.testing.assert_allclose(samples["t_ms"], 20 * np.arange(100) + 7.3, atol=1e-9)
    assert np.flatnonzero(~samples["valid"]).tolist() == [10] and np.isnan(samples["x_px"][10])
    assert (samples["x_px"][0], samples["y_px"][50]) == (480, 540)  # from the top left
    assert np.isnan(samples["pupil"][[10, 20]]).all() and samples["pupil_left"][20] == 3.2
    assert samples["pupil"][30] == pytest.approx(3.3) and samples["gaze3d_z_mm"][5] == 505
    assert recording.camera.matrix.tolist() == [[910.5, 0.5, 951.1], [0, 911, 538.2], [0, 0, 1]]
    assert recording.camera.distortion.tolist() == [-0.05, 0.06, 0.001, -0.002, -0.04]  # OpenCV's order
    assert recording.size_px == (1920, 1080)
    assert pd.Timestamp(recording.origin_ns).isoformat() == "2024-05-06T07:08:09.123456"
    assert json.loads(recording.messages["text"][0])["tag"] == "go" and recording.messages["t_ms"][0] == 500


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"type": "gaze", "timestamp": 3.0}, "expected timestamp and data"),
        ({"type": "gaze", "timestamp": float("nan"), "data": {}}, "expected timestamp and data"),
        ({"type": "gaze", "timestamp": 1e308, "data": {}}, "expected timestamp and data"),
        ({"type": "gaze", "timestamp": "3", "data": {}}, "expected timestamp and data"),
        ({"type": "gaze", "timestamp": 3.0, "data": {"gaze2d": [1]}}, "expected 2 numbers"),
        ({"type": "gaze", "timestamp": 3.0, "data": {"eyeleft": 3}}, "not an object"),
        ({"type": "gaze", "timestamp": 0.01, "data": {}}, "does not follow"),
    ],
)
def test_glasses3_wrong_rows_are_an_error(glasses3: Path, row: dict[str, Any], text: str):
    with gzip.open(glasses3 / "gazedata.gz", "at") as file:
        file.write(json.dumps(row) + "\n")
    with pytest.raises(RecordingError, match=text):
        tobii_glasses3.read(glasses3)


@pytest.mark.parametrize(
    "change",
    [
        {"resolution": [1920.5, 1080]},
        {"resolution": [0, 1080]},
        {"focal-length": 3},
        {"radial-distortion": [1]},
        {"skew": "x"},
    ],
)
def test_glasses3_wrong_cameras_are_an_error(glasses3: Path, change: dict[str, Any]):
    info = json.loads((glasses3 / "recording.g3").read_text())
    info["scenecamera"]["camera-calibration"].update(change)
    (glasses3 / "recording.g3").write_text(json.dumps(info))
    with pytest.raises(RecordingError, match=r"recording\.g3"):
        tobii_glasses3.read(glasses3)


def test_glasses3_without_a_camera_or_a_date(glasses3: Path):
    (glasses3 / "recording.g3").write_text("{}")
    with pytest.raises(RecordingError, match="size"):
        tobii_glasses3.read(glasses3)
    recording = tobii_glasses3.read(glasses3, size_px=(960, 540))
    assert recording.camera is None and recording.origin_ns == 0 and recording.samples["x_px"][0] == 240
    (glasses3 / "recording.g3").write_text('{"created": "yesterday"}')
    with pytest.raises(RecordingError, match="ISO time"):
        tobii_glasses3.read(glasses3, size_px=(960, 540))
