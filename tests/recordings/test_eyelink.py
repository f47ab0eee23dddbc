"""EyeLink text: all sample files against their documented numbers and mne, cut and broken files, generated ones."""

from __future__ import annotations

import re
import time
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gazekit.errors import RecordingError
from gazekit.recordings.readers.eyelink import matches, read
from gazekit.recordings.recording import Recording

# Rate, eyes, seconds, fixations, saccades, blinks: the README of the sample files.
DOCUMENTED = {
    "cili_mono250": (250, 1, 10.2, 9, 5, 0),
    "cili_mono500": (500, 1, 8.7, 12, 8, 0),
    "cili_mono1000": (1000, 1, 9.6, 10, 6, 0),
    "cili_mono2000": (2000, 1, 10.3, 13, 9, 0),
    "cili_bino250": (250, 2, 10.9, 18, 10, 0),
    "cili_bino500": (500, 2, 10.4, 19, 11, 0),
    "cili_bino1000": (1000, 2, 9.1, 24, 16, 0),
    "cili_monoRemote250": (250, 1, 25.0, 4, 0, 0),
    "pymovements_eyelink_binocular_example": (1000, 2, 0.37, 4, 2, 2),
    "pymovements_eyelink_monocular_example": (1000, 1, None, 2, 1, 0),
    "pymovements_eyelink_monocular_2khz_example": (2000, 1, None, 2, 1, 0),
}
UNFINISHED = {
    "pymovements_raccoons": (433, 1, 1, 1),
    "pymovements_eyelink_monocular_no_dummy_example": (297, 2, 2, 2),
}


def load(shared_data: Path, name: str, **options) -> Recording:
    return read(shared_data / "eyelink_asc" / f"{name}.asc", **options)


def counts(recording: Recording) -> list[int]:
    return [int((recording.events["kind"] == kind).sum()) for kind in ("fixation", "saccade", "blink")]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_numbers(shared_data: Path, name: str) -> None:
    rate, eyes, seconds, *events = DOCUMENTED[name]
    recording = load(shared_data, name)
    assert len(recording.eyes) == eyes
    assert counts(recording) == events
    assert {block["rate_hz"] for block in recording.info["blocks"]} == {rate}
    if seconds is not None:  # two of the files were shortened by hand and jump in time
        assert recording.duration_ms / 1000 == pytest.approx(seconds, abs=0.051)
        assert recording.gaze().rate_hz == rate


@cache
def mne_frames(path: Path) -> tuple[dict, float]:
    import mne

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = mne.io.read_raw_eyelink(path, find_overlaps=False, verbose="error")
    return raw._raw_extras[0]["dfs"], raw._raw_extras[0]["first_timestamp"]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_samples_and_events_are_those_of_mne(shared_data: Path, name: str) -> None:
    recording = load(shared_data, name)
    frames, start = mne_frames(shared_data / "eyelink_asc" / f"{name}.asc")
    theirs = frames["samples"].dropna(subset=["block"]) if "block" in frames["samples"] else frames["samples"]
    ours = recording.samples
    if (
        name == "cili_mono2000"
    ):  # whole ms, each twice: mne keeps the second of each pair (half of the samples)
        theirs = theirs.dropna().assign(time=lambda frame: frame["time"] + 0.0005)
        ours = ours[ours["t_ms"] % 1 == 0.5]
    if len(recording.info["blocks"]) > 1:  # mne fills the gaps between blocks with rows of NaN
        theirs = theirs[np.isin(np.round(theirs["time"] * 1000 + start, 1), ours["t_ms"])]
    assert len(ours) == len(theirs)
    if not name.endswith(("monocular_example", "2khz_example")):
        np.testing.assert_allclose(ours["t_ms"], theirs["time"] * 1000 + start, atol=1e-6)
    for eye in recording.eyes:
        np.testing.assert_array_equal(ours[f"x_px_{eye}"], theirs[f"xpos_{eye}"])
        np.testing.assert_array_equal(ours[f"y_px_{eye}"], theirs[f"ypos_{eye}"])
        np.testing.assert_array_equal(ours[f"pupil_{eye}"].fillna(0), theirs[f"pupil_{eye}"].fillna(0))
    fixations = recording.fixations().sort_values(["eye", "onset_ms"])
    frame = frames["fixations"].sort_values(["eye", "time"])
    inside = frame["time"].to_numpy() * 1000 + start
    np.testing.assert_allclose(fixations["onset_ms"], inside, atol=1e-6)
    np.testing.assert_array_equal(fixations["x_px"], frame["fix_avg_x"])
    np.testing.assert_array_equal(fixations["pupil"], frame["fix_avg_pupil_size"])
    if "saccades" in frames and len(frames["saccades"]):
        frame = frames["saccades"].sort_values(["eye", "time"])
        saccades = recording.events[recording.events["kind"] == "saccade"].sort_values(["eye", "onset_ms"])
        for name_, theirs_ in (
            ("x_px", "sacc_start_x"),
            ("y_end_px", "sacc_end_y"),
            ("amplitude_dva", "sacc_visual_angle"),
        ):
            np.testing.assert_array_equal(saccades[name_], frame[theirs_].astype(float))


@pytest.mark.parametrize("name", [*DOCUMENTED, *UNFINISHED, "cili_binoRemote250"])
def test_samples_are_the_lines_of_the_file(shared_data: Path, name: str) -> None:
    recording = load(shared_data, name, truncated="keep")
    words = [line.split() for line in recording.path.read_text().splitlines() if line[:1].isdigit()]
    names = ["t_ms", *(f"{part}_{eye}" for eye in recording.eyes for part in ("x_px", "y_px", "pupil"))]
    expected = np.array([[np.nan if w == "." else float(w) for w in row[: len(names)]] for row in words])
    if name == "cili_mono2000":
        expected[1::2, 0] += 0.5
    np.testing.assert_array_equal(recording.samples[names].fillna(0), np.nan_to_num(expected))


def test_binocular_remote_which_mne_cannot_read(shared_data: Path) -> None:
    recording = load(shared_data, "cili_binoRemote250")
    assert (len(recording.samples), recording.eyes, counts(recording)) == (5125, ("left", "right"), [8, 0, 0])
    first = recording.samples.iloc[0]
    assert first[["x_px_left", "y_px_left", "pupil_left", "x_px_right", "y_px_right", "pupil_right"]].tolist() == [
        507.2, 377.1, 278.0, 506.6, 402.1, 241.0,
    ]  # fmt: skip
    assert "head target" in recording.notes[0]


def test_remote_head_target(shared_data: Path) -> None:
    row = load(shared_data, "cili_monoRemote250").samples.iloc[0]
    assert row[["target_x", "target_y", "target_distance_mm"]].tolist() == [4717.0, 2908.0, 611.2]
    assert (row["flags"], row["flags_target"]) == ("...", ".............")


@pytest.mark.parametrize("name", UNFINISHED)
def test_blocks_without_end(shared_data: Path, name: str) -> None:
    with pytest.raises(RecordingError, match=r'starts in line \d+ has no END line.*truncated="keep"'):
        load(shared_data, name)
    recording = load(shared_data, name, truncated="keep")
    assert (len(recording.samples), *counts(recording)) == UNFINISHED[name]
    assert "no END" in recording.notes[0]


def test_what_a_file_says(shared_data: Path) -> None:
    recording = load(shared_data, "pymovements_raccoons", truncated="keep")
    assert recording.size_px == (1920, 1080)
    assert recording.pupil_unit == "area"
    row = recording.validation.iloc[0]
    assert (row["t_ms"], row["eye"], row["mean_error_dva"], row["max_error_dva"]) == (
        144864,
        "left",
        0.28,
        0.72,
    )
    assert (row["offset_dva"], row["offset_x_px"], row["offset_y_px"], row["result"]) == (
        0.19,
        3.0,
        11.6,
        "GOOD",
    )
    saccade = recording.events[recording.events["kind"] == "saccade"].iloc[0]
    assert saccade[["onset_ms", "offset_ms", "duration_ms", "x_end_px", "amplitude_dva"]].tolist() == [
        148208, 148378, 171, 160.8, 17.38,
    ]  # fmt: skip
    assert saccade["peak_velocity_dva_s"] == 461
    inputs = recording.events[recording.events["kind"] == "input"]
    assert inputs["onset_ms"].iloc[0] == 120868 and inputs["value"].iloc[0] == 127
    message = recording.messages[recording.messages["text"] == "0 is_practice_block"].iloc[0]
    assert (message["t_ms"], message["offset_ms"]) == (3977269 - 50, 0)


def test_binocular_validation_and_invalid_samples(shared_data: Path) -> None:
    recording = load(shared_data, "pymovements_eyelink_binocular_example")
    assert recording.validation["eye"].tolist() == ["left", "right"]
    assert recording.size_px == (1920, 1080)  # stated as 0 0 1920 1080
    assert any("1920 x 1080" in note for note in recording.notes)
    text = (recording.path).read_text()
    assert int((~recording.samples["valid_left"]).sum()) == len(
        re.findall(r"^\d+\t +\.\t +\.\t", text, re.MULTILINE)
    )
    assert recording.samples.loc[~recording.samples["valid_left"], "pupil_left"].isna().all()


def test_messages_in_other_encodings_and_with_a_space(shared_data: Path, tmp_path: Path) -> None:
    name = "pymovements_eyelink_monocular_no_dummy_example"
    recording = load(shared_data, name, truncated="keep")
    assert "ENCODING TEST ÄÖÜ" in recording.messages["text"].tolist()  # "MSG 229999 ...", a space, not a tab
    copy = tmp_path / "latin.asc"
    copy.write_bytes(recording.path.read_bytes().decode().encode("latin-1"))
    other = read(copy, truncated="keep")
    assert other.messages["text"].tolist() == recording.messages["text"].tolist()
    assert any("Latin-1" in note for note in other.notes)


def text(samples: str, spec: str = "GAZE LEFT RATE 1000.00 TRACKING CR", rest: str = "") -> str:
    head = f"** CONVERTED FROM x\nSTART\t1 \tLEFT\nPRESCALER\t1\nPUPIL\tDIAMETER\nSAMPLES\t{spec}\n"
    return f"{head}{samples}{rest}END\t9\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no samples"),
        ("SR_RESEARCH\0\0", "edf2asc"),
        ("MSG\t1 a\0b\n", "line 1: found a zero byte"),
        (text(""), "no samples in 1"),
        (text("1 2 3 4 ...\n", "HREF LEFT"), "line 2: samples are HREF"),
        (text("1 2 3 4 ...\n", "PUPIL LEFT"), "line 2: samples are PUPIL"),
        (text("1 2 3 4 ...\n", "GAZE"), "neither LEFT nor RIGHT"),
        (text("1 2 3 4 ...\n1 2 3 4 ...\n"), r"line 7: the time 1.0 ms follows 1.0 ms in line 6"),
        (text("2 2 3 4 ...\n1 2 3 4 ...\n"), "times must increase"),
        (text("1 2 3 4 ...\n2 2 3 ...\n"), "line 7: 4 fields, expected 5"),
        (text("1 2 3 4 ...\n2 2 3 4 4 ...\n"), "line 7: 6 fields, expected 5"),
        (text("1 2 3 4 ...\n2 2 x 4 ...\n"), "line 7: cannot read 'x' as y_px_left"),
        (text("1 2 3 4 ...\n2 2 inf 4 ...\n"), "line 7: cannot read 'inf' as y_px_left"),
        (text("1 2 3 4 ...\n2 2 3 4 5\n"), "line 7: cannot read '5' as flags"),
        (text("1 2 3 4\n2 2 3 4_0\n"), "line 7: cannot read '4_0' as pupil_left"),
        (text("1 2 3 4\n2 2 3\n"), "line 7: 3 fields, expected 4"),
        (text("1 2 3 4 5 6 ...\n"), "line 6: 7 fields, expected t_ms, x_px_left"),
        (text("... 1 2 3 4\n"), "no samples"),
        (text("1 2 3 4 ...\n", rest="EFIX L 1 2\n"), "line 7: expected 6 numbers"),
        (text("1 2 3 4 ...\n", rest="EFIX X 1 2 3 4 5 6\n"), "line 7: expected eye L or R"),
        (
            text("1 2 3 4 ...\n", rest="EBLINK L 12345675 12345672 3\n"),
            "line 7: a blink from 12345675 to 12345672 ms",
        ),
        (text("1 2 3 4 ...\n", rest="MSG\n"), "line 7: expected MSG, a time"),
        (text("1 2 3 4 ...\n", rest="INPUT 5\n"), "line 7: expected 2 numbers"),
        (text("1 2 3 4 ...\n", rest="BUTTON nan 1 1\n"), "line 7: a time is missing"),
        (text("1 2 3 4 ...\n", rest="PRESCALER 10\n"), "expected PRESCALER 1"),
        (text("1 2 3 4 ...\n", rest="VPRESCALER 10\n"), "expected VPRESCALER 1"),
        ("END\t1\n" + text("1 2 3 4 ...\n"), "END without a preceding START"),
        ("START\tx\nEND\t1\n", "START and a time"),
        ("MSG 1 DISPLAY_COORDS 10 0 0 5\n" + text("1 2 3 4 ...\n"), "do not span a screen"),
    ],
)
def test_broken_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "x.asc"
    path.write_text(content)
    with pytest.raises(RecordingError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


def test_indented_samples_are_not_lost_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "x.asc"
    path.write_text(text("1 2 3 4 ...\n 2 2 3 4 ...\n"))
    assert read(path).notes == ("1 lines of unknown kind, first line 7; they are in info",)


def test_absent_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "x.asc")
    with pytest.raises(RecordingError):
        read(tmp_path)
    assert not matches(tmp_path) and not matches(tmp_path / "x.asc")


def test_matches(shared_data: Path, tmp_path: Path) -> None:
    assert all(matches(path) for path in (shared_data / "eyelink_asc").glob("*.asc"))
    assert not any(
        matches(path) for path in (shared_data / "pupil_player_export").rglob("*") if path.is_file()
    )
    (tmp_path / "grid.asc").write_text("ncols 4\nnrows 5\n")
    assert not matches(tmp_path / "grid.asc")


def test_columns_by_the_samples_line(tmp_path: Path) -> None:
    path = tmp_path / "x.asc"
    spec = "GAZE LEFT RIGHT VEL RES HTARGET RATE 500.00 TRACKING CR FILTER 2 INPUT"
    path.write_text(
        text(
            "1 10 11 12 20 21 22 1.5 2.5 3.5 4.5 35.1 35.2 127 ..... 400 500 600 ................\n", spec
        ).replace("PRESCALER\t1", "PRESCALER\t1\nBUTTON\t1\t3\t1")
    )
    recording = read(path)
    row = recording.samples.iloc[0]
    assert row[["x_velocity_dva_s_left", "y_velocity_dva_s_right", "y_px_per_dva", "input"]].tolist() == [
        1.5,
        4.5,
        35.2,
        127,
    ]
    assert row[["pupil_right", "target_distance_mm"]].tolist() == [22, 600]
    assert recording.pupil_unit == "diameter"
    button = recording.events.iloc[0]
    assert (button["kind"], button["id"], button["value"]) == ("button", 3, 1)


def test_a_moved_screen_leaves_resolution_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.asc"
    path.write_text(
        "MSG 0 GAZE_COORDS 100 0 1123 767\n" + text("1 150 11 12 35.1 35.2 ...\n", "GAZE LEFT RES RATE 500")
    )
    row = read(path).samples.iloc[0]
    assert row[["x_px_left", "x_px_per_dva", "y_px_per_dva"]].tolist() == [50, 35.1, 35.2]


def test_eyes_may_change_between_blocks_and_the_screen_may_start_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "x.asc"
    left = text("1 -10 -20 30 ...\n", rest="EFIX L 1 1 1 -10 -20 30\n")
    right = text("11 1 2 3 ...\n12 . . 0.0 ...\n", "GAZE RIGHT RATE 1000.00").split("\n", 1)[1]
    path.write_text("MSG 0 GAZE_COORDS -512 -384 511 383\n" + left + right)
    recording = read(path)
    assert recording.size_px == (1024, 768)
    assert recording.eyes == ("left", "right")
    assert recording.samples["x_px_left"].tolist()[:1] == [502]
    assert recording.fixations()[["x_px", "y_px"]].to_numpy().tolist() == [[502, 364]]
    assert recording.samples["valid_left"].tolist() == [True, False, False]
    assert recording.samples["valid_right"].tolist() == [False, True, False]
    assert recording.samples["block"].tolist() == [0, 1, 1]
    assert recording.gaze("right").xy_px[1].tolist() == [513, 386]


@pytest.mark.parametrize("name", ["cili_bino250", "pymovements_eyelink_monocular_example"])
def test_cut_anywhere(shared_data: Path, tmp_path: Path, name: str) -> None:
    content = (shared_data / "eyelink_asc" / f"{name}.asc").read_bytes()
    whole = read(shared_data / "eyelink_asc" / f"{name}.asc")
    last_end = content.rindex(b"\nEND")
    path = tmp_path / "cut.asc"
    step = len(content) // 41
    for size in [*range(0, len(content), step), last_end - 3, last_end + 2, len(content) - 1]:
        path.write_bytes(content[:size])
        inside = content.count(b"\nSTART\t", 0, size) > content.count(b"\nEND\t", 0, size)
        for options in ({}, {"truncated": "keep"}):
            try:
                recording = read(path, **options)
            except RecordingError as error:
                assert not options or "no samples" in str(error), (size, error)
                assert options or not inside or "no END" in str(error), (size, error)
                continue
            assert options or not inside, size
            n = len(recording.samples)
            names = ["t_ms", f"x_px_{whole.eyes[0]}", f"pupil_{whole.eyes[0]}", "block"]
            np.testing.assert_array_equal(recording.samples[names], whole.samples[names][:n])
            lines = content[:size].split(b"\n")[:-1]
            assert n == sum(line[:1].isdigit() for line in lines) or not options
            if not content[:size].endswith(b"\n"):
                assert any("no newline" in note for note in recording.notes)
            done = int((recording.events["kind"] == "fixation").sum())
            assert done == sum(line.startswith(b"EFIX") for line in lines) or not options


number = st.one_of(st.none(), st.integers(-99999, 99999).map(lambda v: v / 10))
row = st.tuples(number, number, st.integers(0, 9999))
word = st.text(st.characters(codec="latin-1", categories=["L", "N", "P"]), min_size=1, max_size=8)


def is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    blocks=st.lists(st.tuples(st.lists(row, min_size=1, max_size=8), word), min_size=1, max_size=4),
    encoding=st.sampled_from(["utf-8", "latin-1"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    rate=st.sampled_from([250, 500, 1000, 2000]),
    twice=st.booleans(),
)
def test_generated_files(tmp_path: Path, blocks, encoding, end, rate, twice) -> None:
    now, lines, expected, said = 1000.0, [], [], []
    for rows, message in blocks:
        lines += [
            f"MSG\t{now:.0f} {message}",
            f"START\t{now:.0f} \tRIGHT\tSAMPLES",
            f"SAMPLES\tGAZE\tRIGHT\tRATE\t{rate}.00",
        ]
        said.append((now, message))
        for x, y, pupil in rows:
            shown = f"{int(now)}" if twice or rate < 2000 else f"{now:.1f}"
            lines.append(
                "\t".join(
                    [shown, *(f"{v:7.1f}" if v is not None else "   ." for v in (x, y)), f"{pupil}.0", "..."]
                )
            )
            expected.append([now, *(np.nan if v is None else v for v in (x, y)), pupil or np.nan])
            now += 1000 / rate
        lines.append(f"END\t{now:.0f}")
        now = np.ceil(now) + 7
    content = (end.join(lines) + end).encode(encoding)
    # Latin-1 bytes may also be valid UTF-8 (such as "Â¡"); no reader can tell, so UTF-8 is what they mean.
    assume(content.isascii() or encoding == "utf-8" or not is_utf8(content))
    path = tmp_path / "g.asc"
    path.write_bytes(content)
    recording = read(path)
    np.testing.assert_array_equal(
        recording.samples[["t_ms", "x_px_right", "y_px_right", "pupil_right"]], np.array(expected, float)
    )
    assert list(zip(recording.messages["t_ms"], recording.messages["text"], strict=True)) == said


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_read_or_told(shared_data: Path, tmp_path: Path, data) -> None:
    content = bytearray((shared_data / "eyelink_asc/pymovements_eyelink_monocular_example.asc").read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    path = tmp_path / "d.asc"
    path.write_bytes(content)
    for truncated in ("error", "keep"):
        try:
            read(path, truncated=truncated).gaze()
        except RecordingError as error:
            assert str(path) in str(error)


@pytest.mark.slow
def test_an_hour_at_1000_hz(tmp_path: Path) -> None:
    n, path = 3_600_000, tmp_path / "hour.asc"
    t = np.arange(1000, 1000 + n)
    x = np.round(np.random.default_rng(0).uniform(0, 1919, n), 1)
    with path.open("w") as file:
        file.write(
            "MSG\t1 DISPLAY_COORDS 0 0 1919 1079\nSTART\t1000 \tLEFT\nSAMPLES\tGAZE\tLEFT\tRATE\t1000.00\n"
        )
        for a in range(0, n, 300):
            file.write(
                "".join(
                    f"{i}\t{v:7.1f}\t  411.1\t 1103.0\t...\n"
                    for i, v in zip(t[a : a + 300], x[a : a + 300], strict=True)
                )
            )
            file.write(f"EFIX L   {t[a]}\t{t[a] + 299}\t300\t  500.0\t  400.0\t   1000\n")
        file.write(f"END\t{t[-1]}\n")
    begin = time.perf_counter()
    recording = read(path)
    assert time.perf_counter() - begin < 25  # 3 s on one core, as mne takes 26
    np.testing.assert_array_equal(recording.samples["x_px_left"], x)
    assert counts(recording) == [n // 300, 0, 0]
