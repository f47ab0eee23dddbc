"""Where the positions of a file count from."""

from __future__ import annotations

from typing import Literal

__all__ = ["Origin"]

Origin = Literal["top-left", "bottom-left", "centre"]
