"""Nothing private is stored with a record; what is harmless stays as it is."""

from typing import Any

import pytest

from resumatch_monitor.logs.scrubbing import RecordScrubber
from resumatch_monitor.sentry.scrub import Scrubber
from tests.support.logs import make_record

_PROSE = "Ada has worked as an engineer of bridges and of looms for many years. " * 6


def clean(**attributes: Any) -> dict[str, Any]:
    return dict(RecordScrubber(Scrubber()).clean(make_record(attributes=attributes)).attributes)


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("user.password", "hunter2", "[Filtered]"),
        ("user.email", "ada@example.org", "[Filtered]"),
        ("http.request.headers.authorization", "Bearer abc", "[Filtered]"),
        ("client.ip", "203.0.113.77", "203.0.113.0"),
        ("proxy.clientIp", "203.0.113.77", "203.0.113.0"),
        ("http.x_forwarded_for", "203.0.113.77, 198.51.100.9", "203.0.113.0, 198.51.100.0"),
        ("source.address", "2001:db8:1:2::3", "2001:db8:1::"),
        ("note", "card 4111 1111 1111 1111", "card [card number]"),
        ("resume.id", 17, 17),
        ("http.response.status_code", 404, 404),
        ("is_secret", True, True),
        ("cart.items", ["a", "b"], ["a", "b"]),
    ],
)
def test_an_attribute_is_kept_as_its_name_and_value_allow(name: str, value: Any, kept: Any) -> None:
    assert clean(**{name: value}) == {name: kept}


def test_long_prose_is_taken_out_and_a_stack_trace_is_not() -> None:
    cleaned = clean(**{"document": _PROSE, "error.stack_trace": _PROSE})

    assert cleaned["document"].startswith("[Filtered: text of ")
    assert cleaned["error.stack_trace"] == _PROSE


def test_the_message_loses_what_looks_like_a_secret() -> None:
    record = make_record("signed in as ada@example.org with password=hunter2")

    cleaned = RecordScrubber(Scrubber()).clean(record)

    assert "ada@" not in cleaned.body
    assert "hunter2" not in cleaned.body


def test_a_record_without_anything_private_is_the_same_one() -> None:
    record = make_record("request finished", attributes={"a": 1, "b": ["x"], "c": "text"})

    assert RecordScrubber(Scrubber()).clean(record) is record
