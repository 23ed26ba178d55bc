"""Whether two systems give the same answer to a query."""

import math
import statistics
from dataclasses import dataclass
from typing import Any

import orjson

TOLERANCE = 1e-6

_Key = tuple[tuple[str, str], ...]
_Points = dict[float, float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How alike two answers are.

    Attributes:
        worst: The largest relative difference between two values.
        typical: The median one.
        problem: Empty if they are the same within `TOLERANCE`.
    """

    ours: int
    theirs: int
    points: int
    worst: float
    typical: float
    problem: str

    def describe(self) -> dict[str, Any]:
        return {
            "our_series": self.ours,
            "their_series": self.theirs,
            "points": self.points,
            "worst": self.worst,
            "typical": self.typical,
            "problem": self.problem,
        }


def compare(ours: bytes, theirs: bytes, *, is_ranking: bool) -> Agreement:
    """Compare series by series and point by point; a ranking by its values at each time."""
    left, right = _parse(ours), _parse(theirs)
    counts = len(left), len(right)
    if is_ranking:
        left, right = _rank(left), _rank(right)
    problem = ""
    differences: list[float] = []
    if left.keys() != right.keys():
        problem = f"{counts[0]} and {counts[1]} series, of which not all are the same"
    for key in left.keys() & right.keys():
        mine, other = left[key], right[key]
        if mine.keys() != other.keys() and not problem:
            problem = f"{dict(key)} has {len(mine)} and {len(other)} points"
        differences += [_difference(mine[time], other[time]) for time in mine.keys() & other.keys()]
    worst = max(differences, default=0.0)
    if not differences:
        problem = problem or "the answers are empty"
    if worst > TOLERANCE and not problem:
        problem = f"values differ by up to {worst:.2g}"
    typical = statistics.median(differences) if differences else 0.0
    return Agreement(*counts, len(differences), worst, typical, problem)


def _parse(body: bytes) -> dict[_Key, _Points]:
    result = orjson.loads(body)["data"]["result"]
    return {
        tuple(sorted(each["metric"].items())): {
            float(time): float(value) for time, value in each.get("values") or [each["value"]]
        }
        for each in result
    }


def _rank(answer: dict[_Key, _Points]) -> dict[_Key, _Points]:
    """Return, for each time, the values in order: equal ones may belong to any series."""
    by_time: dict[float, list[float]] = {}
    for points in answer.values():
        for time, value in points.items():
            by_time.setdefault(time, []).append(value)
    return {
        (("time", repr(time)),): dict(enumerate(sorted(values))) for time, values in by_time.items()
    }


def _difference(left: float, right: float) -> float:
    if left == right or (math.isnan(left) and math.isnan(right)):
        return 0.0
    if not (math.isfinite(left) and math.isfinite(right)):
        return math.inf
    return abs(left - right) / max(abs(left), abs(right))
