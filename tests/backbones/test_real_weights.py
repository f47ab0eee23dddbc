"""Published weights against the outputs of the original programs, which lie beside them."""

import json

import cv2
import numpy as np
import pytest
import torch

from gazekit.backbones import load_backbone
from gazekit.backbones.detection import detect
from gazekit.errors import DataError

FOLDERS = {
    "squeezenet1_0": "squeezenet_imagenet",
    "vit_tiny": "vit_tiny_imagenet",
    "mobilenet_v2": "mobilenet_v2_imagenet",
    "attention_center": "attention_center_saliency",
    "deeplab_voc": "deeplab_mnv2_voc",
    "yunet": "yunet_face",
    "yolox_nano": "yolox_nano_coco",
}


@pytest.fixture(scope="module")
def cat(shared_data):
    return cv2.imread(str(shared_data / "squeezenet_imagenet" / "cat.jpg"))[:, :, ::-1].copy()


def said(shared_data, name, image, layers=None):
    backbone = load_backbone(name, shared_data / FOLDERS[name], layers)
    return backbone(backbone.preprocess([image]))


@pytest.mark.parametrize(
    ("name", "tolerance", "expected"),
    [
        ("squeezenet1_0", 0.025, {282: 0.542, 281: 0.297, 285: 0.161}),  # of another program's resizing
        ("vit_tiny", 0.002, {281: 0.5303, 282: 0.3005, 285: 0.1511}),
        ("mobilenet_v2", 0.001, {281: 0.536, 285: 0.309, 282: 0.099}),
    ],
)
def test_the_cat_is_a_cat(shared_data, cat, name, tolerance, expected):
    probability = said(shared_data, name, cat, ["logits"])["logits"].softmax(1)[0]
    for number, value in expected.items():
        assert probability[number] == pytest.approx(value, abs=tolerance)
    assert probability.topk(3).indices.tolist() == sorted(expected, key=expected.get, reverse=True)


def test_tokens_of_vit_tiny(shared_data, cat):
    golden = json.loads((shared_data / "vit_tiny_imagenet" / "golden.json").read_text())
    golden = golden["squeezenet_imagenet/cat.jpg"]
    found = said(shared_data, "vit_tiny", cat, ["norm", "class"])
    patches = found["norm"][0].flatten(1).T
    np.testing.assert_allclose(found["class"][0, :5], golden["cls_token_first5"], atol=0.05)
    np.testing.assert_allclose(patches[90, :5], golden["patch_token_90_first5"], atol=0.02)
    assert patches.norm(dim=1).mean() == pytest.approx(golden["mean_patch_norm"], rel=1e-3)


def test_deeplab_finds_the_cat(shared_data, cat):
    classes = (
        said(shared_data, "deeplab_voc", cat, ["logits"])["logits"].argmax(1).flatten().bincount(minlength=21)
    )
    assert classes[8] > 0.4 * classes.sum() and classes[0] + classes[8] == classes.sum()


def test_people_look_where_attention_center_says(shared_data):
    """NSS on the sample of OSIE, whose published value is 2.30 over 60 pictures; the centre alone has 0.86."""
    from gazekit.datasets import load

    dataset = load("osie", shared_data / "osie", on_bad_record="skip")
    backbone = load_backbone("attention_center", shared_data / FOLDERS["attention_center"], ["saliency"])
    scores = []
    for number in [i for i, scene in enumerate(dataset.scenes) if scene.image_path is not None][:60:12]:
        picture = cv2.imread(str(dataset.scenes[number].image_path))[:, :, ::-1].copy()
        saliency = backbone(backbone.preprocess([picture]))["saliency"][0, 0]
        z = (saliency - saliency.mean()) / saliency.std()
        xy = np.concatenate([t.scanpath.xy_px[1:] for t in dataset.trials if t.scene == number])
        column, row = (xy * (640, 480) / dataset.scenes[number].size_px).astype(int).T
        inside = (column >= 0) & (column < 640) & (row >= 0) & (row < 480)
        scores.append(z.numpy()[row[inside], column[inside]].mean())
    assert 1.5 < np.mean(scores) < 3.5


def test_faces_are_those_of_opencv(shared_data):
    backbone = load_backbone("yunet", shared_data / FOLDERS["yunet"])
    paths = sorted((shared_data / "osie" / "stimuli_sample").glob("*.jpg"))[:8]
    pictures = [cv2.resize(cv2.imread(str(path)), (640, 480)) for path in paths]
    theirs = cv2.FaceDetectorYN.create(
        str(shared_data / "yunet_face" / "yunet_n_dynamic.onnx"), "", (640, 480), 0.7, 0.3
    )
    faces = 0
    for picture, found in zip(
        pictures, detect(backbone, [p[:, :, ::-1] for p in pictures], 0.7, 0.3), strict=True
    ):
        expected = theirs.detect(picture)[1]
        expected = np.zeros((0, 15)) if expected is None else expected
        faces += len(expected)
        x, y, width, height = expected[:, :4].T
        np.testing.assert_allclose(found.boxes_px, np.stack([x, y, x + width, y + height], 1), atol=0.05)
        np.testing.assert_allclose(found.landmarks_px.flatten(1), expected[:, 4:14], atol=0.05)
        np.testing.assert_allclose(found.score, expected[:, 14], atol=1e-3)
    assert faces > 0


def test_the_published_file_of_yunet_has_the_same_weights(shared_data, tmp_path):
    folder = shared_data / "yunet_face"
    converted, published = (
        load_backbone("yunet", folder / name).net.state_dict()
        for name in ("yunet_n.safetensors", "yunet_n_dynamic.onnx")
    )
    assert converted.keys() == published.keys()
    assert all(torch.equal(published[name], values) for name, values in converted.items())
    whole = (folder / "yunet_n_dynamic.onnx").read_bytes()
    for damaged in (whole[:1000], whole[:-1], b"", b"\xff" * 50):
        (tmp_path / "own.onnx").write_bytes(damaged)
        with pytest.raises(DataError, match=r"own\.onnx is no ONNX file"):
            load_backbone("yunet", tmp_path / "own.onnx")


def test_yolox_finds_the_cat(shared_data, cat):
    names = (shared_data / "yolox_nano_coco" / "coco_classes.txt").read_text().split("\n")
    backbone = load_backbone("yolox_nano", shared_data / FOLDERS["yolox_nano"])
    noise = np.random.default_rng(0).integers(0, 256, (300, 100, 3), dtype=np.uint8)
    found, none = detect(backbone, [cat, noise])
    assert [names[label] for label in found.label] == ["cat"] and len(none.score) == 0
    assert found.score.item() == pytest.approx(0.68, abs=0.01)
    height, width = cat.shape[:2]
    x_min, y_min, x_max, y_max = found.boxes_px[0].tolist()
    assert 0 < x_min < 0.2 * width and 0 < y_min < 0.2 * height
    assert 0.8 * width < x_max < 1.02 * width and 0.8 * height < y_max < 1.02 * height
    with pytest.raises(ValueError, match="has no head layers of a detector"):
        detect(load_backbone("yolox_nano", "random", ["stride8"]), [cat])
