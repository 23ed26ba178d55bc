"""What is remembered of series is right, is remembered, and is bounded."""

from collections.abc import Sequence

import numpy as np

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.rules.catalogue import Catalogues

EVERYTHING = ()


def make_labels(job: str, count: int) -> list[Labels]:
    return [
        Labels.of({METRIC_NAME: "m"}, job=job, h=str(row), parity=str(row % 2))
        for row in range(count)
    ]


def equal(name: str, value: str) -> tuple[Matcher, ...]:
    return (Matcher(name, MatchOp.EQUAL, value),)


def expected_rows(blocks: Sequence[Sequence[Labels]], matchers: Sequence[Matcher]) -> list[int]:
    everything = [each for labels in blocks for each in labels]
    return [
        row
        for row, labels in enumerate(everything)
        if all(matcher.matches(labels.value(matcher.name)) for matcher in matchers)
    ]


def test_chooses_the_series_that_match_over_all_blocks() -> None:
    blocks = [make_labels("a", 5), make_labels("b", 1), make_labels("c", 4)]
    catalogue = Catalogues().find(blocks)
    questions = [
        EVERYTHING,
        equal("parity", "1"),
        equal("h", "0"),
        equal("h", "nowhere"),
        equal("absent", ""),
        (Matcher("job", MatchOp.REGEX, "a|c"), Matcher("h", MatchOp.NOT_EQUAL, "2")),
    ]

    for question in questions:
        choice = catalogue.choose(question)
        everything = [each for labels in blocks for each in labels]
        rows = expected_rows(blocks, question)
        assert choice.rows.tolist() == rows
        assert list(choice.labels) == [everything[row] for row in rows]
        assert int(choice.counts.sum()) == len(rows)
        for labels, (chosen, found) in zip(blocks, choice.of_block, strict=True):
            positions: list[int] = np.arange(len(labels))[chosen].tolist()
            assert [labels[row] for row in positions] == list(found)


def test_remembers_what_was_chosen_while_the_series_are_the_same() -> None:
    catalogues = Catalogues()
    labels = make_labels("a", 5)

    first = catalogues.find([labels]).choose(equal("h", "3"))
    same = catalogues.find([list(labels)]).choose(equal("h", "3"))
    changed = catalogues.find([[*labels[:4], make_labels("b", 1)[0]]]).choose(equal("h", "3"))

    assert same is first
    assert changed is not first
    assert changed.rows.tolist() == [3]


def test_what_comes_and_goes_is_forgotten() -> None:
    catalogues = Catalogues(most_rows=1_000)

    for number in range(50):
        blocks = [make_labels(f"job-{number}", 40), make_labels("steady", 10)]
        catalogue = catalogues.find(blocks)
        assert len(catalogue.choose(EVERYTHING).rows) == 50
        assert catalogue.choose(equal("job", "steady")).rows.tolist() == list(range(40, 50))

    assert catalogues.row_count < 2_000


def test_more_than_may_be_remembered_is_found_anew() -> None:
    catalogues = Catalogues(most_rows=100)
    labels = make_labels("a", 60)

    for _ in range(3):
        catalogue = catalogues.find([labels])
        for row in range(60):
            assert catalogue.choose((Matcher("h", MatchOp.NOT_EQUAL, str(row)),)).rows.size == 59

    catalogues.find([labels])
    assert catalogues.row_count < 100
