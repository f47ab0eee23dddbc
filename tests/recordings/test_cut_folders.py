"""Every file of every real folder, cut at every k-th byte: one clear error, or what that many bytes really hold."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazekit.errors import RecordingError
from gazekit.recordings.readers import neon_native, pupil_cloud, pupil_player, recognise, tobii_glasses2
from gazekit.recordings.recording import Recording

READERS: dict[str, tuple[Callable[..., Recording], str]] = {
    "native": (neon_native.read, "neon_native_demo/native"),
    "cloud": (pupil_cloud.read, "neon_native_demo/cloud_style"),
    "player": (pupil_player.read, "pupil_player_export/export"),
    "tobii": (tobii_glasses2.read, "tobii_glasses2_demo"),
}
FILES = [
    *(("native", f"{name} ps1{end}") for name in ("blinks", "fixations") for end in (".raw", ".time")),
    *(("native", name) for name in ("gaze_200hz.raw", "gaze_200hz.time", "worn_200hz.raw", "eye_state ps1.raw")),
    *(("native", name) for name in ("event.txt", "event.time", "info.json", "calibration.bin", "gaze.dtype")),
    *(("native", name) for name in ("fixations.dtype", "Neon Scene Camera v1 ps1.time", "worn.dtype")),
    *(("cloud", f"{name}.csv") for name in ("gaze", "fixations", "saccades", "blinks", "events", "world_timestamps")),
    ("cloud", "scene_camera.json"),
    *(("player", name) for name in ("gaze_positions.csv", "fixations.csv", "world_timestamps.csv")),
    *(("tobii", name) for name in ("recording.json", "segments/1/livedata.json.gz", "segments/1/et.tslv.gz")),
]  # fmt: skip
BY_TIME = {"t_ms", "onset_ms", "offset_ms"}


@pytest.fixture(scope="module")
def whole(shared_data: Path) -> dict[str, Recording]:
    return {name: read(shared_data / path) for name, (read, path) in READERS.items()}


@pytest.fixture
def copy(request: pytest.FixtureRequest, shared_data: Path, tmp_path: Path) -> Path:
    """A copy to damage; what is not the file in question is shortened where that saves time."""
    target = tmp_path / "recording"
    source = shared_data / READERS[request.getfixturevalue("name")][1]
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    file = request.node.callspec.params.get("file", "")
    if (gaze := target / "gaze.csv").exists() and file != "gaze.csv":
        gaze.write_text("".join(gaze.read_text().splitlines(keepends=True)[:100]))
    live = target / "segments/1/livedata.json.gz"
    if live.exists() and not file.endswith(live.name):
        lines = gzip.decompress(live.read_bytes()).splitlines(keepends=True)
        live.write_bytes(gzip.compress(b"".join(lines[:1500])))
    return target


def same_start(part: pd.DataFrame, full: pd.DataFrame, shift_ms: float, last_may_differ: bool) -> None:
    """The rows of `part` are the first of `full`; the last one may be cut within its value if that is noted."""
    count = len(part) - last_may_differ
    assert len(part) <= len(full)
    for column in set(part) & set(full) - {"frame", "first_frame", "last_frame"}:
        a, b = part[column][: max(count, 0)], full[column][: max(count, 0)]
        if column in BY_TIME:
            np.testing.assert_allclose(
                a.astype(float) + shift_ms, b.astype(float), rtol=0, atol=2e-6, err_msg=column
            )
        elif a.notna().any():  # a file that is cut to its header leaves its columns without a value
            assert a.tolist() == b.tolist() or np.allclose(
                a.astype(float), b.astype(float), equal_nan=True
            ), column


def check(part: Recording, full: Recording) -> None:
    noted = any("newline" in note for note in part.notes)
    shift = (part.origin_ns - full.origin_ns) / 1e6
    same_start(part.samples, full.samples, shift, noted)
    for kind in set(full.events["kind"]):
        tables = [r.events[r.events["kind"] == kind].reset_index(drop=True) for r in (part, full)]
        same_start(*tables, shift, noted)
    same_start(part.messages, full.messages, shift, noted)
    if part.frame_t_ms is not None:
        frames = part.frame_t_ms[: len(part.frame_t_ms) - noted]
        np.testing.assert_allclose(frames + shift, full.frame_t_ms[: len(frames)], rtol=0, atol=2e-6)


@pytest.mark.parametrize(("name", "file"), FILES)
def test_cut_at_any_byte(name: str, file: str, copy: Path, whole: dict[str, Recording]):
    read = READERS[name][0]
    content = (copy / file).read_bytes()
    sizes = np.unique(np.linspace(0, len(content) - 1, 3 if name == "tobii" else 6).astype(int))
    near_end = len(content) - np.array([2] if name == "tobii" else [2, 8])
    for size in {*sizes.tolist(), *near_end[near_end >= 0].tolist()}:
        (copy / file).write_bytes(content[:size])
        try:
            part = read(copy)
        except (RecordingError, FileNotFoundError) as error:
            assert Path(file).stem.split(" ps")[0] in str(error) or "start and end" in str(error), str(error)
            continue
        check(part, whole[name])


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("native", "gaze_200hz.raw"), ("native", "gaze_200hz.time"), ("native", "worn_200hz.raw"),
        ("native", "fixations ps1.raw"), ("cloud", "gaze.csv"), ("cloud", "fixations.csv"),
        ("player", "gaze_positions.csv"), ("tobii", "segments/1/livedata.json.gz"),
    ],
)  # fmt: skip
def test_a_cut_file_is_read_as_far_as_it_goes_on_request(
    name: str, file: str, copy: Path, whole: dict[str, Recording]
):
    read = READERS[name][0]
    content = (copy / file).read_bytes()
    (copy / file).write_bytes(content[: len(content) * 2 // 3 + 5])
    with pytest.raises(RecordingError, match='truncated="keep"'):
        read(copy)
    part = read(copy, truncated="keep")
    check(part, whole[name])
    assert len(part.samples) < len(whole[name].samples) or len(part.events) < len(whole[name].events)
    assert any("cut" in note or "left out" in note or "newline" in note for note in part.notes)


@pytest.mark.parametrize(("name", "file"), [f for f in FILES if f[0] != "tobii"])
def test_other_bytes_are_an_error_or_read(name: str, file: str, copy: Path):
    read = READERS[name][0]
    for content in (b"\0" * 803, "ü;1;2\n".encode("latin-1") * 9, b"[" * 9999):
        (copy / file).write_bytes(content)
        try:
            read(copy)
        except (RecordingError, FileNotFoundError) as error:
            assert str(error)


@pytest.mark.parametrize("name", ["native", "cloud", "player"])
@given(data=st.data())
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_are_an_error_or_read(name: str, copy: Path, data: st.DataObject):
    file = copy / data.draw(st.sampled_from([f for n, f in FILES if n == name]))
    content = file.read_bytes()
    at = data.draw(st.integers(0, len(content) - 1))
    file.write_bytes(content[:at] + data.draw(st.binary(min_size=1, max_size=9)) + content[at + 1 :])
    try:
        READERS[name][0](copy)
    except (RecordingError, FileNotFoundError) as error:
        assert str(error)
    finally:
        file.write_bytes(content)


def test_nothing_is_recognised_by_accident(tmp_path: Path):
    (tmp_path / "gaze.csv").write_bytes(b"\xff\x00" * 10)
    (tmp_path / "gaze_positions.csv").write_text("a,b\n1,2\n")
    (tmp_path / "recording.g3").mkdir()
    (tmp_path / "recording.json").write_text(json.dumps({}))
    for reader in (neon_native, pupil_cloud, pupil_player, tobii_glasses2):
        for path in (tmp_path, tmp_path / "gaze.csv", tmp_path / "none", tmp_path / ("x" * 300)):
            assert not reader.matches(path)


@pytest.mark.parametrize(
    ("name", "known"), [("native", "neon_native"), ("cloud", "pupil_cloud"), ("player", "pupil_player")]
)
def test_folders_are_recognised(name: str, known: str, shared_data: Path):
    assert recognise(shared_data / READERS[name][1]) == known
