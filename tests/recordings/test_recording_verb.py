"""`gazekit recording` on real files: tables, files, failures, and what is told."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from gazekit.cli import main
from gazekit.errors import RecordingError
from gazekit.recordings.find import find_recordings
from gazekit.recordings.many import for_each
from gazekit.recordings.recording import Recording
from gazekit.recordings.report_page import write_page
from gazekit.recordings.summary import Settings, info, report
from gazekit.verbs.recording import _names, _show_info

SCREEN = ("--screen", "1024x768", "--width-cm", "38", "--distance-cm", "60")


@pytest.fixture
def files(shared_data):
    return shared_data / "eyelink_asc"


def run(capfd, *args):
    capfd.readouterr()
    status = main(["recording", *map(str, args)])
    return status, *capfd.readouterr()


def test_a_folder_in_processes_tells_what_failed_and_goes_on(files, tmp_path, capfd):
    out = tmp_path / "all.json"
    status, table, told = run(capfd, "info", files, "--jobs", "2", "--out", out)
    assert status == 1
    facts = {row["recording"]: row for row in json.loads(out.read_text())}
    assert len(facts) == 12
    assert facts["cili_binoRemote250.asc"]["eyes"] == ["left", "right"]
    assert facts["cili_bino500.asc"]["vendor_events"] == {"fixation": 10, "input": 16, "saccade": 6}
    assert facts["cili_mono1000.asc"]["accuracy_mean_dva"] == 0.38
    assert facts["cili_mono1000.asc"]["rms_s2s_dva"] is None
    assert "cili_mono250.asc" in table
    assert "2 of 14 recordings failed" in told
    assert "pymovements_raccoons.asc: the recording block that starts in line 89 has no END line" in told
    assert "3 other files were ignored" in told


def test_events_go_to_the_terminal_or_to_files(files, tmp_path, capfd):
    path = files / "cili_mono1000.asc"
    status, table, told = run(capfd, "events", path, *SCREEN)
    assert status == 0
    (tmp_path / "shown.csv").write_text(table)
    shown = pd.read_csv(tmp_path / "shown.csv")
    assert shown["kind"].value_counts().to_dict() == {"fixation": 10, "saccade": 6}
    assert (
        "ivt, right eye: 10 fixation, 6 saccade (agreement with the tracker's: fixation F1 1.000; saccade F1"
        in told
    )
    assert (
        run(capfd, "events", path, files / "cili_mono500.asc", *SCREEN, "--out", tmp_path / "e", "--jobs", 1)[
            0
        ]
        == 0
    )
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "e" / "cili_mono1000.csv"), shown)
    assert (tmp_path / "e" / "cili_mono500.csv").exists()


def test_the_trackers_own_events_where_degrees_are_unknown(files, capfd):
    _, table, told = run(capfd, "events", files / "cili_mono1000.asc")
    assert "the tracker's own events, right eye: 10 fixation, 16 input, 6 saccade" in told
    assert table.startswith("kind,eye,onset_ms")


def test_parameters_of_detectors(files, capfd):
    args = ("events", files / "cili_mono1000.asc", "--px-per-dva", 30, "--detector", "idt")
    told = run(capfd, *args, "--set", "dispersion_dva=1000", "--set", "min_duration_ms=500")[2]
    assert "idt, right eye: 4 fixation (" in told  # all of each block
    with_default = run(capfd, *args)[1]
    assert run(capfd, *args, "--set", "min_duration_ms=400")[1] != with_default


def test_report_writes_a_page_with_pictures(files, tmp_path, capfd):
    status, _, _ = run(capfd, "report", files / "cili_mono1000.asc", *SCREEN, "--out", tmp_path / "r")
    folder = tmp_path / "r" / "cili_mono1000"
    page = (folder / "report.md").read_text()
    assert status == 0
    assert "| fixation | 10 |" in page and "| 1.000 |" in page
    for name in re.findall(r"\]\(([^)]+)\)", page):
        assert (folder / name).stat().st_size > 500, name
    assert {"gaze.png", "heatmap.png", "main_sequence.png"} <= {p.name for p in folder.iterdir()}


def test_recordings_of_one_name_go_to_files_of_their_own(files, tmp_path, capfd):
    for who in ("anna", "bert"):
        (tmp_path / who).mkdir()
        shutil.copy(files / "cili_mono500.asc", tmp_path / who / "s.asc")
    run(capfd, "events", tmp_path / "anna", tmp_path / "bert", "--out", tmp_path / "e", "--jobs", 1)
    assert sorted(p.name for p in (tmp_path / "e").iterdir()) == ["anna_s.csv", "bert_s.csv"]


def test_no_two_recordings_have_one_name(tmp_path):
    paths = [tmp_path / p for p in ("x/a_b.asc", "x/a/b.asc", "x/c/b.asc", "x/c/b.tsv")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    names = list(_names(paths).values())
    assert names == ["a_b~1", "b~2", "c_b_asc", "b_tsv"]
    many = [Path(f"/s/{i}/gaze.asc") for i in range(10_000)]
    start = time.perf_counter()
    assert _names(many)[many[7]] == "7_gaze.asc"  # no file: nothing is known of an ending
    assert time.perf_counter() - start < 10  # minutes if each is compared with all


def test_a_degree_that_is_given_is_used_for_precision(files, capfd, tmp_path):
    out = tmp_path / "all.json"
    assert run(capfd, "info", files / "cili_mono1000.asc", "--px-per-dva", 30, "--out", out)[0] == 0
    (facts,) = json.loads(out.read_text())
    assert facts["rms_s2s_dva"] == pytest.approx(facts["rms_s2s_px"] / 30)
    assert "rms_s2s_dva" not in facts["reasons"]


def test_numbers_in_the_table_are_whole(files, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    facts = info(files / "cili_mono1000.asc", Settings())
    many = {"fixation": 123456, "saccade": 234567, "blink": 345678}
    _show_info({files / "a.asc": facts | {"recorded_ms": 1e12, "vendor_events": many}}, None)
    table = capfd.readouterr().out
    assert all(str(number) in table for number in (*many.values(), "1000000000.0"))


@pytest.mark.parametrize(("eye", "fixations"), [("left", 10), ("right", 9), ("mean", 19)])
def test_events_are_counted_for_the_eye_in_the_row(files, eye, fixations):
    facts = info(files / "cili_bino500.asc", Settings(eye=eye))
    assert facts["eye"] == eye and facts["vendor_events"]["fixation"] == fixations


def test_what_files_say_is_no_markup(files, capfd):
    facts = info(files / "cili_mono1000.asc", Settings())
    _show_info({files / "[/] x.asc": facts | {"tracker": "[/b] Eyes"}}, None)
    assert "[/b] Eyes" in capfd.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("info", "nowhere"), "no recording at nowhere"),
        (("info", "empty"), "empty: no recording of a known format in this folder"),
        (("info", "notes.txt"), "unrecognised format"),
        (("info", "notes.txt"), "name its columns: --format table --read 'columns={...}'"),
        (("events", "a.asc", "--screen", "10x10"), "a screen needs all of --screen WxH, --width-cm and"),
        (("events", "a.asc", *SCREEN, "--px-per-dva", "3"), "--screen and --px-per-dva both define"),
        (
            ("events", "a.asc", "--screen", "big", "--width-cm", "3", "--distance-cm", "3"),
            "a size must be WIDTHxHEIGHT",
        ),
        (("info", "a.asc", "--jobs", "0"), "--jobs must be at least 1, got 0"),
        (("info", "a.asc", "--out", "no/where.json"), "--out no/where.json: the folder no does not exist"),
        (("events", "a.asc", "a.asc", "b.asc"), "2 recordings: give --out DIR"),
        (("events", "a.asc", "--set", "x"), "--set takes NAME=VALUE, got 'x'"),
        (("info", "a.asc", "--read", "format=table"), "--read format=table: format has its own option"),
    ],
)
def test_what_is_wrong_is_told(args, told, files, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("nothing\n")
    for name in ("a.asc", "b.asc"):
        shutil.copy(files / "cili_mono500.asc", name)
    status, _, err = run(capfd, *args)
    assert status == 2
    assert told in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--detector", "ivt"), "ivt needs degrees of visual angle"),
        (("--px-per-dva", "30", "--set", "speed=3"), "ivt has no parameter speed, expected threshold_dva_s"),
        (("--px-per-dva", "-3"), "pixels per degree must be positive"),
        (("--eye", "left"), "has no 'left' eye, only 'right'"),
        (("--read", "colour=3"), "format eyelink has no option colour, expected truncated"),
    ],
)
def test_what_fails_for_a_recording_is_told_with_it(args, told, files, capfd):
    status, _, err = run(capfd, "events", files / "cili_mono1000.asc", *args)
    assert status == 1
    assert told in err.replace("\n", " ")


def test_what_lies_in_a_folder_is_found_once(shared_data, files, tmp_path):
    found = find_recordings(
        [shared_data / "neon_native_demo", files / "cili_mono250.asc", files / "cili_mono250.asc"]
    )
    assert [(p.name, f) for p, f in found.recordings] == [
        ("cloud_style", "pupil_cloud"), ("native", "neon_native"), ("cili_mono250.asc", "eyelink"),
    ]  # fmt: skip
    with pytest.raises(RecordingError, match="no recording of a known format"):
        find_recordings([tmp_path])


def half(number):
    if number == 2:
        return {}["half"]
    if number == 3:
        raise ValueError("three has no half")
    if number == 5:
        os._exit(9)
    return number / 2


def test_one_that_fails_or_dies_stops_none_of_the_others():
    outcomes = {o.index: o for o in for_each(half, [1, 2, 3, 4, 5, 6, 7], jobs=2)}
    assert [outcomes[i].result for i in range(7)] == [0.5, None, None, 2.0, None, 3.0, 3.5]
    assert re.fullmatch(r"KeyError in test_recording_verb.py, line \d+: 'half'", outcomes[1].error)
    assert outcomes[2].error == "three has no half"
    assert "the process that read it died" in outcomes[4].error


def test_a_folder_that_cannot_be_read_stops_no_other(files, tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    shutil.copy(files / "cili_mono500.asc", tmp_path)
    look = Path.iterdir

    def iterdir(folder):
        if folder.name == "a":
            raise PermissionError(13, "not yours")
        return look(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    found = find_recordings([tmp_path])
    assert len(found.recordings) == 1 and found.others == [tmp_path / "a"]


def test_a_pipe_is_not_waited_for(files, tmp_path):
    os.mkfifo(tmp_path / "pipe.asc")
    shutil.copy(files / "cili_mono500.asc", tmp_path)
    found = find_recordings([tmp_path])
    assert [p.name for p in found.others] == ["pipe.asc"]
    with pytest.raises(RecordingError, match="neither a file nor a folder"):
        Recording.open(tmp_path / "pipe.asc", format="eyelink")


def test_with_a_scene_camera_the_trackers_own_events_are_taken(shared_data, capfd):
    path = shared_data / "neon_native_demo" / "native"
    _, _, told = run(capfd, "events", path)
    assert "the tracker's own events: " in told and "23 fixation" in told and "warning" not in told
    _, _, told = run(capfd, "events", path, "--detector", "ivt")
    assert "warning native: ivt cannot tell head movements from eye movements" in told
    _, _, told = run(capfd, "events", path, "--set", "threshold_dva_s=100")
    assert (
        "the tracker's own events take no parameters, got threshold_dva_s: choose a detector as well" in told
    )


def test_missing_time_counts_as_lost_in_the_table(files, capfd):
    facts = info(files / "cili_mono1000.asc", Settings())
    _show_info({files / "a.asc": facts | {"missing_share": 0.2, "lost_share": 0.5}}, None)
    assert "60.0 %" in capfd.readouterr().out


def test_what_failed_is_told_in_words_of_the_shell_and_nothing_is_written(files, tmp_path, capfd):
    path = tmp_path / "cut.asc"
    path.write_bytes((files / "cili_mono500.asc").read_bytes()[:20_000])
    status, _, told = run(capfd, "info", path, "--out", tmp_path / "o.json")
    assert status == 1 and "--read truncated=keep" in told and 'truncated="keep"' not in told
    assert "written to" not in told and not (tmp_path / "o.json").exists()
    (tmp_path / "t.tsv").write_text("Timestamp\tGaze X\tGaze Y\n1\t2\t3\n")
    status, _, told = run(capfd, "info", tmp_path / "t.tsv")
    assert status == 2 and "--format table --read 'columns={...}'" in told


def test_who_stops_reading_hears_no_more(files):
    command = [sys.executable, "-m", "gazekit", "recording", "events", str(files / "cili_mono1000.asc")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        told = process.stderr.read().decode()
    assert "roken pipe" not in told and "Traceback" not in told


def test_ctrl_c_ends_a_report_with_a_line_and_leaves_whole_files(files, tmp_path):
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gazekit",
            "recording",
            "report",
            files,
            *SCREEN,
            "--jobs",
            "2",
            "--out",
            "out",
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # programs in the background ignore it
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("out/*/*.png")):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the processes that read, too
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in told
    assert told.endswith("gazekit recording: interrupted\n")
    assert not list(tmp_path.rglob("*.part"))


def test_a_report_leaves_out_an_empty_picture_and_says_why_there_is_no_heatmap(shared_data, tmp_path):
    recording = Recording.open(shared_data / "neon_native_demo" / "cloud_style")
    facts = report(recording.path, Settings(), tmp_path / "a")
    (told,) = facts["warnings"]
    assert told == (
        "no heatmap: the file does not state the picture's size and there is no scene video; "
        "give --read size_px=WxH"
    )
    page = (tmp_path / "a" / "report.md").read_text()
    assert told in page
    t_ms = recording.samples["t_ms"].where(
        recording.samples["t_ms"] < 4000, recording.samples["t_ms"] + 60_000
    )
    write_page(
        replace(recording, samples=recording.samples.assign(t_ms=t_ms)), recording.events, facts, "", tmp_path
    )
    assert (tmp_path / "gaze.png").exists() and not (tmp_path / "gaze_middle.png").exists()
