"""The bench harness measures what it says, and the references of `bench oat` do the same work as ours."""

import csv
import json
import sys
import time

import pytest
import torch
from toys import random_batch

from gazekit.bench import BENCHES, ROOMS, oat
from gazekit.bench.oat import Sizes, generate_one_at_a_time, gradients_one_at_a_time
from gazekit.cli import main
from gazekit.harness import Case, Timing, device_name, extra_memory_mb, measure, record, time_calls
from gazekit.scanpaths.likelihood import negative_log_likelihood
from gazekit.scanpaths.model import sample
from gazekit.scene import SceneBatch, TrialBatch
from gazekit.verbs import bench as verb

ROW = {
    "case": str, "ours_ms": float, "ours_p20_ms": float, "ours_p80_ms": float, "repeats": int,
    "per_second": float, "reference": str, "reference_ms": float | None, "reference_p20_ms": float | None,
    "reference_p80_ms": float | None, "reference_repeats": int | None, "ratio": float | None,
    "peak_mb": float | None, "reference_peak_mb": float | None,
}  # fmt: skip
TINY = Sizes(trials=4, objects=5, samples=2, max_fixations=3, growth=(3, 6), growth_trials=2)


@pytest.fixture
def tiny_oat(monkeypatch):
    """`bench oat` on a busy machine, with so little work that the numbers mean nothing."""
    monkeypatch.setattr("gazekit.harness.busy_cores", lambda: 1.7)

    def cases(device: str) -> list[Case]:
        """tiny"""
        return oat.cases(device, TINY)

    monkeypatch.setitem(BENCHES, "oat", cases)
    monkeypatch.setattr("gazekit.harness.time_calls", lambda run, _, device: time_calls(run, 0.0, device))


def test_quantiles_are_ordered_and_a_sleep_takes_its_time():
    timing = time_calls(lambda: time.sleep(0.01), budget_s=0.1)
    assert 10 <= timing.p20_ms <= timing.median_ms <= timing.p80_ms
    assert 3 <= timing.repeats <= 11


@pytest.mark.parametrize(("budget_s", "repeats"), [(0.0, 3), (60.0, 100)])
def test_repeats_are_bounded(budget_s, repeats):
    calls = []
    assert time_calls(lambda: calls.append(1), budget_s).repeats == len(calls) == repeats


def test_all_cases_are_warm_before_any_is_timed():
    calls, said = [], []
    cases = [
        Case("a", lambda: calls.append("a"), reference="slow", run_reference=lambda: calls.append("ref")),
        Case("b", lambda: calls.append("b")),
    ]
    measure(cases, budget_s=0.0, progress=said.append)
    assert calls[:3] == ["a", "ref", "b"]
    once_more = ["a", "ref"]  # for the memory, after three repeats
    assert calls[3:] == ["a"] * 3 + ["ref"] * 3 + once_more + ["b"] * 4
    assert said == ["warming up: a", "warming up: b", "timing: a", "timing: b"]


def test_the_reference_is_scaled_to_as_much_work(monkeypatch):
    times = iter([Timing(1.0, 2.0, 3.0, 5), Timing(0.5, 4.0, 7.0, 9)])
    monkeypatch.setattr("gazekit.harness.time_calls", lambda *_: next(times))
    case = Case(
        "ten", lambda: "ours", items=10, unit="nap", reference="two", run_reference=lambda: "theirs",
        reference_items=2, facts=lambda ours, theirs: {"results": [ours, theirs]},
    )  # fmt: skip
    (row,) = measure([case])
    assert (row["ours_p20_ms"], row["ours_ms"], row["ours_p80_ms"], row["repeats"]) == (1, 2, 3, 5)
    assert (row["reference_p20_ms"], row["reference_ms"], row["reference_p80_ms"]) == (2.5, 20, 35)
    assert (row["ratio"], row["per_second"], row["ms_per_nap"]) == (10, 5000, 0.2)
    assert row["reference"] == "two (timed on 2 naps, scaled to 10)"
    assert row["results"] == ["ours", "theirs"]


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is read from Linux")
def test_extra_memory_counts_what_one_call_needs_at_once():
    kept = [torch.ones(10_000_000)]  # 40 MB held before do not count

    def call():
        first = torch.ones(12_500_000)  # 50 MB
        del first
        torch.ones(25_000_000)  # 100 MB after the 50 were given back

    assert extra_memory_mb(call) == pytest.approx(100, abs=10)
    assert extra_memory_mb(lambda: None) == pytest.approx(0, abs=10)
    assert len(kept) == 1


def test_oat_bench_prints_and_writes_what_it_promises(tiny_oat, tmp_path, capsys):
    out = tmp_path / "oat.json"
    assert main(["bench", "oat", f"out={out}"]) == 0
    found = json.loads(out.read_text())
    assert set(found) == {"bench", "versions", "threads", "device", "load_before", "rows"}
    assert (found["bench"], found["device"]) == ("oat", device_name("cpu"))
    assert found["threads"] == torch.get_num_threads()
    assert found["versions"]["torch"] == torch.__version__
    for row in found["rows"]:
        for name, kind in ROW.items():
            assert isinstance(row[name], kind), name
        assert 0 < row["ours_p20_ms"] <= row["ours_ms"] <= row["ours_p80_ms"]
        assert (row["ratio"] is None) == (row["reference_ms"] is None) == (row["reference"] == "")
        assert row["objects"] in (3, 5, 6)
    names = [row["case"] for row in found["rows"]]
    growth = [f"{what}, {n} objects" for what in ("generate", "train") for n in TINY.growth]
    assert names == [
        "generate, 4 x 2",
        "generate, 4 x 2 (vs kept keys)",
        "train, batch of 4",
        *growth,
    ]
    with (tmp_path / "oat.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["case"] for row in table] == names
    assert float(table[0]["ours_ms"]) == found["rows"][0]["ours_ms"]
    assert table[3]["ratio"] == ""
    assert (tmp_path / "oat.png").read_bytes().startswith(b"\x89PNG")
    assert found["rows"][0]["ms_per_scanpath"] == pytest.approx(found["rows"][0]["ours_ms"] / 8)
    assert found["rows"][0]["reference"].endswith("(timed on 4 scanpaths, scaled to 8)")
    printed = capsys.readouterr().out
    assert all(name in printed for name in names)
    assert (
        "1.7 cores were busy in the previous minute: if they still are, the timings are unreliable" in printed
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["oats"], "unknown bench 'oats', expected one of: oat"),
        (["oat", "file=a.json"], "expected out=FILE.json or device=cpu|cuda, got 'file=a.json'"),
        (["oat", "out="], "got 'out='"),
        (["oat", "device=tpu"], "device must be cpu or cuda, got 'tpu'"),
        (["oat", "out=nowhere/a.json"], "out=nowhere/a.json: the folder nowhere does not exist"),
        (["oat", "out=."], "out=. is a folder"),
        (["oat", "out=oat.csv"], "out=oat.csv: expected a name that ends in .json"),
    ],
)
def test_errors_come_before_anything_is_timed(arguments, message, monkeypatch, capsys):
    monkeypatch.setitem(BENCHES, "oat", lambda device: pytest.fail("made cases"))
    assert main(["bench", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_help_lists_benches_and_examples(capsys):
    with pytest.raises(SystemExit, match="0"):
        verb.main(["--help"])
    printed = capsys.readouterr().out
    assert "python -m gazekit bench oat out=oat.json" in printed
    for name in ("oat", "metrics", "kernels"):
        assert f"  {name:<8} {BENCHES[name].__doc__.splitlines()[0]}" in printed


def test_every_kernel_room_has_a_bench(repo_root):
    rooms = {path.parent.name for path in (repo_root / "kernels").glob("*/bench.py")}
    assert rooms == set(ROOMS) == {path.parent.name for path in (repo_root / "kernels").glob("*/__init__.py")}
    assert {f"kernels.{room}" for room in ROOMS} <= set(BENCHES)
    assert BENCHES["kernels.pointer"]("cpu")[0].name.startswith("pointer")


def test_records_are_json(tmp_path):
    assert json.dumps(record("x", measure([Case("a", lambda: None)], budget_s=0.0)), allow_nan=False)


def test_the_plain_loop_generates_the_same_greedy_scanpaths():
    net = oat._default_net("cpu").eval()
    with torch.no_grad():
        net.mix.weight.mul_(20)  # an untrained net would look at one object for ever
    for scenes in (SceneBatch.from_scenes(oat._draw_scenes(12, 7)), random_batch(crop=(32, 32)).scenes):
        ours = sample(net, scenes, 1, 10, greedy=True).to_list()
        plain = generate_one_at_a_time(net, scenes, 1, 10, greedy=True).to_list()
        assert [path.tolist() for path in ours] == [path.tolist() for path in plain]
        assert len({tuple(path.tolist()) for path in ours}) > 1


def test_the_plain_loop_draws_from_the_same_distribution():
    net = oat._default_net("cpu").eval()
    scenes = SceneBatch.from_scenes(oat._draw_scenes(1, 3))
    n, max_fixations, counts = 1200, 2, []
    for paths in (
        sample(net, scenes, n, max_fixations, torch.Generator().manual_seed(0)),
        generate_one_at_a_time(net, scenes, n // 3, max_fixations, torch.Generator().manual_seed(1)),
    ):
        code = [tuple(path.tolist()) for path in paths.to_list()]
        counts.append({path: code.count(path) / len(code) for path in set(code)})
    for path in counts[0] | counts[1]:
        assert counts[0].get(path, 0) == pytest.approx(counts[1].get(path, 0), abs=0.1)  # over 4 sd


def test_one_at_a_time_gives_the_gradients_of_the_batch():
    net = oat._default_net("cpu").eval()  # without dropout
    scenes, trials = oat._draw_scenes(4, 6), oat._draw_trials(4, 6, 5)
    batch = TrialBatch.from_trials(scenes, trials, range(4))
    negative_log_likelihood(net.log_prob(batch), batch).backward()
    wanted = {name: p.grad.clone() for name, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    gradients_one_at_a_time(net, scenes, trials)
    found = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
    assert found.keys() == wanted.keys()
    for name in wanted:
        torch.testing.assert_close(found[name], wanted[name], atol=1e-6, rtol=1e-3)
