"""Perceived motion: values computed from the files independently, and files that are broken."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from gazekit.base.scores import Settings
from gazekit.datasets.check import check
from gazekit.datasets.human_motion import SETS, HumanMotion, load
from gazekit.errors import DataError
from gazekit.metrics.functional import end_point_error, flow_correlation, partial_flow_correlation
from gazekit.models.motion_energy import FlowScores, TrueFlow

MODELS = {  # r with truth, mean over kinds; r with people, mean; partial r, mean
    "dual channel, final": (0.940, 0.934, 0.082),
    "dual channel, specular": (0.914, 0.902, -0.027),
    "dual channel, diffuse": (0.511, 0.509, 0.021),
    "first order, specular": (0.441, 0.436, -0.001),
    "first order, diffuse": (0.129, 0.133, 0.031),
    "VideoFlow, specular": (0.433, 0.434, 0.047),
    "VideoFlow, released": (0.259, 0.275, 0.134),
    "RAFT, specular": (0.339, 0.352, 0.140),
    "RAFT, Sintel": (0.230, 0.241, 0.095),
    "Farneback": (0.123, 0.109, -0.087),
    "FFV1MT": (-0.045, -0.038, 0.046),
    "glow, specular": (0.078, 0.087, 0.071),
    "glow, Sintel": (0.061, 0.073, 0.082),
}
TYPES = {
    "dual channel, final": (0.93, 0.93, 0.91, 0.94, 0.95, 0.95, 0.97),
    "dual channel, specular": (0.88, 0.97, 0.85, 0.89, 0.95, 0.90, 0.96),
    "dual channel, diffuse": (0.41, 0.31, 0.51, 0.56, 0.47, 0.68, 0.64),
    "first order, specular": (0.23, 0.54, 0.43, 0.57, 0.31, 0.82, 0.18),
    "first order, diffuse": (0.11, 0.15, 0.03, 0.18, 0.03, 0.55, -0.15),
    "Farneback": (-0.03, -0.13, 0.16, 0.12, 0.28, 0.36, 0.10),
}
PERCEIVED = {  # r(R, G), error
    "kitti_2015": (0.846, 5.14), "dataset_2": (0.777, 5.55), "dataset_3": (0.280, 10.30), "dataset_4": (0.733, 6.48),
    "dataset_5": (0.509, 6.72), "dataset_6": (0.440, 9.75), "dataset_7": (0.498, 7.00), "dataset_8": (0.907, 3.89),
    "dataset_9": (0.715, 9.23), "dataset_10": (0.798, 5.80),
}  # fmt: skip


@pytest.fixture(scope="module")
def sets(shared_data):
    return load(shared_data / "human_motion").sets


def data_of(shared_data, name):
    data = HumanMotion(shared_data / "human_motion", name)
    data.setup()
    return data


def test_people_in_sintel(sets):
    probes = sets["sintel_slow"]
    assert flow_correlation(probes.human_flow, probes.true_flow).item() == pytest.approx(0.9239, abs=5e-5)
    error = end_point_error(probes.human_flow, probes.true_flow).mean()
    assert error.item() == pytest.approx(0.9280, abs=5e-5)


def test_people_in_ten_sets_of_movies(sets):
    probes = sets["perceived_flow"]
    upwards = np.array([1, -1])  # the published values have v upwards, and one mean is taken out of u and v
    for k, name in enumerate(probes.conditions):
        human, true = (x[probes.condition == k] * upwards for x in (probes.human_flow, probes.true_flow))
        assert len(human) == 240
        assert flow_correlation(human, true).item() == pytest.approx(PERCEIVED[name][0], abs=6e-4)
        assert end_point_error(human, true).mean().item() == pytest.approx(PERCEIVED[name][1], abs=6e-3)


def test_people_and_models_in_second_order_motion(sets):
    probes = sets["second_order"]
    kinds = [probes.condition == k for k in range(7)]
    people = [flow_correlation(probes.human_flow[s], probes.true_flow[s]).item() for s in kinds]
    assert people == pytest.approx([0.987, 0.989, 0.989, 0.990, 0.988, 0.990, 0.989], abs=6e-4)
    assert set(probes.models) == set(MODELS)
    for name, flow in probes.models.items():
        truth = [flow_correlation(flow[s], probes.true_flow[s]).item() for s in kinds]
        human = [flow_correlation(flow[s], probes.human_flow[s]).item() for s in kinds]
        left = [
            partial_flow_correlation(flow[s], probes.human_flow[s], probes.true_flow[s]).item() for s in kinds
        ]
        assert [np.mean(x) for x in (truth, human, left)] == pytest.approx(MODELS[name], abs=6e-4), name
        assert truth == pytest.approx(TYPES.get(name, truth), abs=6e-3)


def test_the_table_of_people_and_models(shared_data):
    data = data_of(shared_data, "second_order")
    rows = {"truth": TrueFlow(data.facts()), **data.references()}
    found = FlowScores([["participant 1", "FFV1MT"]]).scores(rows, data, Settings(1, 20), lambda *_: None)
    means = [found.table[f"participant {k}"]["r_truth"].value for k in (1, 2, 3)]
    assert means == pytest.approx([0.989, 0.981, 0.978], abs=6e-4)
    others = [found.table[f"participant {k}"]["r_human"].value for k in (1, 2, 3)]
    assert np.mean(others) == pytest.approx(0.985, abs=6e-4)
    for name, values in MODELS.items():
        scores = found.table[name]
        got = [scores[column].value for column in ("r_truth", "r_human", "partial_r")]
        assert got == pytest.approx(values, abs=6e-4)
        assert scores["human_gain"].value == pytest.approx(got[1] - got[0])
        assert scores["r_truth"].low < got[0] < scores["r_truth"].high
    assert found.reasons["people", "partial_r"] and "partial_r.swirl" not in found.table["people"]
    assert found.table["people"]["r_truth.swirl"].value == pytest.approx(0.990, abs=6e-4)
    apart = found.table["participant 1 - FFV1MT"]["r_truth"]
    ffv1mt = found.table["FFV1MT"]["r_truth"].value
    assert apart.value == pytest.approx(means[0] - ffv1mt) and apart.low > 0.5


@pytest.mark.parametrize("name", SETS)
def test_batches(shared_data, name):
    data = data_of(shared_data, name)
    batch = data.batch([3, 0])
    assert batch["human_flow"].shape == batch["true_flow"].shape == (2, 2)
    assert batch["human_flow"].dtype == torch.float64
    assert len(data.facts()["conditions"]) > batch["condition"].max()
    assert data.about()["probes"] == len(data.parts["test"])


def test_check_knows_the_copy(shared_data, tmp_path):
    report = check("human_motion", shared_data / "human_motion")
    assert "commit c588655" in report.known
    copy = shutil.copytree(shared_data / "human_motion", tmp_path / "copy")
    table = copy / "kitti2015" / "kittiperceivedflowtable.csv"
    lines = table.read_text().splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[-1], "x")
    table.write_text("\n".join(lines))
    with pytest.raises(DataError, match=r"flowtable.csv, row 4: could not convert string to float"):
        load(copy)
    skipped = check("human_motion", copy)
    assert skipped.fingerprint["perceived_flow"] == 2399 and len(skipped.skipped) == 1
    one = next((copy / "second_order" / "models").glob("raft*_x.csv"))
    one.write_text("\n".join(one.read_text().splitlines()[:-1]))
    with pytest.raises(DataError, match=r"RAFT, S.* has 39 and 40 rows, expected 40"):
        load(copy)


def test_what_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"human_motion: the folder .* lacks second_order"):
        load(tmp_path)
    with pytest.raises(
        ValueError, match=r"data\.set must be one of second_order, sintel_slow, perceived_flow"
    ):
        HumanMotion(tmp_path, "kitti")
