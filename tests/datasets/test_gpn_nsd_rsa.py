"""The published table of RSA scores: read whole, checked, and what the paper prints of it."""

from __future__ import annotations

import pytest
import torch

from gazekit.datasets.check import check
from gazekit.datasets.gpn_nsd_rsa import GpnNsdRsa, NetworkScores, load
from gazekit.errors import DataError

FILE = "best_layer_r2_by_subject.csv"
VENTRAL = {
    "efficientnet_b3_NSD_crop": ".1901",
    "efficientnet_b1_NSD_crop": ".1778",
    "levit_128_NSD_crop": ".1768",
    "hardcorenas_d_NSD_crop": ".1753",
    "siglip2_b_NSD_crop": ".1658",
    "dinov2_vitl14_NSD_crop": ".1531",
    "dinov3_convnext_large_NSD_crop": ".1508",
    "dinov2_vitb14_NSD_crop": ".1460",
    "coco_tr_rn50_multihot_NSD_crop": ".1426",
    "alexnet": ".1379",
    "DG3_NSD_crop": ".1355",
    "clip_vitb_NSD_crop": ".1270",
    "rn50": ".1267",
    "rn50simclr": ".1153",
    "ijepa_vitg16_22k_NSD_crop": ".1056",
    "mae_vith_NSD_crop": ".1140",
    "rn50init": ".0013",
}
"""Printed in the source, for the better one of whole picture and crop where both are there."""


@pytest.fixture
def copy(tmp_path, shared_data):
    """A copy that may be broken."""
    (tmp_path / FILE).write_text((shared_data / "gpn_nsd_rsa" / FILE).read_text())
    return tmp_path


def test_printed_means_of_the_ventral_stream(shared_data):
    table = load(shared_data / "gpn_nsd_rsa")
    assert table.r2.shape == (7, 84, 8)
    found = {name: f"{table.of('ventral', name).mean():.4f}".lstrip("0") for name in VENTRAL}
    assert {k: v for k, v in found.items() if v != VENTRAL[k]} == {}
    assert table.layer["ventral", "efficientnet_b3_NSD_crop"] == ("features.6.4.block.2.fc1", 525)
    assert {n for _, n in table.layer.values()} >= {23, 1097} and table.best(
        "ventral"
    ) == "efficientnet_b3_NSD_crop"


def test_check_knows_the_copy(shared_data):
    report = check("gpn_nsd_rsa", shared_data / "gpn_nsd_rsa")
    assert report.known == "converted at ccb3ea4, six decimals" and report.fingerprint["networks"] == 84


def test_items_are_subjects(shared_data):
    data = GpnNsdRsa(shared_data / "gpn_nsd_rsa")
    data.setup()
    assert data.items([0, 7]) == ["subj01", "subj08"] and data.about()["items"] == 8
    batch = data.batch([7, 2])
    assert batch["r2"].shape == (2, 7, 84) and batch["group"].tolist() == [7, 2]
    row = data.references()["levit_128"]
    said = row.predict(batch)["r2"]
    ventral = said[0, data.table.regions.index("ventral")]
    assert float(ventral) == data.table.of("ventral", "levit_128")[7]
    assert torch.equal(said, batch["r2"][:, :, data.table.networks.index("levit_128")])
    with pytest.raises(ValueError, match="unknown network 'vgg'"):
        NetworkScores(data.facts(), "vgg")
    with pytest.raises(ValueError, match="split must be test"):
        GpnNsdRsa(split="train")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0.149369", "x", "line 2: could not convert"),
        ("0.149369", "0.249369", "line 2: R2 from 0 to 1 of 8 subjects with their mean"),
        ("early,hardcorenas_f,", "early,efficientnet_b3,", "line 3: efficientnet_b3 occurs twice in early"),
        ("early,hardcorenas_f,", "early,other,", "is missing in"),
        ("best_layer,", "layer,", "expected the columns roi, network, best_layer"),
    ],
)
def test_broken_tables_are_refused(copy, old, new, message):
    path = copy / FILE
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        load(copy)
