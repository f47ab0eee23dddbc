"""Against the toy's exports as they are on disk, a loop over fixations, and tables worked out by hand."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.recordings.aoi import BACKGROUND, Box, aoi_labels, map_fixations
from gazekit.recordings.aoi.annotation_files import read_aois
from gazekit.recordings.aoi.tables import aoi_metrics, to_csv, transition_entropy, transitions, visits
from gazekit.recordings.recording import Recording

ANNOTATIONS = ("coco_ground_truth.json", "cvat_video_1.1.xml", "label_studio_video.json")
TABLES = (
    "aoi_fixations",
    "aoi_metrics",
    "fixation_aoi",
    "transitions_fixation",
    "transitions_visits_no_background",
)


def looked(*aois, duration=100.0, gap=20.0):
    onset = np.arange(len(aois)) * (duration + gap)
    table = {"onset_ms": onset, "offset_ms": onset + duration, "duration_ms": duration, "aoi": list(aois)}
    return pd.DataFrame(table | {"x_px": 1.0, "y_px": 2.0})


@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_every_table_of_the_toy_is_reproduced_to_the_byte(shared_data, tmp_path, annotation):
    toy = shared_data / "annotation_toy"
    recording = Recording.open(toy / "neon_export" / "toy-0001")
    aois = read_aois(toy / "exports" / annotation, recording.size_px)
    mapped = map_fixations(recording.fixations(), aois, recording.frame_t_ms)
    labels = aoi_labels(aois)
    to_csv(
        mapped, labels, tmp_path, recording.frame_t_ms[0], origin_ns=recording.origin_ns, recording_name="toy",
        recording_id="00000000-0000-4000-8000-000000000001", section_id="00000000-0000-4000-8000-0000000000a1",
    )  # fmt: skip
    assert sorted(p.stem for p in tmp_path.iterdir()) == sorted(TABLES)
    for name in TABLES:
        expected = (toy / "exports" / f"{name}.csv").read_bytes()
        assert (tmp_path / f"{name}.csv").read_bytes() == expected, name
    assert transition_entropy(transitions(mapped, labels)) == pytest.approx(0.594361, abs=5e-7)


def test_metrics_by_hand():
    mapped = looked("a", "a", BACKGROUND, "a", "b", "", "b")
    table = aoi_metrics(mapped, ["b", "a", "never"], start_ms=-50).set_index("aoi")
    assert table.index.tolist() == ["b", "a", "never", BACKGROUND]
    assert table["fixations"].tolist() == [2, 3, 0, 1]
    assert table["total_duration_ms"].tolist() == [200, 300, 0, 100]
    assert table["visits"].tolist() == [2, 2, 0, 1]  # what is nobody's ends a visit
    assert table["revisits"].tolist() == [1, 1, 0, 0]
    assert table["dwell_ms"].tolist() == [200, 320, 0, 100]
    assert table["share"].tolist() == pytest.approx([2 / 6, 3 / 6, 0, 1 / 6])
    assert table["time_to_first_fixation_ms"].tolist()[:2] == [530, 50]
    assert (
        table.loc["never", ["mean_duration_ms", "time_to_first_fixation_ms", "first_duration_ms"]]
        .isna()
        .all()
    )


def test_transitions_by_hand():
    mapped = looked("a", "a", BACKGROUND, "a", "b", "", "b", BACKGROUND, "a")
    everything = transitions(mapped, ["a", "b"], "fixation", background=True)
    assert everything.to_numpy().tolist() == [[1, 1, 1], [0, 0, 1], [2, 0, 0]]
    assert transitions(mapped, ["a", "b"], "fixation").to_numpy().tolist() == [[2, 1], [1, 0]]
    assert transitions(mapped, ["a", "b"]).to_numpy().tolist() == [[0, 1], [1, 0]]
    assert transitions(mapped, ["a", "b"], background=True).loc[BACKGROUND, "a"] == 2


@given(st.lists(st.sampled_from(["a", "b", "c", BACKGROUND, ""]), max_size=30))
@settings(deadline=None, max_examples=30)
def test_tables_against_a_loop(path):
    mapped, names = looked(*path), ["a", "b", "c", BACKGROUND]
    runs = []
    for k, aoi in enumerate(path):
        if k and aoi == path[k - 1]:
            runs[-1][1].append(k)
        else:
            runs.append((aoi, [k]))
    runs = [run for run in runs if run[0]]
    found = visits(mapped)
    assert found["aoi"].tolist() == [aoi for aoi, _ in runs]
    assert found["fixations"].tolist() == [len(k) for _, k in runs]
    assert found["duration_ms"].tolist() == [len(k) * 120 - 20 for _, k in runs]
    metrics = aoi_metrics(mapped, names[:3], 0).set_index("aoi")
    for aoi in names:
        own = [k for a, k in runs if a == aoi]
        assert metrics.loc[aoi, "visits"] == len(own)
        assert metrics.loc[aoi, "fixations"] == sum(map(len, own))
        first = own[0][0] * 120 if own else np.nan
        assert metrics.loc[aoi, "time_to_first_fixation_ms"] == pytest.approx(first, nan_ok=True)
    for by in ("fixation", "visit"):
        for background in (True, False):
            kept = path if background else [p for p in path if p != BACKGROUND]
            pairs = Counter(pairwise(kept))
            table = transitions(mapped, names[:3], by, background)
            expected = [
                [pairs[i, j] * (by == "fixation" or i != j) for j in table.columns] for i in table.index
            ]
            assert table.to_numpy().tolist() == expected


def test_entropy_of_known_tables():
    assert transition_entropy(np.array([[0, 5], [5, 0]])) == 0
    assert transition_entropy(np.full((4, 4), 3)) == pytest.approx(2)
    assert transition_entropy(np.array([[1, 1], [0, 2]])) == pytest.approx(0.5)
    assert np.isnan(transition_entropy(np.zeros((2, 2))))
    with pytest.raises(ValueError, match="square table of counts"):
        transition_entropy(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="square table of counts"):
        transition_entropy(np.array([[np.nan]]))


def test_nothing_looked_at(tmp_path):
    mapped = map_fixations(looked().drop(columns="aoi"), [Box("a", (0, 0, 1, 1))], np.array([0.0, 1.0]))
    table = aoi_metrics(mapped, ["a"], 0)
    assert table["fixations"].tolist() == [0, 0]
    assert table["share"].isna().all()
    to_csv(mapped, ["a"], tmp_path, 0, origin_ns=0, recording_id="r", recording_name="n")
    assert (tmp_path / "aoi_metrics.csv").read_text().splitlines()[1] == "r,n,a,0,,,,,0,0,,"
    assert len((tmp_path / "fixation_aoi.csv").read_text().splitlines()) == 1


def test_files_tell_whole_and_broken_durations_apart(tmp_path):
    mapped = looked("a", "a", duration=100.12345).assign(frame=[3, 4], source=["manual", "predicted"])
    mapped["confidence"] = [1, 0.4]
    to_csv(mapped, ["a"], tmp_path, 0, origin_ns=10**18, recording_id="r", recording_name="n")
    rows = (tmp_path / "fixation_aoi.csv").read_text().splitlines()[1:]
    assert rows[0] == "r,1,1000000000000000000,1000000000100123450,100.123,1.0,2.0,3,a,manual,1.0"
    assert rows[1].endswith(",100.123,1.0,2.0,4,a,predicted,0.4")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: aoi_metrics(looked("a"), ["b"], 0), "fixations are on a, which are not in labels: b"),
        (lambda: aoi_metrics(looked("a"), ["a", "a"], 0), "labels must be unique"),
        (lambda: aoi_metrics(looked("a"), ["a", BACKGROUND], 0), "labels must be unique"),
        (lambda: visits(looked("a").drop(columns="aoi")), "no column aoi: map_fixations"),
        (lambda: visits(looked("a", "b")[::-1]), "in order of onset_ms"),
        (lambda: transitions(looked("a"), ["a"], "visits"), 'by must be "fixation" or "visit"'),
    ],
)
def test_errors(make, told):
    with pytest.raises(ValueError, match=told):
        make()
