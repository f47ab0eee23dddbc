"""NeVA as a system: a report of it, and scanpaths over a user's own pictures."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from gazekit.models.neva.row import NevaRow
from gazekit.models.viewer_system import ViewerSystem

__all__ = ["Neva"]


class Neva(NevaRow, ViewerSystem):
    """Looks where the foveated picture lowers the loss of a task most: scanpaths by test-time optimisation (NeVA).

    Nothing is trained: `evaluate +experiment=neva`. Arguments are those of `NevaRow`.
    """

    def loss(self, batch: Any) -> dict[str, Tensor]:
        raise ValueError(
            "NeVA has nothing to train: use `gazekit evaluate +experiment=neva` (or trainer=none)"
        )

    def notes(self) -> list[str]:
        settings = self.settings
        how = f"{settings.steps} steps of {settings.step_norm} half pictures, restarts {settings.restarts}"
        return [
            f"{self.about} Pictures are stretched to {settings.size_px} px squares; "
            f"{how if settings.solver == 'gradient' else 'the scan is no published procedure'}"
        ]
