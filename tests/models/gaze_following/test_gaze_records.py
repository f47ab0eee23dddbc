"""Tables, JSON and overlays of predictions; runs that are killed and resumed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from gazekit.errors import DataError
from gazekit.models.gaze_following.gaze_records import SHARED_RADIUS, gaze_records, shared_attention
from gazekit.models.gaze_following.outputs import COLUMNS, earlier_run
from gazekit.models.gaze_following.reading import gaze_batches
from gazekit.recordings.video import SceneVideo
from gazekit.run.predict import write_record

SIZE_PX = (56, 70)


def write_video(path, count, height=120, width=161):
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = height, width // 2 * 2, "yuv420p"
        for _ in range(count):
            picture = (
                rng.integers(0, 256, (height // 10, width // 2 * 2 // 10, 3), np.uint8)
                .repeat(10, 0)
                .repeat(10, 1)
            )
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def write_heads(path, count):
    """Two people who walk past each other, without names: the tracks number them. Nobody is in frame 3."""
    lines = ["frame,x_min,y_min,x_max,y_max"]
    for k in range(count):
        two = [(5 + 1.5 * k, 20, 35.125 + 1.5 * k, 60), (120 - 1.5 * k, 30, 150 - 1.5 * k, 70)]
        lines += [f"{k},{','.join(map(str, box))}" for box in two[:: (-1) ** k] if k != 3]
    path.write_text("\n".join(lines) + "\n")


def said_of(batch):
    """Who looks where depends on the head alone: at a point below it, out of frame if the head is on the right."""
    head = batch["head_norm"]
    point = torch.stack([head[:, 0], head[:, 3]], 1).clamp(0, 1)
    heat = torch.zeros(len(head), 64, 64)
    heat[torch.arange(len(head)), (point[:, 1] * 63).long(), (point[:, 0] * 63).long()] = 1
    way = torch.tensor([0.6, 0.8]).expand(len(head), 2)
    return {
        "heatmap": heat,
        "predicted_norm": point,
        "scores": (head[:, 2] < 0.8).float() * 0.8 + 0.1,
        "predicted_direction_xy": way,
    }


def run(folder, *args, stop_after=None, pause_s=0.0, **options):
    """As the command does it."""
    written = set()
    for count, (items, batch) in enumerate(gaze_batches(*args, **options)):
        if count == stop_after:
            return
        for name, content in gaze_records(items, said_of(batch)).items():
            write_record(folder / name, content, append=folder / name in written)
            written.add(folder / name)
        time.sleep(pause_s)


@pytest.fixture
def clip(tmp_path):
    write_video(tmp_path / "clip.mp4", 40)
    write_heads(tmp_path / "heads.csv", 40)
    return tmp_path / "clip.mp4", SIZE_PX, str(tmp_path / "heads.csv")


def test_a_video(tmp_path, clip):
    run(tmp_path / "out", *clip, batch_frames=6, heat_maps=True)
    table = pd.read_csv(tmp_path / "out" / "gaze.csv", dtype={"person": str, "shared_with": str})
    assert tuple(table.columns) == COLUMNS and len(table) == 79
    assert table["frame"].is_monotonic_increasing and (table["t_ms"] == table["frame"] * 40).all()
    assert table[table["frame"] == 3]["error"].tolist() == ["no head found"]
    good = table[table["error"].isna()]
    assert set(good["person"]) == {"1", "2"}
    first = good[good["person"] == "1"]
    np.testing.assert_allclose(first["x_min"], 5 + 1.5 * first["frame"])
    outside = good["x_max"] / 160 >= 0.8
    assert (
        outside.any() and (good[outside]["p_inside"] < 0.5).all() and good[outside]["gaze_x_px"].isna().all()
    )
    inside = good[~outside]
    half_cell = 160 / 64 / 2, 120 / 64 / 2
    np.testing.assert_allclose(inside["gaze_x_px"], inside["x_min"] + half_cell[0], atol=0.02)
    np.testing.assert_allclose(inside["gaze_y_px"], inside["y_max"] + half_cell[1], atol=0.02)
    assert (good["direction_x"] == 0.6).all() and (good["direction_y"] == 0.8).all()
    for _, both in good.groupby("frame"):
        points = both.set_index("person")[["gaze_x_px", "gaze_y_px"]]
        close = np.hypot(*(points.loc["1"] - points.loc["2"])) <= 16  # 8 % of the diagonal
        assert both.set_index("person")["shared_with"].fillna("").to_dict() == (
            {"1": "2", "2": "1"} if close else {"1": "", "2": ""}
        )
    assert set(good["shared_with"].dropna()) == {"1", "2"}
    lines = [json.loads(line) for line in (tmp_path / "out" / "gaze.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(40)) and lines[3]["error"] == "no head found"
    gaze_px = lines[0]["people"][0]["gaze_px"]
    assert gaze_px == first.iloc[0][["gaze_x_px", "gaze_y_px"]].tolist()
    person = lines[0]["people"][1]
    assert (
        person["p_inside"] == 0.1
        and person["gaze_px"] == [None, None]
        and np.shape(person["heat_map"]) == (64, 64)
    )
    assert lines[0]["people"][0]["head_px"]["x_max"] == first.iloc[0]["x_max"] == 35.12


def test_the_annotated_video_has_the_frames_and_their_times(tmp_path, clip):
    run(tmp_path / "out", *clip, batch_frames=7, every=2)
    with SceneVideo(clip[0]) as source, SceneVideo(tmp_path / "out" / "overlays.mp4") as drawn:
        assert len(drawn) == 20 and drawn.size_px == (160, 120)
        np.testing.assert_allclose(drawn.t_ms, source.t_ms[::2], atol=0.1)
        for k in (0, 10, 19):
            change = np.abs(drawn.read(k).astype(int) - source.read(2 * k)).mean(2)
            assert 0.05 < (change > 60).mean() < 0.6  # drawn over, but most of the picture is seen


def test_pictures(tmp_path, capsys):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(folder / name), np.full((90, 120, 3), 128, np.uint8))
    (folder / "c.png").write_bytes(b"no")
    (tmp_path / "h.csv").write_text("picture,x_min,y_min,x_max,y_max\na,10,10,40,40\na,14,12,44,42\n")
    run(tmp_path / "out", folder, SIZE_PX, str(tmp_path / "h.csv"))
    table = pd.read_csv(tmp_path / "out" / "gaze.csv", dtype={"person": str, "shared_with": str})
    assert table["picture"].tolist() == ["a.png", "a.png", "b.png", "c.png"]
    assert (
        table["shared_with"].tolist()[:2] == ["2", "1"]
        and table["error"].notna().tolist() == [False] * 2 + [True] * 2
    )
    assert sorted(p.name for p in (tmp_path / "out" / "overlays").iterdir()) == ["a.png", "b.png"]
    drawn, plain = (cv2.imread(str(tmp_path / "out" / "overlays" / f"{name}.png")) for name in "ab")
    assert (plain == 128).all() and (drawn != 128).any() and drawn.shape == (90, 120, 3)
    run(tmp_path / "bare", folder, SIZE_PX, str(tmp_path / "h.csv"), overlays=False)
    assert sorted(p.name for p in (tmp_path / "bare").iterdir()) == ["gaze.csv", "gaze.jsonl"]


def test_a_system_that_says_nothing_of_in_or_out(tmp_path, clip):
    """The target is shown, its probability is empty; a person of whom nothing is said has no target either."""
    items, batch = next(gaze_batches(*clip, batch_frames=1))
    said = said_of(batch) | {"scores": torch.full((2,), torch.nan)}
    said["predicted_norm"][1] = said["heatmap"][1] = torch.nan
    said["predicted_direction_xy"] = torch.full((2, 2), torch.nan)
    for name, content in gaze_records(items, said).items():
        write_record(tmp_path / name, content, append=False)
    table = pd.read_csv(tmp_path / "gaze.csv")
    assert table["p_inside"].isna().all() and table["gaze_x_px"].notna().tolist() == [True, False]
    people = json.loads((tmp_path / "gaze.jsonl").read_text(), parse_constant=pytest.fail)["people"]
    assert people[0]["p_inside"] is None and people[1]["direction"] == [None, None]


def test_gaze_csv_is_a_file_of_heads(tmp_path, clip):
    run(tmp_path / "one", *clip)
    run(tmp_path / "two", *clip[:2], str(tmp_path / "one" / "gaze.csv"))
    assert (tmp_path / "one" / "gaze.csv").read_text() == (tmp_path / "two" / "gaze.csv").read_text()


def test_shared_attention():
    targets = np.array([[10.0, 10.0], [10.0, 89.0], [10.0, 168.0], [np.nan, np.nan], [500.0, 10.0]])
    shared = shared_attention(targets, (800, 600))  # the diagonal is 1000
    assert SHARED_RADIUS == 0.08
    assert np.argwhere(shared).tolist() == [[0, 1], [1, 0], [1, 2], [2, 1]]
    assert shared_attention(np.zeros((0, 2)), (8, 6)).shape == (0, 0)
    assert not shared_attention(np.zeros((1, 2)), (8, 6)).any()


def test_too_few_predictions_are_an_error(clip):
    items, batch = next(gaze_batches(*clip))
    said = {name: value[1:] for name, value in said_of(batch).items()}
    with pytest.raises(ValueError, match="14 people were to be predicted, but the system said"):
        gaze_records(items, said)


@pytest.fixture
def whole(tmp_path, clip):
    run(tmp_path / "whole", *clip, batch_frames=4)
    return tmp_path / "whole"


@pytest.mark.parametrize(
    "cut", ["nothing", "in a line", "between the lines of a frame", "all but the header"]
)
@pytest.mark.parametrize("same_folder", [True, False])
def test_going_on(tmp_path, clip, whole, cut, same_folder):
    run(tmp_path / "first", *clip, batch_frames=4, stop_after=5)
    table = tmp_path / "first" / "gaze.csv"
    lines = table.read_text().splitlines(keepends=True)
    assert len(lines) == 1 + 39  # frames 0 to 19
    keep = {"nothing": lines, "in a line": [*lines[:-1], lines[-1][:9]], "all but the header": lines[:1]}
    table.write_text("".join(keep.get(cut, lines[:-1])))
    out = tmp_path / "first" if same_folder else tmp_path / "second"
    run(out, *clip, batch_frames=4, resume=str(table))
    for name in ("gaze.csv", "gaze.jsonl"):
        assert (out / name).read_text() == (whole / name).read_text()
    first = {"all but the header": 0}.get(cut, 19)
    name = f"overlays_from_{first:06d}.mp4" if first else "overlays.mp4"
    with SceneVideo(out / name) as video:
        assert len(video) == 40 - first


def test_done_frames_are_not_predicted_again(tmp_path, clip, whole):
    batches = list(gaze_batches(*clip, resume=str(whole / "gaze.csv")))
    assert [[look.picture.number for look in items] for items, _ in batches] == [[39, 39]]
    assert [look.person for look in batches[0][0]] == ["1", "2"]


def test_wrong_files_to_go_on_with(tmp_path, clip):
    table = tmp_path / "gaze.csv"
    with pytest.raises(FileNotFoundError, match="does not exist, expected the gaze"):
        next(gaze_batches(*clip, resume=str(table)))
    table.write_text("frame,x\n1,2\n")
    with pytest.raises(DataError, match="expected the columns picture,frame"):
        next(gaze_batches(*clip, resume=str(table)))
    row = ",".join(["other.mp4", "0", *[""] * 13])
    table.write_text("\n".join([",".join(COLUMNS), row, row.replace("0", "1")]) + "\n")
    with pytest.raises(DataError, match=r"is of another input: it has other\.mp4, the input clip\.mp4"):
        next(gaze_batches(*clip, resume=str(table)))
    table.write_text("\n".join([",".join(COLUMNS), row[:-3], row]) + "\n")
    with pytest.raises(DataError, match="line 2: not a line of"):
        next(gaze_batches(*clip, resume=str(table)))
    damaged = "clip.mp4,0,0,1,5,2x,9,8" + "," * 7
    table.write_text("\n".join([",".join(COLUMNS), damaged, row]) + "\n")
    with pytest.raises(DataError, match="line 2: not a line of"):
        next(gaze_batches(*clip, resume=str(table)))
    table.write_bytes((",".join(COLUMNS) + "\n").encode() + b"\xff\n")
    with pytest.raises(DataError, match="expected text in UTF-8"):
        next(gaze_batches(*clip, resume=str(table)))


def test_a_file_that_ends_within_a_character(tmp_path):
    rows = [f"Zoë.mp4,{k},{40 * k},Zoë,5,2,9,8" + "," * 7 for k in range(3)]
    content = "\n".join([",".join(COLUMNS), *rows]).encode()
    (tmp_path / "gaze.csv").write_bytes(content[: content.rindex("ë".encode()) + 1])
    earlier = earlier_run(tmp_path / "gaze.csv")
    assert earlier.done == (("Zoë.mp4", 0),) and earlier.csv == rows[0] + "\n"
    assert earlier.boxes[earlier.done[0]].tolist() == [[5, 2, 9, 8]]


def test_killed_in_between(tmp_path, clip, whole):
    """At most the batch at work is lost, the video plays, and going on gives what a whole run gives."""
    program = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); from test_gaze_records import *; "
        f"run(Path({str(tmp_path / 'killed')!r}), Path({str(clip[0])!r}), SIZE_PX, {clip[2]!r}, "
        "batch_frames=4, pause_s=0.2)"
    )
    table = tmp_path / "killed" / "gaze.csv"
    process = subprocess.Popen([sys.executable, "-c", program])
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not table.exists() or table.read_text().count("\n") < 14):
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done = pd.read_csv(table)["frame"].max() + 1
    assert 8 <= done < 40 and done % 4 == 0
    with SceneVideo(tmp_path / "killed" / "overlays.mp4", on_damage="keep") as video:
        assert done - 1 <= len(video) <= done + 4
        assert video.read(0).shape == (120, 160, 3)
    run(tmp_path / "killed", *clip, batch_frames=4, resume=str(table))
    for name in ("gaze.csv", "gaze.jsonl"):
        assert (tmp_path / "killed" / name).read_text() == (whole / name).read_text()
