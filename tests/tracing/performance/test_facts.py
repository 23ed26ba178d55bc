"""What is counted of a segment, and what is found wrong in it."""

from typing import Any

import pytest

from resumatch_monitor.tracing.model import Segment, SpanStatus
from resumatch_monitor.tracing.performance.model import CallKind, FindingKind
from tests.support.performance import make_facts, make_query, make_request, make_segment
from tests.support.spans import make_span

USERS = "SELECT * FROM users WHERE id = %s"


@pytest.mark.parametrize(
    ("status", "text", "is_failed"),
    [
        (SpanStatus.OK, "", False),
        (SpanStatus.UNSET, "", False),
        (SpanStatus.ERROR, "internal_error", True),
        (SpanStatus.UNSET, "not_found", True),
        (SpanStatus.UNSET, "cancelled", False),
        (SpanStatus.UNSET, "unknown", False),
        (SpanStatus.ERROR, "Connection refused", True),
    ],
)
def test_a_failure_is_what_sentry_calls_one(status: SpanStatus, text: str, is_failed: bool) -> None:
    facts = make_facts(make_segment(1, status=status, status_text=text))

    assert facts.is_failed is is_failed


@pytest.mark.parametrize(
    ("rate", "weight"), [("0.25", 4), ("1.0", 1), ("0", 1), ("x", 1), ("nan", 1), (0.5, 2)]
)
def test_a_sampled_segment_stands_for_several(rate: Any, weight: float) -> None:
    facts = make_facts(make_segment(1, attributes={"sentry.sample_rate": rate}))

    assert facts.weight == weight


def test_time_is_broken_down_without_what_was_called() -> None:
    facts = make_facts(
        make_segment(
            1,
            make_query(2, USERS, at=0, milliseconds=30),
            make_request(3, "http://pay.test/charge/9", at=40, milliseconds=50),
            milliseconds=100,
        )
    )

    assert facts.parts == {"app": (1, 20_000), "db": (1, 30_000), "http": (1, 50_000)}
    assert [(call.kind, call.text) for call in facts.calls] == [
        (CallKind.DATABASE, "SELECT * FROM users WHERE id = ?"),
        (CallKind.HTTP, "GET pay.test/charge/{id}"),
    ]


def find(segment: Segment) -> list[tuple[FindingKind, int]]:
    return [(each.kind, each.repeats) for each in make_facts(segment).findings]


def queries(count: int, *, milliseconds: float, step: float) -> Segment:
    return make_segment(
        1,
        *(
            make_query(2 + number, USERS, at=number * step, milliseconds=milliseconds)
            for number in range(count)
        ),
    )


def test_the_same_query_again_and_again_is_found() -> None:
    assert find(queries(6, milliseconds=10, step=11)) == [(FindingKind.N_PLUS_ONE, 6)]


@pytest.mark.parametrize(
    ("count", "milliseconds", "step"),
    [
        pytest.param(4, 20, 21, id="too few"),
        pytest.param(6, 1, 2, id="too fast"),
        pytest.param(6, 20, 5, id="at the same time"),
    ],
)
def test_few_fast_or_parallel_queries_are_fine(
    count: int, milliseconds: float, step: float
) -> None:
    assert find(queries(count, milliseconds=milliseconds, step=step)) == []


def test_a_slow_query_is_found() -> None:
    segment = make_segment(1, make_query(2, USERS, milliseconds=1_500))

    assert find(segment) == [(FindingKind.SLOW_QUERY, 1)]


def test_slow_requests_one_after_the_other_are_found() -> None:
    requests = [
        make_request(2 + number, f"http://{host}.test/", at=number * 800, milliseconds=790)
        for number, host in enumerate("abc")
    ]

    assert find(make_segment(1, *requests)) == [(FindingKind.CONSECUTIVE_HTTP, 3)]


def test_vitals_are_read_from_the_root_and_from_spans_of_their_own() -> None:
    page = make_segment(
        1,
        make_span(
            2, parent=1, op="ui.webvital.lcp", attributes={"browser.web_vital.lcp.value": 2500}
        ),
        op="pageload",
        attributes={"browser.web_vital.ttfb.value": 120.5, "browser.web_vital.fcp.value": -1},
    )

    assert make_facts(page).vitals == {"ttfb": 120_500, "lcp": 2_500_000}


def test_a_vital_that_comes_by_itself_belongs_to_its_page_and_is_no_transaction() -> None:
    root: dict[str, Any] = {
        "op": "ui.webvital.cls",
        "name": "Layout shift",
        "segment_name": "/jobs",
    }
    facts = make_facts(make_segment(1, **root, attributes={"browser.web_vital.cls.value": 0.12}))

    assert (facts.name, facts.op, facts.is_counted) == ("/jobs", "pageload", False)
    assert facts.vitals == {"cls": pytest.approx(120_000)}
