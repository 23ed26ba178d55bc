import hashlib

import pytest

from benchmarks.grouping.__main__ import CORPORA, GOAL
from benchmarks.grouping.corpus import make_corpus
from benchmarks.grouping.measures import measure, mixed, strays
from benchmarks.grouping.tuning import TUNING
from resumatch_monitor.errortracking.grouping.registry import CURRENT_VERSION, GROUPERS
from resumatch_monitor.errortracking.normalise import normalise


def test_a_perfect_clustering_measures_one() -> None:
    found = measure(["a", "a", "b"], [7, 7, 9])

    assert (found.homogeneity, found.completeness) == (1.0, 1.0)


def test_one_cluster_of_everything_is_complete_and_not_homogeneous() -> None:
    found = measure(["a", "a", "b", "b"], [1, 1, 1, 1])

    assert found.completeness == 1.0
    assert found.homogeneity == pytest.approx(0.0)


def test_a_cluster_an_event_is_homogeneous_and_half_complete() -> None:
    # H(C) = ln 2, H(K) = ln 4, H(K|C) = ln 2.
    found = measure(["a", "a", "b", "b"], [1, 2, 3, 4])

    assert found.homogeneity == pytest.approx(1.0)
    assert found.completeness == pytest.approx(0.5)


def test_names_what_is_astray_and_what_is_mixed() -> None:
    bugs, clusters = ["a", "a", "a", "b"], [1, 1, 2, 2]

    assert strays(bugs, clusters) == [False, False, True, False]
    assert mixed(bugs, clusters) == [("a", "b")]


def test_a_corpus_is_the_same_for_the_same_seed() -> None:
    first, second = make_corpus(TUNING, 3), make_corpus(TUNING, 3)

    assert first == second
    assert len(first) == 200 * 50
    assert len({each.bug for each in first}) == 200
    assert len({each.event["event_id"] for each in first}) == len(first)


@pytest.mark.parametrize("name", list(CORPORA))
def test_the_version_for_new_projects_reaches_the_goal(name: str) -> None:
    sample = make_corpus(*CORPORA[name])[::3]
    grouper = GROUPERS[CURRENT_VERSION]

    keys = [grouper(normalise(each.event)).key for each in sample]

    found = measure([each.bug for each in sample], keys)
    assert min(found.homogeneity, found.completeness) >= GOAL


@pytest.mark.parametrize(
    ("version", "expected"), [(1, "0f958c5a0f1ce766"), (2, "8f41bd8d3aab2e7c")]
)
def test_no_version_changes_what_it_answers(version: int, expected: str) -> None:
    digest = hashlib.blake2b(digest_size=8)
    for each in make_corpus(*CORPORA["tuning"])[::7]:
        digest.update(GROUPERS[version](normalise(each.event)).key)

    # Another digest means that issues of projects with this version are grouped anew, unless it
    # was the corpus that changed.
    assert digest.hexdigest() == expected
