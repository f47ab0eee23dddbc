"""What the pages in docs/metrics say was measured is what comes out."""

from __future__ import annotations

from pathlib import Path

import torch
from scanpath_pairs import in_ms, stored_pairs

from gazekit.metrics import functional as F

FRAME_PX = (1024, 768)


def test_means_of_unrelated_random_walks(repo_root: Path, shared_data: Path) -> None:
    pairs = stored_pairs(shared_data)[:40]
    a, b = ([in_ms(pair[side]) for pair in pairs] for side in "ab")
    page = (repo_root / "docs" / "metrics" / "scanpath.md").read_text()
    parts = ", ".join(f"{part:.3f}" for part in F.multimatch(a, b, FRAME_PX).mean(0))
    assert f"| MultiMatch: vector, direction, length, position, duration | {parts} |" in page
    squared = F.mannan_squared_distance(a, b, FRAME_PX).mean()
    similar = F.mannan_similarity(a, b, FRAME_PX, seed=0).mean()
    assert f"| Mannan: squared distance; similarity (seed 0) | {squared:.3f}; {similar:.1f} |" in page


def test_the_example_of_grouping(repo_root: Path) -> None:
    page = (repo_root / "docs" / "metrics" / "scanpath.md").read_text()
    block = next(part for part in page.split("```") if "merged = Grouping" in part)
    names: dict = {}
    printed = []
    for line in block.removeprefix("python\n").splitlines():
        code, _, told = line.partition("  # ")
        if code.startswith("multimatch("):
            printed.append(told.strip())
            found = eval(code, names)
            assert ", ".join(f"{part:.3f}" for part in found) == printed[-1]
        else:
            exec(code, names)
    assert len(set(printed)) == 2  # grouping matters


def test_durations_in_seconds_fill_no_bin() -> None:
    a = torch.tensor([[400.0, 300.0, 0.2], [520.0, 310.0, 0.3]])
    assert F.scanmatch(a, a, size_px=(800, 600), bin_ms=50).isnan()
    assert F.grid_sequence_score(a, a, size_px=(800, 600), bin_ms=50).isnan()
    assert F.grid_edit_distance(a, a, size_px=(800, 600), bin_ms=50) == 0


def test_numbers_of_the_page_on_gaze(repo_root: Path) -> None:
    page = (repo_root / "docs" / "metrics" / "gaze.md").read_text()
    names: dict = {"F": F}
    checked = 0
    for block in page.split("```python\n")[1:]:
        lines = block.split("```")[0].splitlines()
        if not any("bump" in line for line in lines):
            continue
        code = [line for line in lines if not line.startswith(("F.", "[F."))]
        exec("\n".join(code), names)
        for line in lines:
            call, _, told = line.partition("  # ")
            if call.startswith(("F.", "[F.")):
                found = torch.atleast_1d(torch.as_tensor(eval(call, names)))
                said = [number.strip() for number in told.partition(":")[0].split(",")]
                digits = len(said[0].partition(".")[2])
                assert [f"{value:.{digits}f}" for value in found.tolist()] == said, line
                checked += 1
    assert checked >= 7
