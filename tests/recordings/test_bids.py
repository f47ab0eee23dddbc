"""BIDS eye tracking: data sets made from real EyeLink samples, with JSON files at several levels."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.errors import RecordingError
from gazekit.geometry import Screen
from gazekit.recordings.readers import eyelink
from gazekit.recordings.readers.bids import matches, read
from gazekit.recordings.recording import Recording

STEM = "sub-01_task-look_recording-eye1"
COMMON = {
    "PhysioType": "eyetrack", "SampleCoordinateSystem": "gaze-on-screen", "SamplingFrequency": 250, "StartTime": 0,
    "Columns": ["timestamp", "x_coordinate", "y_coordinate", "pupil_size"], "Manufacturer": "SR Research",
    "timestamp": {"Units": "ms"}, "x_coordinate": {"Units": "pixel"}, "y_coordinate": {"Units": "pixel"},
    "pupil_size": {"Description": "Pupil area of the eye"},
}  # fmt: skip
SHOWN = {
    "ScreenDistance": 0.6,
    "ScreenSize": [0.4, 0.3],
    "ScreenResolution": [1024, 768],
    "ScreenOrigin": ["top", "left"],
}


def put(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def put_table(path: Path, table: pd.DataFrame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(table.to_csv(sep="\t", header=False, index=False, na_rep="n/a").encode()))
    return path


@pytest.fixture(scope="module")
def source(shared_data: Path) -> Recording:
    return eyelink.read(shared_data / "eyelink_asc" / "cili_bino250.asc")


@pytest.fixture
def file(tmp_path: Path, source: Recording) -> Path:
    """eye1 of a data set with both eyes, their JSON files on three levels, and the device's events."""
    root = tmp_path / "study"
    put(root / "dataset_description.json", {"Name": "x", "BIDSVersion": "1.11.1"})
    put(root / "task-look_physio.json", COMMON)
    put(root / "task-look_events.json", {"StimulusPresentation": SHOWN})
    put(root / "task-look_physioevents.json", {
        "Columns": ["onset", "duration", "trial_type", "blink", "message"], "OnsetSource": "timestamp",
    })  # fmt: skip
    put(root / "task-other_physio.json", {"Columns": ["wrong"]})
    beh = root / "sub-01" / "beh"
    for eye, side, error in (("eye1", "left", 0.3), ("eye2", "right", 0.4)):
        stem = f"sub-01_task-look_recording-{eye}"
        put(
            beh / f"{stem}_physio.json",
            {"RecordedEye": side, "AverageCalibrationError": error, "MaximalCalibrationError": 1},
        )
        names = ["t_ms", f"x_px_{side}", f"y_px_{side}", f"pupil_{side}"]
        put_table(beh / f"{stem}_physio.tsv.gz", source.samples[names])
        events = source.events[source.events["eye"] == side]
        rows = pd.DataFrame({
            "onset": events["onset_ms"], "duration": events["duration_ms"] / 1000, "trial_type": events["kind"],
            "blink": 0, "message": None,
        })  # fmt: skip
        said = pd.DataFrame(
            {"onset": source.messages["t_ms"], "message": source.messages["text"].str.replace('"', "")}
        )
        put_table(beh / f"{stem}_physioevents.tsv.gz", pd.concat([rows, said.iloc[:5]]))
    return beh / f"{STEM}_physio.tsv.gz"


def test_both_eyes(file: Path, source: Recording) -> None:
    assert matches(file)
    recording = read(file)
    assert recording.eyes == ("left", "right") and recording.notes == ()
    names = [
        "t_ms",
        "x_px_left",
        "y_px_left",
        "pupil_left",
        "x_px_right",
        "y_px_right",
        "pupil_right",
        "valid_right",
    ]
    pd.testing.assert_frame_equal(recording.samples[names].astype(float), source.samples[names].astype(float))
    assert recording.screen == Screen(1024, 768, 40.0, 60.0)
    assert (recording.pupil_unit, recording.tracker, recording.size_px) == (
        "area",
        "SR Research",
        (1024, 768),
    )
    assert recording.validation["mean_error_dva"].tolist() == [0.3, 0.4]
    for side in ("left", "right"):
        ours, theirs = recording.fixations(side), source.fixations(side)
        np.testing.assert_allclose(ours[["onset_ms", "duration_ms"]], theirs[["onset_ms", "duration_ms"]])
    assert recording.messages["text"].tolist() == source.messages["text"].tolist()[:5]


def test_one_eye(file: Path, source: Recording) -> None:
    recording = read(file.with_name(file.name.replace("eye1", "eye2")), eyes="this")
    assert recording.eyes == ("right",)
    np.testing.assert_array_equal(recording.samples["x_px_right"], source.samples["x_px_right"])


def test_durations_in_the_unit_of_the_timestamps(file: Path, source: Recording) -> None:
    events = file.with_name(f"{STEM}_physioevents.tsv.gz")
    table = pd.read_csv(events, sep="\t", header=None)
    table[1] *= 1000
    put_table(events, table)
    recording = read(file, eyes="this")
    np.testing.assert_allclose(recording.fixations()["duration_ms"], source.fixations("left")["duration_ms"])
    assert "not in seconds" in recording.notes[0]


@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "s"), (1, "ms"), (1000, "us")])
def test_the_unit_of_time_is_that_of_the_json_or_fits_the_rate(
    file: Path, source: Recording, factor, unit
) -> None:
    table = pd.read_csv(file, sep="\t", header=None, na_values="n/a")
    table[0] *= factor
    put_table(file, table)
    file.with_name(f"{STEM}_physioevents.tsv.gz").unlink()
    about = file.parents[2] / "task-look_physio.json"
    for units in ({"Units": unit}, {}):
        put(about, COMMON | {"timestamp": units})
        recording = read(file, eyes="this")
        np.testing.assert_allclose(recording.samples["t_ms"], source.samples["t_ms"])
        assert bool(recording.notes) == (not units)
    put(about, COMMON | {"timestamp": {}, "SamplingFrequency": 333})
    with pytest.raises(RecordingError, match="none matches SamplingFrequency 333"):
        read(file, eyes="this")


def test_without_timestamps(file: Path, source: Recording) -> None:
    table = pd.read_csv(file, sep="\t", header=None, na_values="n/a")
    put_table(file, table[[1, 2, 3]])
    put(
        file.parents[2] / "task-look_physio.json",
        COMMON | {"Columns": COMMON["Columns"][1:], "StartTime": -1.5},
    )
    recording = read(file, eyes="this")
    assert recording.samples["t_ms"].tolist()[:2] == [-1500, -1496]
    assert "no timestamps" in recording.notes[0]
    put(
        file.parents[2] / "task-look_physio.json",
        COMMON | {"Columns": COMMON["Columns"][1:], "StartTime": float("nan")},
    )
    with pytest.raises(RecordingError, match="no SamplingFrequency and StartTime"):
        read(file, eyes="this")


def test_half_a_character_in_a_name_is_a_name(file: Path) -> None:
    put(file.parents[2] / "task-look_physio.json", COMMON | {"Columns": [*COMMON["Columns"][:3], "\ud800"]})
    assert (
        r"\ud800_left" in read(file, eyes="this").samples
    )  # its escape: tables cannot hold half a character


def test_device_events_without_a_kind_or_a_time(file: Path) -> None:
    events = file.with_name(file.name.replace("_physio.", "_physioevents."))
    put(
        events.with_name(events.name.replace(".tsv.gz", ".json")),
        {"Columns": ["onset", "duration", "message"]},
    )
    put_table(events, pd.DataFrame({"a": [4000], "b": [0], "c": ["go"]}))
    recording = read(file, eyes="this")
    assert len(recording.events) == 0 and recording.messages["text"].tolist() == ["go"]
    put_table(events, pd.DataFrame({"a": ["n/a"], "b": [0], "c": ["go"]}))
    with pytest.raises(RecordingError, match="row 1 has no time"):
        read(file, eyes="this")


def test_screen_statements(file: Path) -> None:
    about = file.parents[2] / "task-look_events.json"

    def changed(**values: object) -> Recording:
        put(about, {"StimulusPresentation": SHOWN | values})
        return read(file, eyes="this")

    assert changed(ScreenDistance=[0, 0.3, 0.4]).screen.distance_cm == pytest.approx(50)
    assert changed(ScreenDistance="n/a").screen is None
    far = changed(ScreenDistance=60)
    assert far.screen is None and far.size_px == (1024, 768) and "metres" in far.notes[0]
    odd = changed(ScreenResolution=[1919, 1079])
    assert odd.size_px == (1920, 1080) and "last pixel" in odd.notes[0]
    y = read(file, eyes="this", origin="top-left").samples["y_px_left"]
    bottom = changed(ScreenOrigin=["bottom", "left"]).samples["y_px_left"]
    np.testing.assert_allclose(bottom, 767 - y)
    with pytest.raises(RecordingError, match="ScreenOrigin is 'center center'; state the origin"):
        changed(ScreenOrigin=["center", "center"])
    assert read(file, eyes="this", origin="centre").samples["x_px_left"][0] > 1000
    with pytest.raises(RecordingError, match=r"ScreenResolution in its events.json is 'big'"):
        changed(ScreenResolution="big")
    about.unlink()
    assert read(file).screen is None
    with pytest.raises(RecordingError, match=r"no events\.json has ScreenResolution"):
        read(file, origin="bottom-left")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Columns": None}, 'no list "Columns"'),
        ({"Columns": ["timestamp", "x_coordinate", "y_coordinate"]}, "4 fields, expected 3"),
        ({"Columns": ["timestamp", "x", "y", "p"]}, "no column 'x_coordinate'"),
        ({"x_coordinate": {"Units": "deg"}}, "x_coordinate is in 'deg'"),
        ({"SampleCoordinateSystem": "eye-in-head"}, "eye-in-head"),
        ({"timestamp": {"Units": "fortnight"}}, "unit 'fortnight' of timestamp"),
        ({"Columns": ["x_coordinate", "timestamp", "y_coordinate", "pupil_size"]}, "row"),
    ],
)
def test_wrong_json(file: Path, change: dict, message: str) -> None:
    put(file.parents[2] / "task-look_physio.json", COMMON | change)
    with pytest.raises(RecordingError, match=message):
        read(file)


def test_broken_files(file: Path, tmp_path: Path) -> None:
    other = file.with_name(file.name.replace("eye1", "eye2"))
    put_table(other, pd.read_csv(other, sep="\t", header=None).iloc[1:])
    with pytest.raises(RecordingError, match=r'differ from.*eyes="this"'):
        read(file)
    put(file.with_name(f"{STEM}_physio.json"), {"RecordedEye": "right"})
    recording = read(file)
    assert recording.eyes == ("right",) and "only the requested file" in recording.notes[0]
    file.with_name(f"{STEM}_physio.json").write_text("{")
    with pytest.raises(RecordingError, match="is it complete"):
        read(file)
    assert not matches(file)
    with pytest.raises(RecordingError, match=r"expected a file \.\.\._physio"):
        read(tmp_path)
    assert not matches(tmp_path) and not matches(tmp_path / "sub-01_physio.tsv.gz")


def test_cut_anywhere(file: Path) -> None:
    content = file.read_bytes()
    whole = read(file, eyes="this")
    for size in [*range(0, len(content), len(content) // 23), len(content) - 1]:
        file.write_bytes(content[:size])
        with pytest.raises(RecordingError, match=r'truncated="keep"'):
            read(file, eyes="this")
        try:
            kept = read(file, eyes="this", truncated="keep")
        except RecordingError as error:
            assert "no samples" in str(error) or size < 200
            continue
        pd.testing.assert_frame_equal(kept.samples, whole.samples[: len(kept.samples)])
        assert any("is cut" in note for note in kept.notes)
