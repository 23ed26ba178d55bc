"""The modifiers `fill`, `fill_left` and `fill_right`: values for series without a match."""

from collections.abc import Callable, Sequence

import numpy as np

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import BoolArray
from resumatch_monitor.promql.ast import Cardinality, Matching
from resumatch_monitor.promql.vector import Vector

MatchKeys = Callable[[Vector, Matching], list[tuple[object, ...]]]
GroupLabels = Callable[[Labels, Matching], Labels]


def fill_missing(
    lhs: Vector,
    rhs: Vector,
    matching: Matching,
    *,
    match_keys: MatchKeys,
    group_labels: GroupLabels,
) -> tuple[Vector, Vector]:
    """Add to each side the series that the other side has to do without.

    Such a series has the labels of its match group, and is there only at steps where no other
    series of its side is.

    Args:
        lhs: The left vector.
        rhs: The right one.
        matching: Says what is filled.
        match_keys: Returns the match group of each series.
        group_labels: Returns the labels of a series' match group.
    """
    left, right = match_keys(lhs, matching), match_keys(rhs, matching)
    fill_left, fill_right = matching.fill_left, matching.fill_right
    if matching.cardinality is Cardinality.ONE_TO_MANY:
        # With group_right Prometheus fills the other side than the modifier's name says.
        fill_left, fill_right = fill_right, fill_left
    filled_left, filled_right = lhs, rhs
    if fill_left is not None:
        missing = _find_missing(rhs, right, lhs, left)
        labels = [group_labels(rhs.visible_labels()[row], matching) for row, _ in missing]
        filled_left = _extend(lhs, labels, [mask for _, mask in missing], fill_left)
    if fill_right is not None:
        missing = _find_missing(lhs, left, rhs, right)
        labels = [group_labels(lhs.visible_labels()[row], matching) for row, _ in missing]
        filled_right = _extend(rhs, labels, [mask for _, mask in missing], fill_right)
    return filled_left, filled_right


def _find_missing(
    there: Vector,
    there_keys: Sequence[tuple[object, ...]],
    lacking: Vector,
    lacking_keys: Sequence[tuple[object, ...]],
) -> list[tuple[int, BoolArray]]:
    """Return for each match group its first series and the steps at which `lacking` has none."""
    present = _presence_by_key(there, there_keys)
    answered = _presence_by_key(lacking, lacking_keys)
    first_rows = {key: row for row, key in reversed(list(enumerate(there_keys)))}
    missing: list[tuple[int, BoolArray]] = []
    for key, mask in present.items():
        unmatched = mask & ~answered[key] if key in answered else mask
        if unmatched.any():
            missing.append((first_rows[key], unmatched))
    return missing


def _presence_by_key(
    vector: Vector, keys: Sequence[tuple[object, ...]]
) -> dict[tuple[object, ...], BoolArray]:
    mask = vector.mask()
    presence: dict[tuple[object, ...], BoolArray] = {}
    for row, key in enumerate(keys):
        known = presence.get(key)
        presence[key] = mask[row] if known is None else known | mask[row]
    return presence


def _extend(
    vector: Vector, labels: Sequence[Labels], masks: Sequence[BoolArray], value: float
) -> Vector:
    if not labels:
        return vector
    filler = np.full((len(labels), vector.step_count), value)
    return Vector(
        [*vector.visible_labels(), *labels],
        np.concatenate((vector.values, filler)),
        np.concatenate((vector.mask(), np.stack(masks))),
    )
