"""Gaze and head pose: the published 8-bit weights say of one face what OpenVINO said.

`astronaut_crops.npz` holds three crops (BGR, 60 x 60) of NASA's portrait of Eileen Collins (public domain).
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from gazekit.backbones.gaze import GazeNet, HeadPoseNet, load_crops_net
from gazekit.errors import DataError


@pytest.fixture(scope="module")
def crops():
    with np.load(Path(__file__).with_name("astronaut_crops.npz")) as file:
        return {name: torch.from_numpy(file[name]).permute(2, 0, 1)[None].float() for name in file.files}


def test_one_face(shared_data, crops):
    folder = shared_data / "omz_gaze_head_pose"
    golden = json.loads((folder / "golden.json").read_text())
    head = load_crops_net(HeadPoseNet, folder / "head_pose_estimation_adas_0001_int8.safetensors")
    gaze = load_crops_net(GazeNet, folder / "gaze_estimation_adas_0002_int8.safetensors")
    np.testing.assert_allclose(head(crops["head"])[0], golden["yaw_pitch_roll_int8"], atol=2e-3)
    yaw, pitch, _ = golden["yaw_pitch_roll_fp16"]
    found = gaze(crops["left_eye"], crops["right_eye"], torch.tensor([[yaw, pitch, 0.0]]))
    np.testing.assert_allclose(found[0], golden["gaze_vector_int8"], atol=2e-4)
    with pytest.raises(DataError, match="holds other weights than GazeNet has"):
        load_crops_net(GazeNet, folder / "head_pose_estimation_adas_0001_int8.safetensors")
