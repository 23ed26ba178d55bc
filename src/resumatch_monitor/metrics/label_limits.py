"""What the labels of series that are pushed may have."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LabelLimits:
    """Bounds of one series; beyond them it is refused.

    Attributes:
        labels: How many, the metric's name included.
        name_bytes: Of each label's name.
        value_bytes: Of each label's value.
    """

    labels: int = 64
    name_bytes: int = 1024
    value_bytes: int = 16 * 1024
