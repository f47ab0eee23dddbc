"""Pictures, folders, videos and cameras become batches; nothing is dropped without a word."""

import os
import signal
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from gazekit.errors import DataError, RecordingError
from gazekit.models.gaze_following import frames as frames_file
from gazekit.models.gaze_following.outputs import COLUMNS
from gazekit.models.gaze_following.reading import gaze_batches

SIZE_PX = (56, 70)


def write_video(path, pictures, gop=10, **options):
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"g": str(gop)}
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def noise(count, height=120, width=160):
    rng = np.random.default_rng(0)
    return [
        rng.integers(0, 256, (height // 10, width // 10, 3), np.uint8).repeat(10, 0).repeat(10, 1)
        for _ in range(count)
    ]


def write_heads(path, boxes, name="frame"):
    lines = [f"{key},{','.join(map(str, box))}" for key, box in boxes]
    path.write_text("\n".join([f"{name},x_min,y_min,x_max,y_max", *lines]) + "\n")
    return str(path)


@pytest.fixture
def clip(tmp_path):
    write_video(tmp_path / "clip.mp4", noise(20))
    boxes = [(k, (10 + 3 * k, 20, 40 + 3 * k, 60)) for k in range(20)] + [
        (k, (120, 20, 150, 60)) for k in range(5, 20)
    ]
    return tmp_path / "clip.mp4", write_heads(tmp_path / "heads.csv", boxes)


def read(*args, **options):
    items, batches = [], []
    for of_batch, batch in gaze_batches(*args, **options):
        items += of_batch
        batches.append(batch)
        check(of_batch, batch)
    return items, batches


def check(items, batch):
    """A batch is as `gaze_targets` says, and its people are the predicted items in order."""
    people = [look for look in items if look.predicted]
    count = len(people)
    assert (
        batch["image"].shape[1:] == (3, *SIZE_PX)
        and batch["image"].dtype == torch.uint8
        and len(batch["image"]) > 0
    )
    shapes = {
        "picture": (count,),
        "head_norm": (count, 4),
        "eye_norm": (count, 2),
        "pose_xy": (count, 2),
        "size_px": (count, 2),
        "group": (count,),
    }
    assert {name: tuple(batch[name].shape) for name in shapes} == shapes
    for k, look in enumerate(people):
        scale = np.tile(batch["size_px"][k].numpy(), 2)
        np.testing.assert_allclose(batch["head_norm"][k].numpy() * scale, look.head_px, atol=1e-4)


def test_a_video(clip):
    video, heads = clip
    items, batches = read(video, SIZE_PX, heads, batch_frames=8)
    assert [len(batch["image"]) for batch in batches] == [8, 8, 4]
    assert [look.picture.number for look in items if look.person == "1"] == list(range(20))
    assert [look.picture.number for look in items if look.person == "2"] == list(range(5, 20))
    assert {look.picture.t_ms for look in items if look.picture.number == 10} == {400.0}
    assert all((batch["group"] == 0).all() for batch in batches)
    assert items[0].picture.small.shape == (120, 160, 3)
    cap = cv2.VideoCapture(str(video))
    for k in range(3):
        expected = cv2.resize(cap.read()[1][:, :, ::-1], SIZE_PX[::-1], interpolation=cv2.INTER_AREA)
        difference = batches[0]["image"][k].permute(1, 2, 0).float() - torch.from_numpy(expected.copy())
        assert difference.abs().mean() < 2


def test_every_and_seconds(clip):
    video, heads = clip
    items, batches = read(video, SIZE_PX, heads, every=4, seconds=0.5, max_side_px=80)
    assert [look.picture.number for look in items] == [0, 4, 8, 8, 12, 12] and len(batches) == 1
    assert items[0].picture.small.shape == (60, 80, 3)
    for every in (0, 1.5):
        with pytest.raises(ValueError, match="must be a positive integer"):
            read(video, SIZE_PX, heads, every=every)


def test_a_folder(tmp_path, capsys):
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    wide, tall = noise(2)[0], np.ascontiguousarray(noise(2)[1].transpose(1, 0, 2))
    for name, picture in (("a.png", wide), ("a.jpg", tall), ("c.png", wide), ("below/d.png", wide)):
        cv2.imwrite(str(folder / name), picture)
    (folder / "broken.png").write_bytes((folder / "a.png").read_bytes()[:40])
    (folder / "half.jpg").write_bytes(
        (folder / "a.jpg").read_bytes()[: (folder / "a.jpg").stat().st_size // 2]
    )
    (folder / "notes.txt").write_text("no picture")
    boxes = [
        ("a.png", (90, 5, 120, 40)),
        ("a.png", (-10, 5, 20, 40)),
        ("a.png", (200, 5, 230, 40)),
        ("a.jpg", (0, 0, 120, 160)),
    ]
    heads = write_heads(tmp_path / "heads.csv", boxes, "picture")
    items, (first, second, _) = read(folder, SIZE_PX, heads, batch_frames=2)
    assert [(look.picture.picture, look.person, look.error) for look in items] == [
        ("a.jpg", "1", ""),
        ("a.png", "1", ""),
        ("a.png", "2", ""),
        ("a.png", "3", "the head lies outside the picture"),
        ("broken.png", "", "not a picture that can be read, is the file complete?"),
        ("c.png", "", "no head found"),
        ("half.jpg", "", "not a picture that can be read, is the file complete?"),
    ]
    assert items[1].head_px.tolist() == [-10, 5, 20, 40]  # from left to right
    assert first["size_px"].tolist() == [[120, 160], [160, 120], [160, 120]] and first["group"].tolist() == [
        0,
        1,
        1,
    ]
    assert len(second["image"]) == 1 and len(second["picture"]) == 0
    assert [look.picture.label for look in items[::2]] == ["a.jpg", "a.png", "broken", "half"]
    assert "broken.png, frame 0: not a picture" in capsys.readouterr().err


@pytest.mark.parametrize("video", [False, True])
def test_a_number_that_is_a_name_is_not_given_again(tmp_path, clip, video):
    input = clip[0] if video else tmp_path / "a.png"
    if not video:
        cv2.imwrite(str(input), noise(1)[0])
    lines = ["0,10,10,40,40,", "0,50,10,80,40,1", "0,90,10,120,40,", "0,130,10,150,40,03"]
    text = "\n".join(["frame,x_min,y_min,x_max,y_max,person", *lines]) + "\n"
    (tmp_path / "heads.csv").write_text(text if video else text.replace("\n0,", "\na,"))
    items, _ = read(input, SIZE_PX, str(tmp_path / "heads.csv"), every=20)
    assert [(look.person, look.head_px[0]) for look in items] == [
        ("1", 50),
        ("2", 10),
        ("4", 90),
        ("03", 130),
    ]


def test_pictures_are_turned_as_they_are_shown(tmp_path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(1)[0]).save(tmp_path / "a.jpg", exif=exif)
    heads = write_heads(tmp_path / "heads.csv", [("a.jpg", (10, 130, 40, 155))], "picture")
    (look,), _ = read(tmp_path / "a.jpg", SIZE_PX, heads)
    assert look.picture.size_px == (120, 160) and look.predicted


def test_only_broken_pictures_still_make_a_batch(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no")
    items, (batch,) = read(
        tmp_path / "a.png", SIZE_PX, write_heads(tmp_path / "h.csv", [("a.png", (0, 0, 1, 1))], "picture")
    )
    assert [look.predicted for look in items] == [False] and not batch["image"].any()


def test_a_video_that_was_cut_off_is_read_as_far_as_it_goes(tmp_path, capsys):
    write_video(tmp_path / "whole.mp4", noise(40), movflags="faststart")
    content = (tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: len(content) * 2 // 3])
    heads = write_heads(tmp_path / "heads.csv", [(k, (10, 20, 40, 60)) for k in range(40)])
    items, _ = read(tmp_path / "cut.mp4", SIZE_PX, heads)
    good = [look.picture.number for look in items if look.predicted]
    bad = [look for look in items if not look.predicted]
    assert good == list(range(len(good))) and len(good) > 20
    assert [look.picture.number for look in bad] == list(range(len(good), len(good) + len(bad)))
    assert "cannot be decoded" in bad[0].error and "what follows is missing" in bad[-1].error
    assert "cannot be decoded" in capsys.readouterr().err


def test_many_broken_pictures_are_told_in_short(tmp_path, capsys):
    for k in range(9):
        (tmp_path / f"{k}.png").write_bytes(b"no")
    read(tmp_path, SIZE_PX, write_heads(tmp_path / "h.csv", [("0.png", (0, 0, 1, 1))], "picture"))
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 6 and told[-1] == "... and 4 more, see `error` in gaze.csv"


def test_faces_of_photographs(shared_data):
    photo = shared_data / "osie" / "stimuli_sample" / "1051.jpg"
    items, (batch,) = read(photo, SIZE_PX, face_weights=str(shared_data / "yunet_face"))
    assert [look.person for look in items] == ["1", "2"]
    assert items[0].head_px[0] < 150 < 600 < items[1].head_px[2]
    assert not torch.allclose(
        batch["eye_norm"], (batch["head_norm"][:, :2] + batch["head_norm"][:, 2:]) / 2, atol=0.005
    )
    cat = shared_data / "squeezenet_imagenet" / "cat.jpg"
    items, _ = read(cat, SIZE_PX, face_weights=str(shared_data / "yunet_face" / "yunet_n_dynamic.onnx"))
    assert [look.error for look in items] == ["no head found"]


def test_the_pose_of_faces(shared_data, tmp_path):
    photo = shared_data / "osie" / "stimuli_sample" / "1051.jpg"
    weights = {
        "face_weights": str(shared_data / "yunet_face"),
        "pose_weights": str(shared_data / "omz_gaze_head_pose"),
    }
    _, (found,) = read(photo, SIZE_PX, **weights)
    assert found["pose_xy"][0, 0] > 0.8 > -0.8 > found["pose_xy"][1, 0]  # they face each other
    torch.testing.assert_close(found["pose_xy"].norm(dim=1), torch.ones(2))
    boxes = [("1051.jpg", (20, 130, 170, 300)), ("1051.jpg", (400, 20, 420, 50))]
    _, (given,) = read(photo, SIZE_PX, write_heads(tmp_path / "h.csv", boxes, "picture"), **weights)
    torch.testing.assert_close(given["pose_xy"][0], found["pose_xy"][0])
    assert given["pose_xy"][1].isnan().all()
    _, (without,) = read(photo, SIZE_PX, write_heads(tmp_path / "h.csv", boxes, "picture"))
    assert without["pose_xy"].shape == (2, 2) and without["pose_xy"].isnan().all()


def test_a_person_in_a_video_keeps_the_number(tmp_path, shared_data):
    """Real faces that drift to the left: detected and tracked."""
    photo = cv2.imread(str(shared_data / "osie" / "stimuli_sample" / "1051.jpg"))[:, :, ::-1]
    write_video(tmp_path / "v.mp4", [np.ascontiguousarray(np.roll(photo, -8 * k, 1)) for k in range(8)])
    items, _ = read(tmp_path / "v.mp4", SIZE_PX, face_weights=str(shared_data / "yunet_face"))
    for person in "12":
        mine = [look for look in items if look.person == person]
        assert [look.picture.number for look in mine] == list(range(8))
        np.testing.assert_allclose(np.diff([look.head_px[0] for look in mine]), -8, atol=4)


def test_errors(tmp_path, clip):
    video, heads = clip
    with pytest.raises(FileNotFoundError, match=r"where are the heads\? Give their boxes with heads=FILE"):
        read(video, SIZE_PX, face_weights=str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="has no picture"):
        read(tmp_path / "empty", SIZE_PX, heads)
    (tmp_path / "a.txt").write_text("no video")
    with pytest.raises(RecordingError, match="not a readable video"):
        read(tmp_path / "a.txt", SIZE_PX, heads)
    cv2.imwrite(str(tmp_path / "a.png"), noise(1)[0])
    with pytest.raises(DataError, match=r"no line is of a\.png"):
        read(
            tmp_path / "a.png", SIZE_PX, write_heads(tmp_path / "h.csv", [("b.png", (0, 0, 1, 1))], "picture")
        )
    with pytest.raises(DataError, match="no line is of 0, 1, 2; the file has heads in 2575"):
        read(video, SIZE_PX, write_heads(tmp_path / "h.csv", [("00002575.jpg", (0, 0, 1, 1))]))
    with pytest.raises(RecordingError, match="/dev/null cannot be opened as a camera"):
        read(Path("/dev/null"), SIZE_PX, heads)


class Camera:
    """Gives five pictures; Ctrl-C is pressed at the third if wanted."""

    interrupt = False

    def __init__(self, device):
        self.count, self.released = 0, False
        Camera.last = self

    def isOpened(self):
        return True

    def read(self):
        self.count += 1
        if self.interrupt and self.count == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return self.count <= 5, np.full((60, 80, 3), self.count, np.uint8)

    def release(self):
        self.released = True


@pytest.mark.parametrize("interrupt", [False, True])
def test_a_camera(monkeypatch, tmp_path, interrupt):
    monkeypatch.setattr(frames_file.cv2, "VideoCapture", Camera)
    monkeypatch.setattr(Camera, "interrupt", interrupt)
    before = signal.getsignal(signal.SIGINT)
    heads = write_heads(tmp_path / "h.csv", [(k, (10, 10, 30, 30)) for k in range(9)])
    items, _ = read(Path("/dev/null"), SIZE_PX, heads, batch_frames=2)
    assert [look.picture.number for look in items if look.predicted] == list(range(3 if interrupt else 5))
    assert items[-1].error == ("" if interrupt else "the camera gave no frame; reading stopped")
    assert Camera.last.released and signal.getsignal(signal.SIGINT) is before
    assert all(a.picture.t_ms <= b.picture.t_ms for a, b in pairwise(items[:-1]))
    if not interrupt:
        assert read(Path("/dev/null"), SIZE_PX, heads, seconds=0.0)[0] == []
    (tmp_path / "gaze.csv").write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(ValueError, match="resume= needs a file"):
        read(Path("/dev/null"), SIZE_PX, heads, resume=str(tmp_path / "gaze.csv"))
