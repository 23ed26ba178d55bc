"""What the words and codes of senders mean."""

import pytest

from resumatch_monitor.tracing.model import SpanStatus
from resumatch_monitor.tracing.naming import name_page, status_of_text


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("503", SpanStatus.ERROR),
        ("404", SpanStatus.UNSET),
        ("50\N{SUPERSCRIPT THREE}", SpanStatus.UNSET),
    ],
)
def test_the_code_of_a_response_counts_where_no_status_is_said(
    code: str, status: SpanStatus
) -> None:
    assert status_of_text("", {"http.response.status_code": code}) is status


@pytest.mark.parametrize(
    ("name", "op", "attributes", "expected"),
    [
        ("Pageload", "pageload", {"url.path": "/jobs"}, "/jobs"),
        ("Navigation", "navigation", {"url.path": "/jobs"}, "/jobs"),
        ("/jobs/:id", "pageload", {"url.path": "/jobs/7"}, "/jobs/:id"),
        ("Jobs", "pageload", {"url.path": "/jobs", "sentry.segment.name.source": "route"}, "Jobs"),
        ("Pageload", "pageload", {}, "Pageload"),
        ("Pageload", "pageload", {"url.path": 7}, "Pageload"),
        ("send", "queue.task", {"url.path": "/jobs"}, "send"),
    ],
)
def test_a_page_without_a_router_is_called_by_its_path(
    name: str, op: str, attributes: dict[str, object], expected: str
) -> None:
    assert name_page(name, op, attributes) == expected
