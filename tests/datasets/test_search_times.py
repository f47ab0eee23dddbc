"""Reaction times from a lab's file, with the mess that real files have."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gazekit.datasets.search_data import SearchData
from gazekit.datasets.search_people import published
from gazekit.datasets.search_tasks import CONDITIONS
from gazekit.datasets.search_times import read_times
from gazekit.errors import DataError

HEADER = "participant,condition,set_size,rt_ms,correct"


@pytest.fixture
def file(tmp_path):
    def write(*lines, encoding="utf-8"):
        path = tmp_path / "times.csv"
        path.write_text("\n".join(lines) + "\n", encoding=encoding)
        return path

    return write


def test_plain_file(file):
    people = read_times(
        file(HEADER, "a,cross,3,800,1", "a,cross,9,1400,1", "b,cross,3,900.5,1", "b,cross,9,1500,1")
    )
    assert people.condition.tolist() == ["cross"] * 4 and people.participant.tolist() == ["a", "a", "b", "b"]
    assert people.rt_ms.tolist() == [800, 1400, 900.5, 1500] and people.set_size.tolist() == [3, 9, 3, 9]
    assert people.target_present.all() and people.notes == ()
    assert people.source == "4 trials of 2 participants in times.csv"
    assert people.slope_ms("cross") == pytest.approx((1450 - 850.25) / 6)
    assert np.isnan(people.slope_ms("non_cross")) and people.mean_rt_ms("non_cross") == {}


def test_each_participant_counts_once(file):
    people = read_times(file(HEADER, "a,cross,3,800,1", "a,cross,3,1000,1", "b,cross,3,500,1"))
    assert people.mean_rt_ms("cross") == {3: 700.0}
    assert np.isnan(people.slope_ms("cross"))


@pytest.mark.parametrize(
    "lines",
    [
        ("RT;Set Size;Subject;Cond;ACC", "800;3;a;Curve in-lines;1.0", "900;8.0;a;curve_in_lines;TRUE"),
        ("key_resp.rt\tnItems\tn_items\tparticipant\tcondition", "0.8\t\t3\ta\tcurve_in_lines",
         "0.9\t\t8\ta\tcurve_in_lines"),
        ("", "set_size,extra,rt_ms,observer,condition", "3,x,800,a,curve_in_lines", ",,,,",
         '8,"a, b",900,a,curve_in_lines', ""),
    ],
)  # fmt: skip
def test_order_names_and_separators_do_not_matter(file, lines):
    lines = [line.replace("nItems", "other") for line in lines]
    people = read_times(file(*lines))
    assert people.condition.tolist() == ["curve_in_lines"] * 2
    assert people.set_size.tolist() == [3, 8] and people.rt_ms.tolist() == pytest.approx([800, 900])


def test_byte_order_mark_and_windows_lines(tmp_path):
    path = tmp_path / "times.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEADER + "\r\na,cross,3,800,1\r\n").encode())
    assert read_times(path).rt_ms.tolist() == [800]


def test_psychopy_file(file):
    """Rows of instructions, and of trials without an answer."""
    people = read_times(
        file(
            "picture,task,condition,set_size,target_present,key_resp.keys,key_resp.corr,key_resp.rt,participant,date",
            ",,,,,space,,1.2,p1,today",
            "a.png,t_l,l_in_ts,3,1,j,1,0.573,p1,today",
            "b.png,t_l,l_in_ts,6,0,f,1,0.672,p1,today",
            "c.png,t_l,l_in_ts,6,1,None,0,,p1,today",
            "d.png,t_l,l_in_ts,6,1,f,0,0.5,p1,today",
            ",,,,,,,,p1,today",
        )
    )
    assert people.rt_ms.tolist() == pytest.approx([573, 672]) and people.target_present.tolist() == [
        True,
        False,
    ]
    assert people.notes == (
        "times.csv: 2 rows without condition and set size left out",
        "times.csv: 1 trials without a reaction time left out",
        "times.csv: 1 incorrect trials left out",
    )


def test_what_is_left_out_is_counted(file):
    lines = [
        "a,cross,3,NA,1",
        "a,cross,3,,1",
        "a,cross,3,150,1",
        "a,cross,3,9000,1",
        "a,cross,3,800,0",
        "a,cross,3,801,1",
    ]
    people = read_times(file(HEADER, *lines))
    assert people.rt_ms.tolist() == [801]
    assert people.notes == (
        "times.csv: 2 trials without a reaction time left out",
        "times.csv: 2 trials with a reaction time outside 200 to 8000 ms left out",
        "times.csv: 1 incorrect trials left out",
    )
    assert len(read_times(file(HEADER, *lines), 100, 9000).rt_ms) == 3
    people = read_times(file("participant,condition,set_size,rt_ms", "a,cross,3,800"))
    assert people.notes == ("times.csv has no column correct: all trials count as correct",)


def test_joined_files(file):
    people = read_times(file(HEADER, "a,cross,3,800,1", HEADER, "b,cross,3,900,1"))
    assert people.participant.tolist() == ["a", "b"] and people.notes == ()


def test_task_with_one_condition(file):
    people = read_times(file("participant,task,set_size,rt_ms", "a,Feature,3,400", "a,cross,3,800"))
    assert people.condition.tolist() == ["feature", "cross"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((HEADER, "a,cross,3,800,1", "a,plus,3,800,1"),
         r"times.csv, row 3, column condition: unknown condition 'plus', expected one of: curve_in_lines, .*"),
        ((HEADER, '"a",cross,3,"512,3",1'), r"row 2, column rt: '512,3' is not a number; write decimals with a point"),
        ((HEADER, "a,cross,3,512,3,1"), r"row 2: 6 values, but the header has 5 columns; are decimals written with a"),
        ((HEADER, "a,cross,3,fast,1"), r"row 2, column rt: 'fast' is not a number$"),
        ((HEADER, "a,cross,3,inf,1"), r"row 2, column rt: 'inf' is not a number"),
        ((HEADER, "a,cross,3.5,800,1"), r"row 2, column set_size: '3.5' is not a number of items"),
        ((HEADER, "a,cross,-3,800,1"), r"column set_size: '-3' is not a number of items"),
        ((HEADER, "a,cross,,800,1"), r"row 2, column set_size: '' is not a number"),
        ((HEADER, "a,,3,800,1"), r"row 2, column condition: unknown condition ''"),
        ((HEADER, "NA,cross,3,800,1"), r"row 2, column participant: empty"),
        ((HEADER, "a,cross,3,800,maybe"), r"row 2, column correct: 'maybe' is neither yes \(.*\) nor no"),
        (("participant,task,set_size,rt_ms", "a,t_l,3,800"), r"row 2, column task: unknown condition 't_l'"),
        (("participant,condition,set_size", "a,cross,3"), r"no column rt_ms; found participant, condition, set_size"),
        (("a,b,c",), r"no column participant, condition \(or task\), set_size, rt_ms; found a, b, c"),
        (("subject,participant,condition,set_size,rt", "a,a,cross,3,800"), "two columns for participant: subject and"),
        ((HEADER + ",rt_s", "a,cross,3,800,1,.8"), "reaction times in two columns, rt_ms and rt_s"),
        ((HEADER, "a,cross,3,.8,1", "a,cross,3,.9,1"), r"below 0.85 ms; are they seconds\? Name the column rt_s"),
        ((HEADER,), "no trial is left of 0; there are no rows"),
        ((HEADER, "a,cross,3,800,0"), "no trial is left of 1; times.csv: 1 incorrect trials left out"),
        ((HEADER, "a,cross,3,8000.5,1"), "no trial is left of 1; times.csv: 1 trials with a reaction time outside"),
        (("",), "empty, expected a header"),
        ((HEADER, 'a,"cross,3,800,1'), "not a readable CSV file"),
        ((HEADER, *["b,cross,3,700,1"], *["a,cross,3,800,1", "a,cross,6,900,1"] * 2),
         r"rows 3 to 6: the 2 trials of participant a occur twice; remove one copy"),
    ],
)  # fmt: skip
def test_wrong_files_are_one_clear_error(file, lines, message):
    with pytest.raises(DataError, match=message):
        read_times(file(*lines))


def test_other_problems(file, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none.csv \(config key data.times\) does not exist"):
        read_times(tmp_path / "none.csv")
    with pytest.raises(DataError, match="not a text file in UTF-8"):
        read_times(file(HEADER, "ä,cross,3,800,1", encoding="utf-16"))
    with pytest.raises(ValueError, match=r"data.min_rt_ms must be below data.max_rt_ms, got 500 and 500"):
        read_times(file(HEADER), 500, 500)


trials = st.lists(
    st.tuples(
        st.sampled_from(["p1", "p2", "Müller, A."]),
        st.sampled_from(sorted(CONDITIONS)),
        st.integers(1, 32),
        st.floats(200, 8000).map(lambda x: round(x, 3)),
    ),
    min_size=1,
    max_size=30,
    unique=True,
)


@settings(max_examples=60, deadline=None)
@given(trials)
def test_what_is_written_is_read(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("rt") / "times.csv"
    lines = [f'"{who}",{condition},{n},{rt}' for who, condition, n, rt in rows]
    path.write_text("\n".join(["participant,condition,set_size,rt_ms", *lines]), encoding="utf-8")
    people = read_times(path)
    read = zip(people.participant, people.condition, people.set_size, people.rt_ms, strict=True)
    assert [(str(a), str(b), int(c), float(d)) for a, b, c, d in read] == rows


def test_own_times_take_the_place_of_the_published_ones(file):
    rows = [
        f"{who},{c},{n},{400 + 10 * n},1" for who in "ab" for c in ("l_in_ts", "t_in_ls") for n in (3, 6, 9)
    ]
    data = SearchData(times=file(HEADER, *rows), displays=1)
    data.setup()
    assert data.tasks == ("t_l",)
    assert data.facts()["condition_human_slope_ms"] == pytest.approx([10, 10])
    assert data.facts()["condition_hard"] == [False, True]  # the published order stays
    assert data.about()["people"] == "12 trials of 2 participants in times.csv"
    data = SearchData(tasks=["t_l", "intersection"], times=file(HEADER, *rows), displays=1)
    data.setup()
    assert data.about()["notes"] == ["people's slopes are unknown (targets): non_cross, cross"]


def test_published_means_are_no_participants():
    people = published()
    assert people.participant is None and "Gupta" in people.source
    assert len(published(True).rt_ms) == 52 and len(published(False).rt_ms) == 12


def test_decimal_commas_are_read_between_semicolons(tmp_path):
    path = tmp_path / "times.csv"
    path.write_text("\n".join([HEADER.replace(",", ";"), "a;cross;3;512,3;1", "a;cross;6;600;1"]))
    assert read_times(path).rt_ms.tolist() == pytest.approx([512.3, 600.0])
