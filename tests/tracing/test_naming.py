"""What the words and codes of senders mean."""

import pytest

from resumatch_monitor.tracing.model import SpanStatus
from resumatch_monitor.tracing.naming import status_of_text


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
