"""Checked reading of text, JSON and tables: what is right is read, what is broken is told by place."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gazekit.errors import RecordingError
from gazekit.recordings.files import json_lines, read_bytes, read_csv, read_json, read_text

FAST = settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(tmp_path: Path, content: str | bytes, name: str = "x.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_text_encodings(tmp_path: Path) -> None:
    for encoding, noted in (("utf-8", False), ("utf-8-sig", False), ("utf-16", False), ("latin-1", True)):
        text, notes = read_text(write(tmp_path, "a\nÄÖ\n".encode(encoding)))
        assert text == "a\nÄÖ\n"
        assert bool(notes) == noted and (not noted or "line 2" in notes[0])
    with pytest.raises(RecordingError, match="line 2: found a zero byte"):
        read_text(write(tmp_path, b"a\nb\0"))
    with pytest.raises(RecordingError, match="UTF-16"):
        read_text(write(tmp_path, b"\xff\xfea"))
    with pytest.raises(FileNotFoundError, match=r"nothing\.txt"):
        read_text(tmp_path / "nothing.txt")
    with pytest.raises(RecordingError, match="cannot be read"):
        read_text(tmp_path)


def test_gzip_whole_cut_and_broken(tmp_path: Path) -> None:
    whole = b"".join(b"%d\n" % i for i in range(3000))
    packed = gzip.compress(whole[:5000]) + gzip.compress(whole[5000:])  # two members are one file
    assert read_bytes(write(tmp_path, packed, "x.gz")) == (whole, [])
    for size in [*range(0, len(packed), 211), len(packed) - 1]:
        path = write(tmp_path, packed[:size], "x.gz")
        if size == len(gzip.compress(whole[:5000])):
            continue
        with pytest.raises(RecordingError, match=r'gzip file ends too early.*truncated="keep"'):
            read_bytes(path)
        content, notes = read_bytes(path, "keep")
        assert whole.startswith(content) and "is cut" in notes[0]
    with pytest.raises(RecordingError, match="not a readable gzip"):
        read_bytes(write(tmp_path, whole, "x.gz"))


def test_json(tmp_path: Path) -> None:
    assert read_json(write(tmp_path, '{"a": [1]}')) == {"a": [1]}
    for content, message in (
        ('{"a": 1', "is it complete"), ("[1]", "expected a JSON object, got list"), ("", "is it complete"),
        ('{"a": 1, "a": 2}', "'a' occurs twice"), ("[" * 100_000, "not readable JSON"),
    ):  # fmt: skip
        with pytest.raises(RecordingError, match=message):
            read_json(write(tmp_path, content))


def read_json_lines(path: Path, truncated: str = "error") -> tuple[list[dict], list[str]]:
    notes: list[str] = []
    return list(json_lines(path, truncated, notes)), notes


def test_json_lines(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"t": i, "name": "ä"}) + "\n" for i in range(20)).encode()
    assert [r["t"] for r in read_json_lines(write(tmp_path, lines))[0]] == list(range(20))
    for size in range(0, len(lines), 7):
        path = write(tmp_path, lines[:size])
        whole = size == 0 or lines[: size + 1].endswith(b"}\n") or lines[:size].endswith(b"\n")
        if not whole:
            with pytest.raises(RecordingError, match="cut off in its last line"):
                read_json_lines(path)
        records, notes = read_json_lines(path, "keep")
        assert (
            len(records) == lines[: size + 1].count(b"\n")
            if whole
            else len(records) == lines[:size].count(b"\n")
        )
        assert bool(notes) != whole
    with pytest.raises(RecordingError, match="line 1: not readable JSON"):
        read_json_lines(write(tmp_path, b"{\n{}\n"))
    with pytest.raises(RecordingError, match="line 2: expected a JSON object, got int"):
        read_json_lines(write(tmp_path, b"{}\n3\n"))


def test_headers_are_matched_without_case_and_underscores(tmp_path: Path) -> None:
    path = write(
        tmp_path, "# Timestamp_[NS],note,,note,t_ns\n1700000000000000001,a,1,b,9\n1700000000000000003,,2,,9\n"
    )
    table, notes = read_csv(path, {"t_ns": "timestamp [ns]"}, {"y": "why"}, integers=["t_ns"])
    assert table["t_ns"].tolist() == [1700000000000000001, 1700000000000000003]  # exact to the last digit
    assert table.columns.tolist() == ["t_ns", "note", "unnamed (3)", "note (4)", "t_ns (5)"]
    assert notes == []
    table, _ = read_csv(path, {"t_ns": ("time", "timestamp [ns]")})
    assert len(table) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a header line"),
        ("\n1,2\n", "expected a header line"),
        ("a,c\n", "no column 'b', found: a, c"),
        ("a,b,A\n", "column 'a' occurs 2 times"),
        ("a,b\n1,2,3\n", "line 2: 3 fields, expected 2"),
        ("a,b\n1\n1,2\n", r"line 2: 1 fields, expected 2.*\(1 such"),
        ("a,b\n1,2\n3", 'line 3, the last: 1 fields.*was cut.*truncated="keep"'),
        ("a,b\n1,2\n1,x\n", "column 'b', row 2: expected a number, got 'x'"),
        ("a,b\n1,True\n", "column 'b', row 1: expected a number, got 'True'"),
        ("a,b\n1.5,1\n", "column 'a', row 1: expected a whole number"),
        ("a,b\n1,1\n,2\n", "column 'a', row 2: expected a whole number"),
        ('a,b\n"1,2\n', "fields, expected 2|not a readable table"),
        ('a,b\n1,"2\n3"\n', "column 'b', row 1"),
    ],
)
def test_broken_tables(tmp_path: Path, content: str, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(RecordingError, match=message) as caught:
        read_csv(path, {"a": "a", "b": "b"}, integers=["a"])
    assert str(path) in str(caught.value)


def test_missing_values_and_decimal_commas(tmp_path: Path) -> None:
    table, _ = read_csv(
        write(tmp_path, "a;b;c\n1,5;NA;x\n;-;\nnan;2,25; y\n"), {"a": "a", "b": "b", "c": "c"}, text=["c"],
        separator=";", decimal=",", missing=("", "NA", "-"),
    )  # fmt: skip
    np.testing.assert_array_equal(table["a"], [1.5, np.nan, np.nan])
    np.testing.assert_array_equal(table["b"], [np.nan, np.nan, 2.25])
    assert table["c"].tolist()[:2] == ["x", ""]


def test_a_long_table_takes_few_times_its_size(tmp_path: Path) -> None:
    path = write(tmp_path, "t,x\n" + "".join(f"{i},{i / 8:.3f}\n" for i in range(200_000)))
    read_csv(path, {"t": "t", "x": "x"})  # what pandas loads once
    tracemalloc.start()
    read_csv(path, {"t": "t", "x": "x"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6.3 * path.stat().st_size  # 7 where each letter takes four bytes


def test_file_without_header(tmp_path: Path) -> None:
    table, _ = read_csv(write(tmp_path, "1\t2\n3\t4\n"), {"b": "y"}, separator="\t", header=["x", "y"])
    assert table.to_dict("list") == {"b": [2, 4], "x": [1, 3]}
    with pytest.raises(RecordingError, match="line 2: 1 fields"):
        read_csv(write(tmp_path, "1\t2\n3\n"), {"b": "y"}, separator="\t", header=["x", "y"])


numbers = st.floats(allow_nan=True, allow_infinity=False)


@FAST
@given(
    rows=st.lists(
        st.tuples(st.integers(-(2**62), 2**62), numbers, st.text("abc ,\"'é;\n", max_size=6)), max_size=20
    )
)
def test_round_trip_with_pandas(tmp_path: Path, rows) -> None:
    frame = pd.DataFrame(rows, columns=["n", "x", "word"]).astype({"n": np.int64, "x": float, "word": str})
    path = tmp_path / "r.csv"
    frame.to_csv(path, index=False)
    table, notes = read_csv(path, {"n": "n", "x": "x", "word": "word"}, text=["word"], integers=["n"])
    assert notes == []
    assert table["n"].tolist() == frame["n"].tolist()
    np.testing.assert_array_equal(table["x"].astype(float), frame["x"])
    assert table["word"].tolist() == frame["word"].tolist()


def test_table_cut_anywhere(tmp_path: Path) -> None:
    content = "t,x,word\n" + "".join(f"{i},{i / 8:.3f},w{i}\n" for i in range(1000, 1030))
    whole, _ = read_csv(write(tmp_path, content), {"t": "t", "x": "x"})
    for size in range(len("t,x,word\n"), len(content), 3):
        path = write(tmp_path, content[:size])
        kept, notes = read_csv(path, {"t": "t", "x": "x"}, truncated="keep")
        n = content[:size].count("\n") - 1
        pd.testing.assert_frame_equal(kept, whole[:n], check_dtype=False)
        if content[:size].endswith("\n"):
            assert notes == []
            continue
        assert "was left out" in notes[0]
        try:
            _, notes = read_csv(path, {"t": "t", "x": "x"})
        except RecordingError as error:
            assert "was cut" in str(error)
        else:
            assert "no newline" in notes[0]


@FAST
@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_told(tmp_path: Path, content: bytes) -> None:
    for name in ("f.csv", "f.gz"):
        path = write(
            tmp_path, content if name == "f.csv" else gzip.compress(content)[: 10 + len(content)], name
        )
        for keep in ("error", "keep"):
            for reader in (
                lambda p, k=keep: read_csv(p, {"a": "a"}, truncated=k),
                lambda p, k=keep: read_csv(p, {"a": "a"}, header=["a", "b"], truncated=k),
                lambda p, k=keep: read_json_lines(p, k),
                lambda p, k=keep: read_json(p),
            ):
                try:
                    reader(path)
                except RecordingError as error:
                    assert str(path) in str(error)
