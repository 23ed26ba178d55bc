"""Homogeneity and completeness of a clustering against the truth, from entropies.

Rosenberg and Hirschberg, "V-Measure: A Conditional Entropy-Based External Cluster Evaluation
Measure", EMNLP-CoNLL 2007, https://aclanthology.org/D07-1043/ , section 2.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measures:
    """Both are 1 for a perfect clustering, and at least 0.

    Attributes:
        homogeneity: How far a cluster holds events of one bug only.
        completeness: How far the events of a bug lie in one cluster.
    """

    homogeneity: float
    completeness: float


def measure(bugs: Sequence[Hashable], clusters: Sequence[Hashable]) -> Measures:
    """Compare the cluster of each event with its bug; both sequences are of the same length."""
    pairs = Counter(zip(bugs, clusters, strict=True))
    bug_sizes, cluster_sizes = Counter(bugs), Counter(clusters)
    total = len(bugs)
    return Measures(
        homogeneity=_explained(
            _entropy(bug_sizes.values(), total),
            _conditional_entropy(pairs, cluster_sizes, given=1, total=total),
        ),
        completeness=_explained(
            _entropy(cluster_sizes.values(), total),
            _conditional_entropy(pairs, bug_sizes, given=0, total=total),
        ),
    )


def _explained(entropy: float, remaining: float) -> float:
    return 1.0 if entropy == 0 else 1.0 - remaining / entropy


def _entropy(sizes: Iterable[int], total: int) -> float:
    return -sum(size / total * math.log(size / total) for size in sizes)


def _conditional_entropy(
    pairs: Counter[tuple[Hashable, Hashable]],
    sizes: Counter[Hashable],
    *,
    given: int,
    total: int,
) -> float:
    return -sum(
        count / total * math.log(count / sizes[pair[given]]) for pair, count in pairs.items()
    )


def strays(bugs: Sequence[str], clusters: Sequence[Hashable]) -> list[bool]:
    """Tell of each event whether it lies outside the largest cluster of its bug."""
    held: defaultdict[str, Counter[Hashable]] = defaultdict(Counter)
    for bug, cluster in zip(bugs, clusters, strict=True):
        held[bug][cluster] += 1
    home = {bug: counts.most_common(1)[0][0] for bug, counts in held.items()}
    return [home[bug] != cluster for bug, cluster in zip(bugs, clusters, strict=True)]


def mixed(bugs: Sequence[str], clusters: Sequence[Hashable]) -> list[tuple[str, ...]]:
    """Return the sets of bugs that share a cluster, the largest first."""
    held: defaultdict[Hashable, set[str]] = defaultdict(set)
    for bug, cluster in zip(bugs, clusters, strict=True):
        held[cluster].add(bug)
    found = {tuple(sorted(names)) for names in held.values() if len(names) > 1}
    return sorted(found, key=lambda names: (-len(names), names))
