"""Names that resemble one, for "did you mean"."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice

_MOST_NAMES = 50_000
_SHORT_LIST = 64
_LEAST_LIKENESS = 0.6


def find_nearest(name: str, names: Iterable[str], *, limit: int = 6) -> list[str]:
    """Return those of `names` that are most like `name`, the most alike first.

    Only the first 50,000 are looked at.
    """
    wanted = _pieces_of(name)
    by_pieces = sorted(
        ((_overlap(wanted, _pieces_of(other)), other) for other in islice(names, _MOST_NAMES)),
        key=lambda scored: (-scored[0], scored[1]),
    )
    scored = [
        (max(shared, SequenceMatcher(None, name.lower(), other.lower()).ratio()), other)
        for shared, other in by_pieces[:_SHORT_LIST]
    ]
    alike = sorted(
        (pair for pair in scored if pair[0] >= _LEAST_LIKENESS),
        key=lambda pair: (-pair[0], pair[1]),
    )
    return [other for _, other in alike[:limit]]


def _pieces_of(name: str) -> frozenset[str]:
    padded = f" {name.lower()} "
    return frozenset(padded[at : at + 3] for at in range(len(padded) - 2))


def _overlap(left: frozenset[str], right: frozenset[str]) -> float:
    """Return the share of pieces in common (Dice), 0 to 1."""
    return 2 * len(left & right) / max(1, len(left) + len(right))
