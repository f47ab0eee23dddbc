from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.errors import RecordingError
from gazekit.recordings.recording import Recording, event_table
from gazekit.recordings.scanpaths import TrialMessages, cut_trials, fixations_of, scanpaths

PATTERNS = TrialMessages(r"^TRIALID (?P<number>\d+) (?P<stimulus>\S+)", "^TRIAL_RESULT")


def recording(messages=(), fixations=(), eyes=("left",), kind="fixation"):
    """Fixations are (onset_ms, offset_ms, x_px, y_px[, eye]); the right eye has more valid samples."""
    samples = pd.DataFrame({"t_ms": np.arange(0.0, 1000, 10)})
    for eye in eyes:
        samples = samples.assign(**{f"x_px_{eye}": 5.0, f"y_px_{eye}": 5.0, f"valid_{eye}": eye == "right"})
    names = ("onset_ms", "offset_ms", "x_px", "y_px", "eye")
    rows = [dict(zip(names, (*row, eyes[0])[:5], strict=True)) | {"kind": kind} for row in fixations]
    for row in rows:
        row["duration_ms"] = row["offset_ms"] - row["onset_ms"]
    told = pd.DataFrame(list(messages), columns=["t_ms", "text"])
    return Recording(Path("s1.asc"), "toy", samples, event_table(rows), told, eyes)


def trials(*rows):
    return pd.DataFrame(rows, columns=["onset_ms", "offset_ms", "stimulus"])


def test_trials_by_messages():
    told = [(10, "TRIALID 1 a.png"), (20, "x"), (90, "TRIAL_RESULT 0"), (95, "TRIAL_RESULT 1")]
    told += [(100, "TRIALID 2 b.png"), (200, "TRIALID 3 c.png"), (300, "TRIAL_RESULT 0")]
    table = cut_trials(recording(told), PATTERNS)
    assert table.columns.tolist() == ["onset_ms", "offset_ms", "stimulus", "number"]
    assert table["stimulus"].tolist() == ["a.png", "b.png", "c.png"]
    assert table["number"].tolist() == ["1", "2", "3"]
    assert table["onset_ms"].tolist() == [10, 100, 200]
    assert table["offset_ms"].fillna(-1).tolist() == [90, -1, 300]
    endless = cut_trials(recording(told), TrialMessages(PATTERNS.start))
    assert endless["offset_ms"].tolist() == [100, 200, 990]


def test_a_message_inside_names_the_stimulus():
    told = [
        (0, "START"),
        (5, "IMG a.png cup"),
        (7, "IMG b.png pen"),
        (9, "END"),
        (10, "IMG late.png"),
        (20, "START"),
        (30, "END"),
    ]
    patterns = TrialMessages("^START", "^END", r"^IMG (?P<stimulus>\S+)(?: (?P<target>\w+))?")
    table = cut_trials(recording(told), patterns)
    assert table["stimulus"].tolist() == ["a.png", ""]
    assert table["target"].tolist() == ["cup", ""]
    with pytest.raises(
        RecordingError, match=r"s1.asc, trial 2, from 20 ms: no stimulus is given and no message"
    ):
        scanpaths(recording(told, [(0, 5, 1, 1)]), patterns)


def test_fixations_belong_to_the_trial_they_begin_in():
    told = recording((), [(0, 9, 1, 1), (10, 19, 2, 2), (20, 45, 3, 3), (46, 60, 4, 4)])
    first, second, none = scanpaths(told, trials((5, 40, "a"), (46, 47, "b"), (70, 80, "c")))
    assert (first.stimulus, first.onset_ms, first.offset_ms) == ("a", 5, 40)
    assert first.scanpath.xy_px.tolist() == [[2, 2], [3, 3]]
    assert first.scanpath.duration_ms.tolist() == [9, 25]
    assert first.scanpath.observer == "s1"
    assert second.scanpath.xy_px.tolist() == [[4, 4]]
    assert len(none.scanpath) == 0


def test_events_of_a_detector_take_the_place_of_the_trackers():
    own = event_table([{"kind": "saccade", "onset_ms": 1, "x_px": 9, "y_px": 9, "duration_ms": 3},
                       {"kind": "fixation", "onset_ms": 4, "x_px": 8, "y_px": 8, "duration_ms": 3}])  # fmt: skip
    (found,) = scanpaths(recording((), [(0, 9, 1, 1)]), trials((0, 10, "a")), own, observer="p7")
    assert found.scanpath.xy_px.tolist() == [[8, 8]]
    assert found.scanpath.observer == "p7"


def test_of_two_eyes_the_better_one_is_taken():
    both = recording((), [(0, 9, 1, 1, "left"), (0, 9, 2, 2, "right")], eyes=("left", "right"))
    assert fixations_of(both)["x_px"].tolist() == [2]
    with pytest.raises(ValueError, match=r"expected fixations of one eye, got \['left', 'right'\]"):
        scanpaths(both, trials((0, 10, "a")), both.fixations())


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([(0, np.nan, "a")], r"s1.asc, trial 0 \(a\), from 0 ms: has no end before the next trial begins"),
        ([(0, 5, "a"), (9, 9, "b")], r"trial 1 \(b\): ends at 9 ms, not after its onset 9 ms"),
        ([(0, 5, "")], "no stimulus is given and no message"),
        ([(0, 5, float("nan"))], "no stimulus is given"),
    ],
)
def test_broken_trials_are_told(rows, told):
    with pytest.raises(RecordingError, match=told):
        scanpaths(recording((), [(0, 9, 1, 1)]), trials(*rows))


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        (
            "x_px",
            float("nan"),
            r"s1.asc, trial 0 \(a\), from 0 ms: fixation 0 has a position that is not finite",
        ),
        ("onset_ms", float("nan"), "1 fixations have no onset"),
        ("x_px", None, "the table of fixations has no column x_px"),
    ],
)
def test_broken_fixations_are_told(column, value, told):
    events = recording(fixations=[(10, 20, 1, 2)]).fixations()
    events = events.drop(columns=column) if value is None else events.assign(**{column: value})
    with pytest.raises(ValueError, match=told):
        scanpaths(recording(), trials((0, 50, "a")), events)


def test_messages_are_taken_in_their_order_in_time():
    told = [(90, "TRIAL_RESULT 0"), (10, "TRIALID 1 a.png")]
    assert cut_trials(recording(told), PATTERNS)["offset_ms"].tolist() == [90]


def test_recordings_without_trials_or_fixations_are_told():
    with pytest.raises(
        RecordingError,
        match=r"s1.asc: no message matches start '\^TRIALID.*its 1 messages begin with: 'hello'",
    ):
        cut_trials(recording([(0, "hello")]), PATTERNS)
    with pytest.raises(
        RecordingError, match=r"s1.asc: has no fixations from the tracker; detect them with a detector"
    ):
        scanpaths(recording((), [(0, 9, 1, 1)], kind="blink"), trials((0, 1, "a")))
    with pytest.raises(ValueError, match="the table of trials has no column stimulus"):
        scanpaths(recording((), [(0, 9, 1, 1)]), trials((0, 1, "a")).drop(columns="stimulus"))


@pytest.mark.parametrize(
    ("patterns", "told"),
    [(("(", None), "start: '\\(' is not a valid"), (("a", "b"), "no group"), ((None,), "start: None is not a"),
     (("(?P<stimulus>a)", "*"), "end: '\\*' is not a valid regular expression")],
)  # fmt: skip
def test_broken_patterns_are_told(patterns, told):
    with pytest.raises(ValueError, match=told):
        TrialMessages(*patterns)


def test_trials_of_a_real_recording(shared_data):
    """Four trials of a saccade task; their fixations are the tracker's own."""
    real = Recording.open(shared_data / "eyelink_asc" / "cili_mono1000.asc")
    patterns = TrialMessages("Initial_display$", "TRIAL_RESULT", r"TRIAL_VAR direction (?P<stimulus>\w+)")
    lines = (shared_data / "eyelink_asc" / "cili_mono1000.asc").read_text().splitlines()
    begins = [
        int(line.split()[1]) for line in lines if line.startswith("MSG") and line.endswith("Initial_display")
    ]
    onsets = np.array([int(line.split()[2]) for line in lines if line.startswith("EFIX")])
    ends = [int(line.split()[1]) for line in lines if line.startswith("MSG") and "TRIAL_RESULT" in line]
    found = scanpaths(real, patterns)
    assert [trial.onset_ms + real.origin_ns / 1e6 for trial in found] == begins
    expected = [int(((onsets >= a) & (onsets < b)).sum()) for a, b in zip(begins, ends, strict=True)]
    assert [len(trial.scanpath) for trial in found] == expected
    assert {trial.stimulus for trial in found} <= {"Left", "Right"}
    assert len(
        scanpaths(replace(real, messages=real.messages[:0]), trials((0, 1e9, "all")))[0].scanpath
    ) == len(onsets)
