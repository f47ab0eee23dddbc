"""What a reader of a metric's value should know."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MetricInfo"]


@dataclass(frozen=True)
class MetricInfo:
    """Facts about one metric.

    Args:
        name: of the function; `class_name` is that of the class.
        class_name: of the torchmetrics class in `gazekit.metrics`.
        range: lowest and highest value; the highest of a score, or the lowest of an error, is perfect.
        higher_is_better: direction; None where neither end is better (a slope, for example).
        chance: what a model without knowledge gets, in words.
        undefined: when a value is NaN, in words; "never" where it can't be.
        reference: publication that introduced it.
        unit: of the value; "" for a pure number.
        variants: other definitions in use under this name, which give other numbers.
    """

    name: str
    class_name: str
    range: tuple[float, float]
    higher_is_better: bool | None
    chance: str
    undefined: str
    reference: str
    unit: str = ""
    variants: tuple[str, ...] = ()

    @property
    def short_name(self) -> str:
        """The name without the unit at its end: "hausdorff" of "hausdorff_px"."""
        unit = self.unit.replace(",", " ").split()  # "px, summed over the warp" ends the name as "px" does
        return self.name.removesuffix(f"_{unit[0]}") if unit else self.name
