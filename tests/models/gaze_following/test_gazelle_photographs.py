"""Gaze-LLE's decoder over a real ImageNet transformer, on a photograph with faces found by a real detector."""

import torch

from gazekit.backbones import load_backbone
from gazekit.models.gaze_following import GazeLLE, RowsAndTokens

FACTS = {"size_px": [224, 224]}


def system(kind, shared_data):
    torch.manual_seed(0)
    weights = str(shared_data / "vit_tiny_imagenet")
    return kind(
        FACTS, backbone="vit_tiny", weights=weights, width=32, depth=1, heads=4, direction=True
    ).eval()


def test_frozen_features_are_those_of_the_backbone(shared_data):
    frozen = system(GazeLLE, shared_data).net.frozen
    backbone = load_backbone("vit_tiny", shared_data / "vit_tiny_imagenet", layers=["norm"])
    image = torch.randint(
        0, 256, (1, 3, 224, 224), generator=torch.Generator().manual_seed(0), dtype=torch.uint8
    )
    mean, std = (
        torch.tensor(x).view(3, 1, 1) for x in (backbone.preprocessing.mean, backbone.preprocessing.std)
    )
    wanted = backbone((image / 255 - mean) / std)["norm"]
    assert torch.allclose(frozen(image).features, wanted, atol=1e-4)
    assert frozen.sha256 == backbone.recipe["weights"]


def test_photograph_to_files(shared_data, tmp_path):
    photo = shared_data / "osie" / "stimuli_sample" / "1051.jpg"
    made = system(RowsAndTokens, shared_data)
    for items, batch in made.read(photo, face_weights=str(shared_data / "yunet_face")):
        with torch.no_grad():
            said = made.predict(batch, torch.Generator())
        for name, write in made.records(items, said).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
    lines = (tmp_path / "gaze.csv").read_text().splitlines()
    assert len(lines) > 1 and lines[0].startswith("picture,frame,t_ms,person")
    assert (tmp_path / "overlays" / "1051.png").stat().st_size > 10_000
