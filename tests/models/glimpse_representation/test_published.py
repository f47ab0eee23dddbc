"""What the paper prints of glimpse prediction networks and the cortex, recomputed to the printed digit."""

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch

from gazekit.base.scores import Settings
from gazekit.datasets.gpn_nsd_rsa import VENTRAL, GpnNsdRsa
from gazekit.models.glimpse_representation import PublishedComparison, PublishedNetwork, gains
from gazekit.models.glimpse_representation.published import effects

# region: GPN-R-SimCLR, best alternative and its mean, sGSN-R, difference, p, FDR over six regions
PRINTED = {
    "early": (".0333", "efficientnet_b3", ".0930", ".0275", "-.0597", ".0078", ".023"),
    "midventral": (".0796", "hardcorenas_f", ".0825", ".0646", "-.0029", ".7422", ".742"),
    "midlateral": (".1066", "efficientnet_b3_NSD_crop", ".0999", ".0838", ".0066", ".1953", ".234"),
    "midparietal": (".0839", "levit_128", ".0720", ".0602", ".0119", ".0234", ".047"),
    "ventral": (".2315", "efficientnet_b3_NSD_crop", ".1901", ".1611", ".0414", ".0078", "nan"),
    "lateral": (".0893", "efficientnet_b7", ".0968", ".0699", "-.0075", ".0547", ".082"),
    "parietal": (".0677", "levit_128", ".0571", ".0498", ".0107", ".0078", ".023"),
}


def short(value: float, digits: int = 4) -> str:
    return "nan" if math.isnan(value) else f"{value:.{digits}f}".replace("0.", ".", 1)


@pytest.fixture(scope="module")
def data(shared_data) -> GpnNsdRsa:
    found = GpnNsdRsa(shared_data / "gpn_nsd_rsa")
    found.setup()
    return found


def test_printed_numbers_of_all_regions(data):
    found = {
        region: (
            short(g.gpn_r2),
            g.alternative,
            short(g.alternative_r2),
            short(g.semantic_r2),
            short(g.gpn_r2 - g.alternative_r2),
            short(g.p),
            short(g.p_fdr, 3),
        )
        for region, g in gains(data.table).items()
    }
    assert found == PRINTED
    others = {region: g for region, g in gains(data.table).items() if region != "ventral"}
    fdr = [short(g.semantic_p_fdr, 6) for g in others.values()]
    assert fdr == [".009375", ".009375", ".015625", ".009375", ".009375", ".009375"]


def test_the_ventral_table_agrees_with_the_differences(data):
    ventral = gains(data.table)["ventral"]
    assert ventral.gpn_r2 == pytest.approx(VENTRAL["SimCLR"]["R"], abs=2e-6)
    assert ventral.semantic_r2 == pytest.approx(VENTRAL["sGSN SimCLR"]["R"], abs=2e-6)
    assert short(VENTRAL["SimCLR"]["R"] - VENTRAL["cGSN SimCLR"]["R"]) == ".0874"
    rows = {name: [short(v) for v in VENTRAL[name].values()] for name in ("SimCLR", "ILSVRC", "DINOv2-B")}
    assert rows == {
        "SimCLR": [".2190", ".1578", ".2315", ".1967"],
        "ILSVRC": [".1603", ".1317", ".1778", ".1631"],
        "DINOv2-B": [".1255", ".0976", ".1385", ".1520"],
    }
    assert {k: short(v) for k, v in effects().items()} == {"memory": ".0280", "saccades": "-.0256"}


def test_report_holds_all_networks_with_tests(data):
    rows = {"mine": PublishedNetwork(data.facts())} | data.references()
    result = PublishedComparison().scores(rows, data, Settings(), lambda *_: None)
    assert len(result.table) == 85 + 14
    best = result.table["levit_128"]
    assert best["gain.ventral"].value == pytest.approx(
        best["r2.ventral"].value - result.table["mine"]["r2.ventral"].value
    )
    assert result.table["mine"]["gain.early"].value == 0
    assert short(result.table["GPN-RS-DINOv2-B"]["r2.ventral"].value) == ".1520"
    assert (
        result.table["sGSN-R-SimCLR"]["r2.early"].n == 8 and ("sGSN-R-SimCLR", "r2.early") in result.reasons
    )
    tests = result.details["tests"]
    assert set(tests) == set(data.table.networks) - {"efficientnet_b3_NSD_crop"}
    pair = data.table.of("lateral", "rn50"), data.table.of("lateral", "efficientnet_b3_NSD_crop")
    known = scipy.stats.wilcoxon(*pair, method="exact")
    assert (tests["rn50"]["lateral"]["w"], tests["rn50"]["lateral"]["p"]) == (known.statistic, known.pvalue)
    p = torch.tensor([[t[r]["p"] for r in data.table.regions] for t in tests.values()])
    fdr = scipy.stats.false_discovery_control(p[3].numpy())
    assert [t["p_fdr_over_regions"] for t in list(tests.values())[3].values()] == pytest.approx(fdr.tolist())
    assert min(t["ventral"]["p_holm_over_rows"] for t in tests.values()) == pytest.approx(83 * 2**-7)
    with pytest.raises(ValueError, match="must be a PublishedNetwork"):
        PublishedComparison().scores(data.references(), data, Settings(), lambda *_: None)
