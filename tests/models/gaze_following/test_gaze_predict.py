"""`gazekit predict` with a checkpoint of gaze following: photographs and a video with faces, whatever the weights."""

import json
import subprocess
import sys

import av
import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from gazekit.models.gaze_following import ViTGaze
from gazekit.recordings.video import SceneVideo

BACKBONE = {"width": 32, "depth": 4, "heads": 2, "patch_px": 14, "grid": 4}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    settings, facts = {"backbone": BACKBONE, "weights": "random"}, {"size_px": [56, 70]}
    system = ViTGaze(facts, **settings)
    recipe = {
        "target": "gazekit.models.gaze_following.ViTGaze",
        "settings": settings,
        "facts": facts,
        "name": "vitgaze",
        "baselines": {},
        "data": {},
        "metrics": {},
    }
    path = tmp_path_factory.mktemp("checkpoint") / "best.ckpt"
    torch.save({"gazekit": recipe, "state_dict": system.state_dict(), "global_step": 0}, path)
    return path


def predict(checkpoint, input, out, *options, code=0):
    command = [
        sys.executable,
        "-m",
        "gazekit",
        "predict",
        f"ckpt={checkpoint}",
        f"input={input}",
        f"run_dir={out}",
    ]
    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=checkpoint.parent)
    assert done.returncode == code, done.stderr
    return done


def test_photographs(checkpoint, shared_data, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in (1001, 1023, 1051):
        name = f"{number}.jpg"
        (folder / name).write_bytes((shared_data / "osie" / "stimuli_sample" / name).read_bytes())
    (folder / "broken.jpg").write_bytes(b"no picture")
    done = predict(
        checkpoint, folder, tmp_path / "out", f"face_weights={shared_data / 'yunet_face'}", "heat_maps=true"
    )
    assert "broken.jpg, frame 0: not a picture" in done.stderr
    table = pd.read_csv(tmp_path / "out" / "gaze.csv")
    assert table["picture"].value_counts().to_dict() == {
        "1023.jpg": 3,
        "1051.jpg": 2,
        "1001.jpg": 1,
        "broken.jpg": 1,
    }
    assert table["p_inside"].notna().sum() == 5
    assert sorted(p.name for p in (tmp_path / "out" / "overlays").iterdir()) == [
        "1001.png",
        "1023.png",
        "1051.png",
    ]
    lines = [json.loads(line) for line in (tmp_path / "out" / "gaze.jsonl").read_text().splitlines()]
    assert np.shape(lines[1]["people"][0]["heat_map"]) == (64, 64)


def test_a_video_and_going_on(checkpoint, shared_data, tmp_path):
    photo = cv2.imread(str(shared_data / "osie" / "stimuli_sample" / "1051.jpg"))[:, :, ::-1]
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 600, 800, "yuv420p"
        for k in range(10):
            picture = np.ascontiguousarray(np.roll(photo, -8 * k, 1))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    faces = f"face_weights={shared_data / 'yunet_face' / 'yunet_n_dynamic.onnx'}"
    out = tmp_path / "out"
    predict(checkpoint, tmp_path / "v.mp4", out, faces)
    whole = (out / "gaze.csv").read_text()
    table = pd.read_csv(out / "gaze.csv")
    assert table.groupby("person")["frame"].apply(list).to_dict() == {1: list(range(10)), 2: list(range(10))}
    with SceneVideo(out / "overlays.mp4") as video:
        assert len(video) == 10 and video.size_px == (800, 600)
    (out / "gaze.csv").write_text(whole[: len(whole) * 2 // 3])
    predict(checkpoint, tmp_path / "v.mp4", out, faces, f"resume={out / 'gaze.csv'}")
    again = pd.read_csv(out / "gaze.csv")
    pd.testing.assert_frame_equal(again, table, atol=1e-3)  # batches differ, and so do last digits


def test_what_is_missing_is_told(checkpoint, shared_data, tmp_path):
    photo = shared_data / "osie" / "stimuli_sample" / "1051.jpg"
    done = predict(checkpoint, photo, tmp_path / "out", code=2)
    assert "where are the heads? Give their boxes with heads=FILE" in done.stderr
    assert "data fetch yunet" in done.stderr
    assert "Traceback" not in done.stderr
