"""Scanpaths as duration models see them: where the eye went, for how long, in what picture, and whose eye it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from gazekit.scanpaths.walk import Rows
from gazekit.scene import TrialBatch

__all__ = ["Timed"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Timed(Rows):
    """Scanpaths of T fixations, padded at the end, with any leading dimensions: [B, T], or [B, n, T] of n samples.

    Args:
        xy_px: [..., T, 2] positions, (x, y) pixels.
        duration_ms: [..., T], NaN where unknown. Padding does not matter.
        mask: [..., T] bool, True = valid.
        size_px: [..., 2] width and height of the picture.
        start_xy_px: [..., 2] where the eye was before the first fixation.
        observer: [...] number of the person, -1 for one that no model knows; None: nobody is known.
        context: [..., T, E] whatever else is known when a fixation starts (saliency under it, whether it is on the
            target), or None.
        censored: [..., T] bool, True where the fixation went on for `duration_ms` at least, because the recording
            ended; None: nowhere.
    Raises:
        ValueError: shapes that do not fit, or a duration that is infinite, zero or negative: no fixation lasts 0 ms,
            and densities of durations have no value there.
    """

    xy_px: Tensor
    duration_ms: Tensor
    mask: Tensor
    size_px: Tensor
    start_xy_px: Tensor
    observer: Tensor | None = None
    context: Tensor | None = None
    censored: Tensor | None = None

    def __post_init__(self) -> None:
        shape, lead = self.mask.shape, self.mask.shape[:-1]
        wanted = {
            "xy_px": (*shape, 2),
            "duration_ms": shape,
            "size_px": (*lead, 2),
            "start_xy_px": (*lead, 2),
            "observer": lead,
            "censored": shape,
        }
        for name, form in wanted.items():
            value = getattr(self, name)
            if value is not None and value.shape != form:
                raise ValueError(f"{name} must have shape {list(form)} like mask, got {list(value.shape)}")
        if self.context is not None and self.context.shape[:-1] != shape:
            raise ValueError(
                f"context must have shape {list(shape)} and its width, got {list(self.context.shape)}"
            )
        bad = self.mask & ~self.duration_ms.isnan() & ~((self.duration_ms > 0) & self.duration_ms.isfinite())
        if bad.any():
            *path, step = bad.nonzero()[0].tolist()
            raise ValueError(
                f"fixation {step} of scanpath {path} lasts {float(self.duration_ms[bad][0])} ms, expected a finite "
                f"duration above 0 ({int(bad.sum())} such fixations); where it is unknown, it must be NaN"
            )

    @classmethod
    def of(cls, batch: TrialBatch, xy_px: Tensor | None = None, context: Tensor | None = None) -> Timed:
        """The scanpaths of a batch [B, T]. All durations are unknown where the batch has none.

        Args:
            xy_px: [B, T, 2] positions to use instead of those of the batch, say the centres of the fixated objects.
            context: see the class.
        """
        unknown = torch.full_like(batch.mask, torch.nan, dtype=torch.float32)
        scenes, of_trial = batch.scenes, batch.scene_of_trial
        return cls(
            xy_px=batch.xy_px if xy_px is None else xy_px,
            duration_ms=unknown if batch.duration_ms is None else batch.duration_ms,
            mask=batch.mask,
            size_px=scenes.size_px[of_trial],
            start_xy_px=scenes.start_xy_px[of_trial],
            observer=batch.observer,
            context=context,
        )

    @classmethod
    def started(
        cls, size_px: Tensor, start_xy_px: Tensor, observer: Tensor | None = None, context: int = 0
    ) -> Timed:
        """Scanpaths without a fixation, to which `then` adds one after the other.

        Args:
            size_px: [..., 2]; start_xy_px: [..., 2]; observer: [...] or None.
            context: width of the context that each fixation will have; 0: none.
        """
        none = start_xy_px.new_zeros(*start_xy_px.shape[:-1], 0)
        return cls(
            xy_px=start_xy_px.new_zeros(*none.shape, 2),
            duration_ms=none,
            mask=none.bool(),
            size_px=size_px.expand_as(start_xy_px),
            start_xy_px=start_xy_px,
            observer=observer,
            context=start_xy_px.new_zeros(*none.shape, context) if context else None,
        )

    def then(self, xy_px: Tensor, duration_ms: Tensor | None = None, context: Tensor | None = None) -> Timed:
        """One fixation more of each scanpath, none of which is padded.

        Args:
            xy_px: [..., 2].
            duration_ms: [...], NaN where unknown; None: not known yet.
            context: [..., E], where scanpaths have one.
        Raises:
            ValueError: a context is absent, or is given where scanpaths have none.
        """
        unknown = torch.full_like(xy_px[..., 0], torch.nan)
        if (context is None) != (self.context is None):
            raise ValueError("each fixation needs a context exactly where `started` was told its width")
        added = {
            "xy_px": xy_px,
            "duration_ms": unknown if duration_ms is None else duration_ms,
            "mask": torch.ones_like(unknown, dtype=torch.bool),
        }
        if self.context is not None:
            added["context"] = context
        time = unknown.dim()
        longer = {n: torch.cat([getattr(self, n), x.unsqueeze(time)], time) for n, x in added.items()}
        return replace(self, **longer)

    def __len__(self) -> int:
        """T."""
        return self.mask.shape[-1]

    @property
    def known(self) -> Tensor:
        """[..., T] valid fixations whose duration is known."""
        return self.mask & ~self.duration_ms.isnan()

    @classmethod
    def cat(cls, parts: Sequence[Timed]) -> Timed:
        """Batches [B_i, T_i] as one.

        Raises:
            ValueError: no part.
        """
        if not parts:
            raise ValueError("there is no batch of scanpaths: expected at least one")
        longest = max(len(part) for part in parts)
        stepwise = ("xy_px", "duration_ms", "mask", "context", "censored")
        joined = {}
        for name in (f.name for f in fields(cls)):
            values = [getattr(part, name) for part in parts]
            if any(value is None for value in values):
                joined[name] = None
                continue
            if name in stepwise:
                values = [_padded(value, longest) for value in values]
            joined[name] = torch.cat(values)
        return cls(**joined)


def _padded(values: Tensor, steps: int) -> Tensor:
    """[B, steps, ...], zeros at the end."""
    return torch.cat([values, values.new_zeros(len(values), steps - values.shape[1], *values.shape[2:])], 1)
