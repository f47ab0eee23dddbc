"""Tables with declared columns: units, origins, separators, and what is asked for but not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazekit.errors import RecordingError
from gazekit.geometry import Screen
from gazekit.recordings.readers.table import matches, read


def write(tmp_path: Path, content: str, name: str = "x.csv") -> Path:
    path = tmp_path / name
    path.write_text(content)
    return path


def test_own_names(tmp_path: Path) -> None:
    path = write(tmp_path, "t_ms,x_px,y_px,pupil,trial\n0,1,2,3.5,a\n4,,2,,b\n8,5,6,1,c\n")
    assert matches(path)
    recording = read(path)
    assert recording.eyes == ("",)
    assert recording.samples["valid"].tolist() == [True, False, True]
    assert recording.samples["trial"].tolist() == ["a", "b", "c"]
    assert recording.gaze().rate_hz == 250
    np.testing.assert_array_equal(recording.gaze().pupil, [3.5, np.nan, 1])


@pytest.mark.parametrize(("unit", "factor"), [("t_s", 1e-3), ("t_ms", 1), ("t_us", 1e3), ("t_ns", 1e6)])
def test_units_of_time(tmp_path: Path, unit: str, factor: float) -> None:
    times = [1700000000000, 1700000000004, 1700000000010]
    words = [f"{t / 1000:.3f}" if unit == "t_s" else str(t * int(factor)) for t in times]
    path = write(tmp_path, "time,gx,gy,t_ms\n" + "".join(f"{t},1,2,z\n" for t in words))
    recording = read(path, columns={unit: "time", "x_px": "GX", "y_px": "gy"})
    origin_ms = recording.origin_ns / 1e6
    np.testing.assert_allclose(
        recording.samples["t_ms"] + origin_ms, [1700000000000, 1700000000004, 1700000000010], atol=1e-3
    )
    if unit == "t_ns":
        assert recording.origin_ns == 1700000000000000000
        assert recording.samples["t_ms"].tolist() == [0, 4, 10]
    if unit != "t_ms":
        assert recording.samples["t_ms (file)"].tolist() == ["z"] * 3


def test_export_with_decimal_commas_and_two_eyes(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "Recording timestamp [ms]\tGaze left X\tGaze left Y\tGaze right X\tGaze right Y\tPupil left\tValidity left\t"
        "Note\n"
        "0,5\t960,5\t540\t961\t541,25\t3,1\tValid\tstart, go\n"
        "17\t\t\t962\t542\t\tInvalid\t\n",
        "export.tsv",
    )
    columns = {
        "t_ms": "Recording timestamp [ms]", "x_px_left": "Gaze left X", "y_px_left": "Gaze left Y",
        "x_px_right": "Gaze right X", "y_px_right": "Gaze right Y", "pupil_left": "Pupil left",
        "valid_left": "Validity left",
    }  # fmt: skip
    recording = read(path, columns=columns, size_px=(1920, 1080))
    assert recording.eyes == ("left", "right") and recording.size_px == (1920, 1080)
    assert recording.samples.iloc[0][["t_ms", "x_px_left", "y_px_right", "pupil_left"]].tolist() == [
        0.5,
        960.5,
        541.25,
        3.1,
    ]
    assert recording.samples["valid_left"].tolist() == [True, False]
    assert recording.samples["valid_right"].tolist() == [True, True]


@pytest.mark.parametrize(
    ("names", "origin", "point", "expected"),
    [
        ("px", "top-left", (10, 20), (10, 20)),
        ("px", "bottom-left", (10, 0), (10, 767)),
        ("px", "bottom-left", (10, 767), (10, 0)),
        ("px", "centre", (0, 0), (511.5, 383.5)),
        ("px", "centre", (-511.5, 383.5), (0, 0)),
        ("norm", "top-left", (0.5, 0.25), (512, 192)),
        ("norm", "bottom-left", (0.5, 0.25), (512, 576)),
    ],
)
def test_origins_and_shares(tmp_path: Path, names: str, origin: str, point, expected) -> None:
    path = write(tmp_path, f"t,a,b\n0,{point[0]},{point[1]}\n")
    columns = {"t_s": "t", f"x_{names}": "a", f"y_{names}": "b"}
    recording = read(path, columns=columns, size_px=(1024, 768), origin=origin)
    assert recording.samples[["x_px", "y_px"]].iloc[0].tolist() == list(expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"x_px": "a", "y_px": "b"}}, "one of t_s, t_ms, t_us, t_ns, got none"),
        ({"columns": {"t_s": "t", "t_ms": "t", "x_px": "a", "y_px": "b"}}, "got t_s, t_ms"),
        ({"columns": {"t_s": "t", "x_px": "a"}}, "x_px and y_px"),
        ({"columns": {"t_s": "t", "x_px": "a", "y_norm": "b"}}, "x_px and y_px, or"),
        ({"columns": {"t_s": "t"}}, "x_px and y_px"),
        ({"columns": {"t_s": "t", "gaze": "a"}}, "unknown column 'gaze'"),
        ({"columns": {"t_s": "t", "x_px": "a", "y_px": "a"}}, "requested as x_px and as y_px"),
        ({"columns": {"t_s": "t", "x_px": "a", "y_px": "b", "pupil_left": "t"}}, "without position columns"),
        ({"columns": {"t_s": "t", "x_norm": "a", "y_norm": "b"}}, "size_px"),
        ({"columns": {"t_s": "t", "x_px": "a", "y_px": "b"}, "origin": "centre"}, "size_px"),
        ({"columns": {"t_s": "t", "x_px": "a", "y_px": "b"}, "origin": "middle"}, "origin must be"),
        ({"columns": {"t_s": "t", "x_px": "a", "y_px": "b"}, "size_px": (0, 5)}, "whole pixels"),
        ({"columns": {"t_s": "t", "x_px": "a", "y_px": "b"}, "size_px": 5}, "whole pixels"),
        ({"columns": 5}, "columns must be a mapping"),
        ({"columns": {"t_s": 5}}, "columns must be a mapping"),
        (
            {"columns": {"t_s": "t", "x_px": "a", "y_px": "b"}, "missing": "NA"},
            "missing must be a list of strings",
        ),
    ],
)
def test_wrong_calls(tmp_path: Path, options: dict, message: str) -> None:
    path = write(tmp_path, "t,a,b\n0,1,2\n")
    with pytest.raises(ValueError, match=message) as caught:
        read(path, **options)
    assert not isinstance(caught.value, RecordingError)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "name the columns"),
        ("t,a\n", "no column 'b', found: t, a"),
        ("t,a,b\n", "no row"),
        ("t,a,b\n1,2,3\n1,2,3\n", r"time 1.0 in row 2 .*clock=.sort"),
        ("t,a,b\n2,2,3\n1,2,3\n", "time 1.0 in row 2"),
        ("t,a,b\n,2,3\n1,2,3\n", "row 1 has no time"),
        ("a,t,b\n2,2,x\n", "column 'b', row 1: expected a number"),
        ("t;a;b\n1;2,5;3.5\n", r"decimal comma \(2,5\) and with a point \(3.5\)"),
    ],
)
def test_broken_tables(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path, content)
    columns = {"t_ms": "t", "x_px": "a", "y_px": "b"} if content else None
    with pytest.raises(RecordingError, match=message):
        read(path, columns=columns)


def test_sorting_and_validity_words(tmp_path: Path) -> None:
    path = write(tmp_path, "t_ms,x_px,y_px,valid\n5,1,2,yes\n1,3,4,no\n5,9,9,1\n")
    recording = read(path, clock="sort")
    assert recording.samples["t_ms"].tolist() == [1, 5]
    assert recording.samples["x_px"].tolist() == [3, 1]
    assert recording.samples["valid"].tolist() == [False, True]
    assert "left out" in recording.notes[0]
    with pytest.raises(RecordingError, match=r"valid, row 1: expected one of 1, .*got 'perhaps'"):
        read(write(tmp_path, "t_ms,x_px,y_px,valid\n5,1,2,perhaps\n"))


def test_nanoseconds_that_int64_cannot_subtract(tmp_path: Path) -> None:
    path = write(tmp_path, f"t_ns,x_px,y_px\n{-(2**63)},1,2\n{2**63 - 1},1,2\n")
    with pytest.raises(RecordingError, match="cannot belong to one recording"):
        read(path, clock="sort")


def test_a_size_as_a_list_is_that_size(tmp_path: Path) -> None:
    recording = read(write(tmp_path, "t_ms,x_px,y_px\n0,1,2\n"), size_px=[100, 50])
    assert recording.with_screen(Screen(100, 50, 40, 60)).size_px == (100, 50)


def test_the_mean_of_eyes_of_which_one_has_a_pupil(tmp_path: Path) -> None:
    head = "t_ms,x_px_left,y_px_left,pupil_left,x_px_right,y_px_right"
    gaze = read(write(tmp_path, f"{head}\n0,1,2,3,5,6\n")).gaze("mean")
    assert gaze.pupil is None and gaze.xy_px.tolist() == [[3, 4]]


def test_glassestools_folder(tmp_path: Path) -> None:
    write(
        tmp_path,
        "timestamp\tframe_idx\tgaze_pos_vid_x\tgaze_pos_vid_y\n0.5\t0\t960.5\t540\n20.5\t0\t\t\n40.5\t1\t1\t2\n",
        "gazeData.tsv",
    )
    write(tmp_path, "frame_idx\ttimestamp\n0\t0\n1\t40\n", "frameTimestamps.tsv")
    assert matches(tmp_path) and matches(tmp_path / "gazeData.tsv")
    recording = read(tmp_path)
    assert recording.tracker == "glassesTools"
    assert recording.frame_t_ms.tolist() == [0, 40]
    assert recording.samples["valid"].tolist() == [True, False, True]
    assert recording.samples["frame_idx"].tolist() == [0, 0, 1]
    (tmp_path / "frameTimestamps.tsv").unlink()
    assert "frames have no times" in read(tmp_path).notes[0]


def test_matches_only_known_headers(tmp_path: Path) -> None:
    assert not matches(tmp_path) and not matches(tmp_path / "absent")
    for content in ("t,a,b\n", "t_ms,x_px\n", "x_px,y_px\n", "", "\0\r\x01,", "t_ms,t_s,x_px,y_px\n"):
        assert not matches(write(tmp_path, content))
    assert matches(write(tmp_path, "t_s;x_norm;y_norm\n"))


value = st.one_of(st.none(), st.integers(-99999, 99999).map(lambda v: v / 100))


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(value, value), min_size=1, max_size=10),
    separator=st.sampled_from("\t;,"), comma=st.booleans(), marker=st.sampled_from(["", "NA", "."]),
    bottom=st.booleans(), encoding=st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]),
)  # fmt: skip
def test_generated_tables(tmp_path: Path, rows, separator, comma, marker, bottom, encoding) -> None:
    def word(number: float | None) -> str:
        shown = marker if number is None else f"{number:.2f}"
        return shown.replace(".", ",") if comma and separator != "," and number is not None else shown

    lines = [separator.join(["Zeit", "größe x", "y"])]
    lines += [separator.join([str(i), word(x), word(y)]) for i, (x, y) in enumerate(rows)]
    path = tmp_path / "g.txt"
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))
    recording = read(
        path, columns={"t_s": "Zeit", "x_px": "Größe_x", "y_px": "y"}, size_px=(100, 50),
        origin="bottom-left" if bottom else "top-left",
    )  # fmt: skip
    expected = np.array([[np.nan if v is None else v for v in row] for row in rows], float)
    if bottom:
        expected[:, 1] = 49 - expected[:, 1]
    np.testing.assert_allclose(recording.samples[["x_px", "y_px"]].to_numpy(float), expected, atol=1e-9)
    assert recording.samples["t_ms"].tolist() == [1000 * i for i in range(len(rows))]
