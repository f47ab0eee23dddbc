"""Saliency metrics on the golden maps: pysaliency's and the MATLAB rules' numbers, set by set and batched."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import gazekit.metrics.functional as f

EPS = 2.0**-52
SIGMA_PX = 2
SCORES = {
    "auc_uniform": lambda g: f.auc(g["saliency"], g["fix_xy"]),
    "auc_unfixated": lambda g: f.auc(g["saliency"], g["fix_xy"], "unfixated"),
    "auc_judd_pysaliency_nojitter": lambda g: f.auc_judd(g["saliency"], g["fix_xy"]),
    "auc_judd_matlab_nojitter": lambda g: f.auc_judd(g["saliency"], g["fix_xy"], "matlab"),
    "sauc_all_other_fixations": lambda g: f.shuffled_auc(g["saliency"], g["fix_xy"], g["other_xy"]),
    "auc_borji_given_splits": lambda g: f.auc_borji(g["saliency"], g["fix_xy"], negatives=g["borji_idx"]),
    "auc_shuffled_matlab_given_splits": lambda g: f.auc_shuffled_matlab(
        g["saliency"], g["fix_xy"], negatives=g["shuffled_idx"]
    ),
    "nss": lambda g: f.nss(g["saliency"], g["fix_xy"]),
    "nss_ddof1_unique_pixels": lambda g: f.nss(g["saliency"], g["fix_xy"], "matlab"),
    "cc": lambda g: f.correlation_coefficient(g["saliency"], g["gt_density"]),
    "sim_pysaliency": lambda g: f.similarity(g["saliency"], g["gt_density"]),
    "sim_matlab_minmax": lambda g: f.similarity(g["saliency"], g["gt_density"], "matlab"),
    "kld_mit_eps2.2204e-16": lambda g: f.kld(g["saliency"], g["gt_density"]),
    "kld_pysaliency_min1e-20": lambda g: f.kld(g["saliency"], g["gt_density"], variant="pysaliency"),
    "kld_fixatons_eps1e-12": lambda g: f.kld(g["saliency"], g["gt_density"], eps=1e-12),
    "ig_bits_vs_baseline": lambda g: f.map_information_gain_bits(
        g["model"], f.density_of_map(g["baseline"]), g["fix_xy"]
    ),
    "ig_bits_vs_uniform": lambda g: f.map_information_gain_bits(
        g["model"], torch.full_like(g["model"], 1 / g["model"].numel()), g["fix_xy"]
    ),
    "log_likelihood_nats": lambda g: f.log_likelihood_nats(g["model"], g["fix_xy"]),
    "ig_matlab_minmax_eps": lambda g: f.map_information_gain_bits(
        g["saliency"], g["baseline"], g["fix_xy"], EPS, "matlab"
    ),
    "emd_8x8_cells": lambda g: f.earth_movers_distance(g["saliency"], g["gt_density"]),
}
ELSEWHERE = {"auc_judd_pysaliency_jitter_seed42", "density_minimum_value"}
WE_SAY_NAN = {(8, "nss"), (8, "cc")}  # the constant map, for which pysaliency says 0


@pytest.fixture(scope="module")
def sets(shared_data: Path) -> list[dict]:
    folder = shared_data / "golden_metrics"
    found = json.loads((folder / "saliency_expected.json").read_text())["sets"]
    with np.load(folder / "saliency_inputs.npz") as arrays:
        for item in found:
            prefix = f"{item['id']:02d}_"
            item |= {name[3:]: arrays[name] for name in arrays if name.startswith(prefix)}
    for item in found:
        expected = item["expected"]
        item["model"] = f.density_of_map(item["saliency"], expected["density_minimum_value"])
    return found


def test_all_sets_and_keys_are_there(sets: list[dict]) -> None:
    assert len(sets) == 20
    assert all(set(item["expected"]) == set(SCORES) | ELSEWHERE for item in sets)


@pytest.mark.parametrize("key", SCORES)
def test_golden(sets: list[dict], key: str) -> None:
    tolerance = 1e-6 if key == "emd_8x8_cells" else 1e-9
    for item in sets:
        expected = item["expected"][key]
        if (item["id"], key) in WE_SAY_NAN:
            assert expected == 0
            expected = math.nan
        found = SCORES[key](item)
        assert found.dtype == torch.float64
        assert found.shape == ()
        expected = math.nan if expected is None else expected
        assert found.item() == pytest.approx(expected, rel=0, abs=tolerance, nan_ok=True), item["id"]


def test_one_call_for_images_of_one_size(sets: list[dict]) -> None:
    same = [item for item in sets if item["shape"] == [48, 64]]
    maps = torch.stack([torch.as_tensor(item["saliency"]) for item in same])
    truth = np.stack([item["gt_density"] for item in same])
    fixations = [item["fix_xy"] for item in same]
    calls: dict[str, Tensor] = {
        "auc_uniform": f.auc(maps, fixations),
        "auc_unfixated": f.auc(maps, fixations, "unfixated"),
        "auc_judd_pysaliency_nojitter": f.auc_judd(maps, fixations),
        "auc_judd_matlab_nojitter": f.auc_judd(maps, fixations, "matlab"),
        "sauc_all_other_fixations": f.shuffled_auc(maps, fixations, [item["other_xy"] for item in same]),
        "nss": f.nss(maps, fixations),
        "nss_ddof1_unique_pixels": f.nss(maps, fixations, "matlab"),
        "cc": f.correlation_coefficient(maps, truth),
        "sim_pysaliency": f.similarity(maps, truth),
        "sim_matlab_minmax": f.similarity(maps, truth, "matlab"),
        "kld_mit_eps2.2204e-16": f.kld(maps, truth),
        "ig_matlab_minmax_eps": f.map_information_gain_bits(
            maps, np.stack([item["baseline"] for item in same]), fixations, EPS, "matlab"
        ),
    }
    for key, found in calls.items():
        for item, value in zip(same, found.tolist(), strict=True):
            expected = math.nan if (item["id"], key) in WE_SAY_NAN else item["expected"][key]
            expected = math.nan if expected is None else expected
            assert value == pytest.approx(expected, rel=0, abs=1e-9, nan_ok=True), (key, item["id"])


def test_golden_densities_of_fixations(sets: list[dict]) -> None:
    for item in sets:
        height, width = item["shape"]
        found = f.fixation_density(item["fix_xy"], (width, height), SIGMA_PX, padding="zero")
        np.testing.assert_allclose(found, item["gt_density"], rtol=0, atol=1e-12)


S = np.array([[0, 1, 2, 1, 0], [1, 4, 6, 3, 1], [2, 6, 9, 5, 2], [0, 2, 4, 2, 0.0]])
G = np.array([[0, 0, 1, 0, 0], [0, 2, 4, 1, 0], [1, 4, 6, 3, 0], [0, 1, 2, 0, 0.0]])
FIXATIONS = [[2, 2], [1, 1], [3, 2], [2, 0], [4, 3]]
OTHERS = [[0, 0], [4, 0], [1, 3], [3, 1], [2, 1], [2, 2]]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (f.auc(S, FIXATIONS), 0.635),
        (f.auc(S, FIXATIONS, "unfixated"), 0.68),
        (f.auc_judd(S, FIXATIONS), 0.7266666667),
        (f.auc_judd(S, FIXATIONS, "matlab"), 0.7266666667),
        (f.shuffled_auc(S, FIXATIONS, OTHERS), 0.5666666667),
        (f.nss(S, FIXATIONS), 0.6101545897),
        (f.nss(S, FIXATIONS, "matlab"), 0.5947051304),
        (f.correlation_coefficient(S, G), 0.9688693879),
        (f.similarity(S, G), 0.8243137255),
        (f.kld(S, G), 0.1865645704),
        (f.kld(G, S), 4.9623397594),
        (f.log_likelihood_nats(f.density_of_map(S, 1), FIXATIONS), -2.9022009244),
        (
            f.map_information_gain_bits(f.density_of_map(S, 1), np.full((4, 5), 0.05), FIXATIONS),
            0.1349372136,
        ),
        (f.earth_movers_distance(S, G, grid=(4, 5)), 0.270265538),
        (f.earth_movers_distance(S, G, grid=None), 0.270265538),
    ],
)
def test_the_table_small_enough_to_check_by_hand(found: Tensor, expected: float) -> None:
    assert found.item() == pytest.approx(expected, rel=0, abs=6e-11 if expected != 0.270265538 else 1e-6)
