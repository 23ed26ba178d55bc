"""Homogeneity and completeness of grouping on generated corpora whose bugs are known.

Run with `python -m benchmarks.grouping [--grouping N] [--examples]`. The `held out` corpus has
other words, frameworks and platforms than the one on which grouping was developed.
"""

import argparse
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from benchmarks.grouping.corpus import Labelled, make_corpus
from benchmarks.grouping.heldout import HELD_OUT
from benchmarks.grouping.measures import measure, mixed, strays
from benchmarks.grouping.tuning import TUNING
from resumatch_monitor.errortracking.grouping.registry import CURRENT_VERSION, GROUPERS
from resumatch_monitor.errortracking.normalise import normalise

CORPORA = {"tuning": (TUNING, 20260101), "held out": (HELD_OUT, 77)}
GOAL = 0.98


def group_all(corpus: Sequence[Labelled], version: int) -> list[bytes]:
    """Return the grouping key of each event."""
    grouper = GROUPERS[version]
    return [grouper(normalise(each.event)).key for each in corpus]


def report(name: str, corpus: Sequence[Labelled], keys: Sequence[bytes], *, examples: bool) -> bool:
    """Print the measures of a corpus; return whether they reach the goal."""
    bugs = [each.bug for each in corpus]
    found = measure(bugs, keys)
    print(
        f"\n{name}: {len(corpus)} events of {len(set(bugs))} bugs in {len(set(keys))} groups\n"
        f"  homogeneity  {found.homogeneity:.4f}\n  completeness {found.completeness:.4f}"
    )
    astray = strays(bugs, keys)
    for label in ("platform", "variation"):
        counts: defaultdict[str, Counter[bool]] = defaultdict(Counter)
        for each, is_astray in zip(corpus, astray, strict=True):
            counts[getattr(each, label)][is_astray] += 1
        print(f"  events that are not with most of their bug, by {label}:")
        for value, count in sorted(counts.items(), key=lambda item: -item[1][True]):
            share = 100 * count[True] / count.total()
            print(f"    {value:<12} {share:5.1f} % of {count.total()}")
    shared = mixed(bugs, keys)
    families = Counter(names[0].partition(" #")[0] for names in shared)
    print(f"  groups that hold several bugs: {len(shared)} {dict(families)}")
    if examples:
        for names in shared:
            print(f"    {names}")
        worst = Counter(
            each.bug for each, is_astray in zip(corpus, astray, strict=True) if is_astray
        )
        for bug, count in worst.most_common(40):
            kinds = Counter(
                each.variation
                for each, is_astray in zip(corpus, astray, strict=True)
                if is_astray and each.bug == bug
            )
            print(f"    {bug}: {count} astray {dict(kinds)}")
    return min(found.homogeneity, found.completeness) >= GOAL


def measure_speed(version: int) -> None:
    """Print how long grouping an event of 60 frames takes."""
    events = [
        normalise(_stretch(each.event))
        for each in make_corpus(TUNING, 1)
        if each.platform == "python"
    ][:400]
    grouper = GROUPERS[version]
    rounds: list[float] = []
    for _ in range(15):
        started = time.perf_counter()
        for event in events:
            grouper(event)
        rounds.append((time.perf_counter() - started) / len(events) * 1e6)
    print(f"\ngrouping an event of 60 frames: {statistics.median(rounds):.0f} µs (median of 15)")


def _stretch(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with 60 frames in all."""
    values: list[dict[str, Any]] = event["exception"]["values"]
    for value in values:
        frames: list[dict[str, Any]] = value["stacktrace"]["frames"]
        value["stacktrace"] = {"frames": (frames * 60)[: 60 // len(values)]}
    return event


def main() -> int:
    """Measure both corpora; return 1 if one misses the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grouping", type=int, default=CURRENT_VERSION, choices=sorted(GROUPERS))
    parser.add_argument("--examples", action="store_true", help="name the bugs that go wrong")
    arguments = parser.parse_args()
    reached = [
        report(
            f"{name} corpus, grouping {arguments.grouping}",
            corpus := make_corpus(vocabulary, seed),
            group_all(corpus, arguments.grouping),
            examples=arguments.examples,
        )
        for name, (vocabulary, seed) in CORPORA.items()
    ]
    measure_speed(arguments.grouping)
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
