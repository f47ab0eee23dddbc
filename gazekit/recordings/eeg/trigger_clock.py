"""Linear mapping between two clocks: matching of the triggers of two devices, and conversion of times.

Data flow: `match_triggers` pairs two lists of times, `fit_clock` fits the line through the pairs, `on_clock` converts
a recording to the other clock; `alignment.align` uses all three. Does not import mne.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from gazekit.recordings.recording import Recording

__all__ = ["MAX_DRIFT", "TOLERANCE_S", "ClockFit", "fit_clock", "match_triggers", "on_clock"]

MAX_DRIFT = 1e-3  # largest relative difference between the rates of two clocks
TOLERANCE_S = 0.010  # times further from the line than this are not of the same trigger
MOST_TRIGGERS = 5000  # the table of links grows with the square of their number
_REACH = 4  # a link skips at most three triggers in a row; the line then bridges any gap
_RIVAL = 0.8  # another assignment that explains this share makes the match ambiguous


@dataclass(frozen=True, eq=False)
class ClockFit:
    """The line t_to = offset_s + rate * t_from through the pairs, by least squares.

    Args:
        rate: seconds of the target clock per second of the source clock.
        offset_s: time of the target clock where the source clock shows 0.
        pairs: [P, 2] indices (to, from) of matching triggers.
        residuals_ms: [P] trigger time minus line.
    """

    rate: float
    offset_s: float
    pairs: np.ndarray
    residuals_ms: np.ndarray

    def __call__(self, t_s: np.ndarray) -> np.ndarray:
        """Times of the target clock, in seconds, at times of the source clock."""
        return self.offset_s + self.rate * np.asarray(t_s, np.float64)

    @property
    def drift_ppm(self) -> float:
        """How fast the source clock runs, in parts per million: (1 / rate - 1) * 1e6."""
        return (1.0 / self.rate - 1.0) * 1e6

    @property
    def rms_ms(self) -> float:
        """Root of the summed squared residuals over P - 2, as the line has two parameters; NaN for P = 2."""
        n = len(self.residuals_ms)
        return float(np.sqrt((self.residuals_ms**2).sum() / (n - 2))) if n > 2 else float("nan")

    @property
    def max_ms(self) -> float:
        """Largest absolute residual."""
        return float(np.abs(self.residuals_ms).max())


def fit_clock(t_to_s: np.ndarray, t_from_s: np.ndarray, pairs: np.ndarray) -> ClockFit:
    """The line through paired triggers.

    Args:
        t_to_s, t_from_s: [N], [M] seconds on the two clocks.
        pairs: [P, 2] indices into them, P >= 2.
    """
    to, other = np.asarray(t_to_s, float)[pairs[:, 0]], np.asarray(t_from_s, float)[pairs[:, 1]]
    middle = other.mean()
    spread = other - middle
    rate = (spread * to).sum() / (spread**2).sum()
    offset = to.mean() - rate * middle
    return ClockFit(float(rate), float(offset), pairs, 1000 * (to - offset - rate * other))


def on_clock(recording: Recording, clock: ClockFit) -> Recording:
    """The recording on another clock, with t_ms = 0 where that clock shows 0 s.

    Times and durations of samples, events, messages, frames and validations are converted; velocities and `origin_ns`
    are unchanged. A note says so.

    Args:
        clock: from seconds since the recording's first sample.
    """
    start_ms = float(recording.samples["t_ms"].iloc[0])

    def moved(table: pd.DataFrame) -> pd.DataFrame:
        times = [name for name in ("t_ms", "onset_ms", "offset_ms") if name in table]
        table = table.assign(**{name: 1000 * clock((table[name] - start_ms) / 1000) for name in times})
        if "duration_ms" in table:
            table = table.assign(duration_ms=table["duration_ms"] * clock.rate)
        return table

    frames = recording.frame_t_ms
    note = (
        f"times are on another clock: this one was {clock.drift_ppm:.1f} ppm fast; {len(clock.pairs)} triggers lie "
        f"{clock.rms_ms:.3f} ms rms off the line"
    )
    return replace(
        recording,
        samples=moved(recording.samples),
        events=moved(recording.events),
        messages=moved(recording.messages),
        validation=moved(recording.validation),
        frame_t_ms=None if frames is None else 1000 * clock((frames - start_ms) / 1000),
        notes=(*recording.notes, note),
    )


def match_triggers(
    t_to_s: np.ndarray, t_from_s: np.ndarray, codes: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """Match the triggers of two devices, allowing for missing and spurious ones.

    Both devices share the intervals between triggers. A pair (i, j) follows a pair (i', j') if at most three
    triggers of either list lie in between and the two intervals agree within `TOLERANCE_S` and a drift of
    `MAX_DRIFT`. The longest such chain is found by dynamic programming. A line is fitted to it, every trigger
    within `TOLERANCE_S` of the line is added (so that any number may be missing in a row), and this repeats
    until nothing changes. If a chain entirely off that line is at least 0.8 times as long, the match is
    ambiguous, as for evenly spaced triggers, and an error is raised.

    Args:
        t_to_s, t_from_s: [N], [M] seconds, increasing.
        codes: [N], [M] trigger codes; only equal codes are matched.
    Returns:
        [P, 2] indices, increasing in both columns.
    Raises:
        ValueError: times that do not increase; fewer than three triggers or more than `MOST_TRIGGERS`; less
            than half of the shorter list can be matched; more than one assignment is possible.
    """
    to, other = (_checked(t, name) for t, name in ((t_to_s, "first"), (t_from_s, "second")))
    allowed = np.ones((len(to), len(other)), bool)
    if codes is not None:
        if [len(c) for c in codes] != [len(to), len(other)]:
            raise ValueError(
                f"{len(codes[0])} and {len(codes[1])} codes for {len(to)} and {len(other)} triggers"
            )
        allowed = np.asarray(codes[0])[:, None] == np.asarray(codes[1])[None]
    pairs, distance = _along_a_line(to, other, allowed)
    needed = max(3, (min(allowed.shape) + 1) // 2)
    if len(pairs) < needed:
        raise ValueError(
            f"only {len(pairs)} of {len(to)} and {len(other)} triggers fit one line between the clocks (rates within "
            f"{MAX_DRIFT:.1%}, stamps within {TOLERANCE_S * 1000:.0f} ms); at least {needed} must. Are these the same "
            "triggers, both in seconds?"
        )
    rival = len(_longest_chain(to, other, allowed & (distance > TOLERANCE_S)))
    if rival >= _RIVAL * len(pairs):
        raise ValueError(
            f"the triggers match in more than one way: one assignment pairs {len(pairs)} of {len(to)} and "
            f"{len(other)}, another {rival}. Evenly spaced triggers are ambiguous: give codes=, or pair them "
            "yourself and give paired=True"
        )
    return pairs


def _checked(t_s: np.ndarray, name: str) -> np.ndarray:
    t = np.asarray(t_s, np.float64)
    if t.ndim != 1 or not np.isfinite(t).all() or (np.diff(t) <= 0).any():
        raise ValueError(f"trigger times must be [N], finite and increasing; the {name} list is not")
    if not 3 <= len(t) <= MOST_TRIGGERS:
        raise ValueError(
            f"3 to {MOST_TRIGGERS} triggers are needed on each clock, the {name} list has {len(t)}"
            + ("; use those of one code" if len(t) > 3 else "")
        )
    return t


def _along_a_line(to: np.ndarray, other: np.ndarray, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs along the line fitted from the longest chain, and [N, M] distances from it in seconds."""
    pairs, distance = _longest_chain(to, other, allowed), np.zeros(allowed.shape)
    for _ in range(20):
        if len(pairs) < 2:
            break
        fit = fit_clock(to, other, pairs)
        distance = np.abs(to[:, None] - fit(other)[None])
        joined = _mutual(np.where(allowed & (distance <= TOLERANCE_S), distance, np.inf))
        if np.array_equal(joined, pairs):
            break
        pairs = joined
    return pairs, distance


def _longest_chain(to: np.ndarray, other: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """[P, 2] pairs of the longest chain of agreeing intervals; its links are those of `match_triggers`."""
    n, m = allowed.shape
    length = allowed.astype(np.int32)
    back = np.full((n, m), -1, np.int64)  # flat index of the pair before
    columns = np.arange(m)
    for i in range(1, n):
        for p in range(1, min(_REACH, i) + 1):
            step = to[i] - to[i - p]
            for q in range(1, min(_REACH, m - 1) + 1):
                before = length[i - p, :-q]
                agree = np.abs(other[q:] - other[:-q] - step) <= TOLERANCE_S + MAX_DRIFT * step
                better = agree & allowed[i, q:] & (before > 0) & (before + 1 > length[i, q:])
                length[i, q:][better] = before[better] + 1
                back[i, q:][better] = (i - p) * m + columns[:-q][better]
    at = int(length.argmax()) if length.max() else -1
    chain = []
    while at >= 0:
        chain.append(divmod(at, m))
        at = int(back[chain[-1]])
    return np.array(chain[::-1], np.int64).reshape(-1, 2)


def _mutual(distance: np.ndarray) -> np.ndarray:
    """[P, 2] pairs that are each other's nearest, by [N, M] distances."""
    rows = np.flatnonzero(np.isfinite(distance.min(1)))
    columns = distance.argmin(1)[rows]
    keep = distance.argmin(0)[columns] == rows
    return np.column_stack([rows[keep], columns[keep]])
