"""Folders in the published layouts, made up."""

from pathlib import Path

import cv2
import numpy as np

SIZE = (64, 48)


def write_picture(path: Path, size_px=SIZE, colour=(200, 30, 30)):
    """A JPEG of one colour (RGB)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((size_px[1], size_px[0], 3), colour[::-1], np.uint8)
    assert cv2.imwrite(str(path), image)


def train_line(path, number=1, gaze=(0.5, 0.25), head=(10, 8, 30, 28), inout=1, eye=(0.3, 0.4)):
    body = "0.1,0.1,0.5,0.8"
    numbers = ",".join(map(str, (*eye, *gaze, *head)))
    return f"{path},{number},{body},{numbers},{inout},coco,False"


def annotator_line(path, gaze=(0.5, 0.25), eye=(0.3, 0.4), head=(10, 8, 30, 28), number=1):
    numbers = ",".join(map(str, (*eye, *gaze, *head)))
    return f"{path},{number},0.1,0.1,0.5,0.8,{numbers},coco,original/{path}"


def gazefollow_folder(root: Path, train=None, test=None, pictures=True, newline="\r\n"):
    """Six training pictures with two people in the first; two test people with three and two annotators."""
    names = [f"train/0000000{k}/0000{k}.jpg" for k in range(6)]
    if train is None:
        train = [train_line(name, k) for k, name in enumerate(names)]
        train.append(train_line(names[0], 10, inout=0, head=(40, 5, 60, 25), eye=(0.8, 0.3)))
    if test is None:
        test = [annotator_line("test2/0/a.jpg", gaze) for gaze in ((0.1, 0.2), (0.3, 0.2), (0.2, 0.5))]
        test += [
            annotator_line("test2/0/a.jpg", gaze, (0.7, 0.4), (40, 8, 55, 28))
            for gaze in ((0.9, 0.9), (1, 1))
        ]
    if pictures:
        for line in (*train, *test):
            write_picture(root / line.split(",")[0])
    root.mkdir(parents=True, exist_ok=True)
    for name, lines in (("train", train), ("test", test)):
        text = newline.join([*lines, ""])
        (root / f"{name}_annotations_release.txt").write_bytes(text.encode("utf-8-sig"))
    return root


def attention_target_folder(root: Path, pictures=True):
    """Two training shows and a test show of a clip each, with two people; the second is there in some frames only."""
    for part, show in (("train", "Alpha"), ("train", "Beta"), ("test", "Gamma")):
        folder = root / "annotations" / part / show / "100_200"
        folder.mkdir(parents=True)
        first = [
            f"{k:08d}.jpg,{10 + k},5,{30 + k},25,{32 if k % 2 else -1},{24 if k % 2 else -1}"
            for k in range(6)
        ]
        second = [f"{k:08d}.jpg,40,5,60,25,-3,24" for k in range(2, 5)]
        (folder / "s00.txt").write_text("\n".join(first) + "\n")
        (folder / "s01.txt").write_text("\n".join(second) + "\n")
        (root / "images" / show / "100_200").mkdir(parents=True)
        for k in range(6) if pictures else ():
            write_picture(root / "images" / show / "100_200" / f"{k:08d}.jpg")
    return root


CHILDPLAY_HEADER = (
    "clip,frame,person_id,bbox_x,bbox_y,bbox_width,bbox_height,gaze_class,gaze_x,gaze_y,is_child"
)


def childplay_folder(root: Path):
    """A clip in each part, with a child in all of its six frames and an adult in the first."""
    for part, clip in (("train", "a_b-C_11-16"), ("val", "dEf_21-26"), ("test", "xYz_31-42-downsampled")):
        classes = (
            "inside_visible",
            "outside_frame",
            "gaze_shift",
            "inside_occluded",
            "eyes_closed",
            "inside_visible",
        )
        gaze = {"inside_visible": "32,24"}
        lines = [
            f"{clip},{k},1,10,5,20,20,{name},{gaze.get(name, '-1,-1')},1" for k, name in enumerate(classes, 1)
        ]
        lines.append(f"{clip},1,2,40,5,20,20,inside_visible,64,48,0")
        lines.append(f"{clip},2,2,40,5,20,20,inside_visible,-1,-1,0")
        path = root / "annotations" / part / f"{clip}.csv"
        path.parent.mkdir(parents=True)
        path.write_text("\n".join([CHILDPLAY_HEADER, *lines]) + "\n")
        video, start = clip.removesuffix("-downsampled").rsplit("_", 1)
        for k in range(6):
            write_picture(root / "images" / clip / f"{video}_{int(start.split('-')[0]) + k}.jpg")
    return root
