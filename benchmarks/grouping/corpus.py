"""Bugs and their occurrences, the same for the same seed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from benchmarks.grouping.bugs import make_bugs
from benchmarks.grouping.rendering import new_rng, render
from benchmarks.grouping.scene import Bug, Occurrence
from benchmarks.grouping.vocabulary import Vocabulary

OCCURRENCES = 50
_RELEASES = 5
_VARIATIONS: Mapping[str, Sequence[str]] = {
    "python": (
        *("values", "lines", "hosts", "entry", "wrapped", "libraries", "refactor", "retry"),
        *("async", "group", "handling"),
    ),
    "node": (
        *("values", "lines", "hosts", "entry", "wrapped", "libraries", "refactor", "retry"),
        "async",
    ),
    "browser": (
        *("values", "lines", "hosts", "entry", "wrapped", "libraries", "refactor", "engine"),
        "async",
    ),
    "minified": ("values", "build", "hosts", "engine", "entry"),
    "other": ("values", "lines", "hosts", "entry", "wrapped", "libraries"),
    "message": ("values", "hosts"),
    "csp": ("values", "hosts"),
}


@dataclass(frozen=True, slots=True)
class Labelled:
    """An event, of which bug it is, and what is special about it."""

    bug: str
    platform: str
    variation: str
    event: dict[str, Any]


def make_corpus(vocabulary: Vocabulary, seed: int) -> list[Labelled]:
    """Return 50 occurrences of each bug."""
    bugs = make_bugs(vocabulary, Random(seed))
    return [
        Labelled(
            bug.name,
            bug.platform,
            variation,
            render(_occur(bug, variation, number, seed), vocabulary),
        )
        for bug in bugs
        for number, variation in enumerate(_plan(bug))
    ]


def _plan(bug: Bug) -> list[str]:
    kinds = [*_VARIATIONS[bug.platform]]
    if bug.is_repeated:
        kinds.append("recursion")
    if bug.wording.foreign:
        kinds.append("locale")
    return [kinds[number % len(kinds)] for number in range(OCCURRENCES)]


def _occur(bug: Bug, variation: str, number: int, seed: int) -> Occurrence:
    rng = new_rng(seed, bug.name, number)
    return Occurrence(bug, variation, rng.randrange(_RELEASES), rng)
