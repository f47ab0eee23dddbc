"""The labels of a project: two that always exist, colours and keys for new ones, and left/right pairs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

__all__ = [
    *("BACKGROUND", "BACKGROUND_ID", "CANNOT_TELL", "CANNOT_TELL_ID"),
    *("colour_of", "free_key", "spatial_pairs", "stem"),
]

BACKGROUND = "background"  # as `gazekit.recordings.aoi` calls it, without importing all of it
CANNOT_TELL = "cannot tell"
BACKGROUND_ID, CANNOT_TELL_ID = 0, -1
ALWAYS = f"""
INSERT INTO labels VALUES ({BACKGROUND_ID}, '{BACKGROUND}', '#9aa0a6', '', '0', '');
INSERT INTO labels VALUES ({CANNOT_TELL_ID}, '{CANNOT_TELL}', '#c9a227', '', 'x', '');
"""

# Distinguishable with red-green colour blindness, on dark and light pictures (Okabe and Ito 2008), then lighter ones.
_COLOURS = (
    "#0072b2 #e69f00 #009e73 #cc79a7 #d55e00 #56b4e9 #f0e442 #8c6bb1 #5aae61 #bf812d #35978f #de77ae".split()
)
_SIDE = re.compile(r"(?i)(?:^|[\s_.-]+)(left|right)(?=$|[\s_.-])")


def colour_of(number: int) -> str:
    """The colour of the n-th label, "#rrggbb"; they repeat after twelve."""
    return _COLOURS[(number - 1) % len(_COLOURS)]


def free_key(taken: Sequence[str]) -> str:
    """The first unused digit from 1, "" if all are taken."""
    return next((digit for digit in "123456789" if digit not in taken), "")


def stem(name: str) -> str:
    """The name without its side: "tablet" for "tablet-left"; "" for a name without a side."""
    return _SIDE.sub("", name, count=1).strip(" _.-") if _SIDE.search(name) else ""


def spatial_pairs(labels: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Pairs of labels that differ only in "left" and "right"; mirroring a picture must swap them.

    Args:
        labels: `Store.labels()`.
    Returns:
        (id of the left one, id of the right one) of each pair.
    """

    def mirrored(name: str) -> str:
        return _SIDE.sub(lambda m: m[0].replace(m[1], "left" if m[1].lower() == "right" else "right"), name)

    ids = {label["name"].lower(): label["id"] for label in labels}
    return [
        (number, ids[mirrored(name)])
        for name, number in ids.items()
        if (side := _SIDE.search(name)) and side[1] == "left" and mirrored(name) in ids
    ]
