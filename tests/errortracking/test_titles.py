"""What stands for an event in lists."""

from typing import Any

import pytest

from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.prepare import describe, find_culprit


def make_exception(**over: Any) -> dict[str, Any]:
    frames = [{"module": "app", "function": "?", "in_app": True}]
    return {"stacktrace": {"frames": frames}, **over}


@pytest.mark.parametrize(
    ("exception", "message", "expected"),
    [
        ({"type": "KeyError", "value": "'a'"}, "", ("KeyError", "'a'")),
        ({"type": "KeyError"}, "no such key", ("KeyError", "no such key")),
        ({"value": "it broke"}, "", ("Error", "it broke")),
        # JavaScript's captureMessage, with the stack of its caller.
        ({"value": "prices are old"}, "prices are old", ("Message", "prices are old")),
        ({"value": "it broke"}, "prices are old", ("Error", "it broke")),
    ],
)
def test_a_message_with_a_stack_is_a_message(
    exception: dict[str, Any], message: str, expected: tuple[str, str]
) -> None:
    raw = {"message": message, "exception": {"values": [make_exception(**exception)]}}

    assert describe(normalise(raw)) == expected


def test_a_function_without_a_name_is_not_named() -> None:
    raw = {"exception": {"values": [make_exception(type="Error", value="it broke")]}}

    assert find_culprit(normalise(raw)) == "app"
