import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.sentry.lenient import parse_json

_ANY_TEXT = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'{"a": "cut \ud83d"}', {"a": "cut \ufffd"}),
        (rb'{"a": "\ud83d\ude00 \uDC00"}', {"a": "\U0001f600 \ufffd"}),
        (rb'{"a": "\\ud83d \ud83d"}', {"a": "\\ud83d \ufffd"}),
        (b'{"a": "\xff"}', {"a": "\ufffd"}),
    ],
)
def test_half_a_character_is_no_reason_to_lose_the_rest(data: bytes, value: object) -> None:
    parsed, text = parse_json(data)

    assert parsed == value
    assert orjson.loads(text) == value


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": 1e999, "b": [-1e999, 1e308], "c": 1}', {"a": None, "b": [None, 1e308], "c": 1}),
        (b'{"a": "1e999", "b": 1e999}', {"a": "1e999", "b": None}),
        (rb'{"a": "\"1e999\\", "b": 1e999}', {"a": '"1e999\\', "b": None}),
        (rb'{"a": "\ud83d", "b": 1e999}', {"a": "\ufffd", "b": None}),
        (b'{"a": ' + b"1" * 5_000 + b"}", {"a": None}),
        (b"1e999", None),
    ],
)
def test_a_number_larger_than_any_is_no_reason_to_lose_the_rest(data: bytes, value: object) -> None:
    parsed, text = parse_json(data)

    assert parsed == value
    assert orjson.loads(text) == value


def test_a_text_that_does_not_end_is_refused_in_linear_time() -> None:
    with pytest.raises(orjson.JSONDecodeError):
        parse_json(b'[1e999, "' + rb"\"" * 500_000)


@pytest.mark.parametrize("data", [b"", b"{", b"NaN", rb'{"a": "\ud83d"', b"[" * 100_000])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(orjson.JSONDecodeError):
        parse_json(data)


@given(st.dictionaries(_ANY_TEXT, _ANY_TEXT))
def test_whatever_a_browser_writes_is_read(value: dict[str, str]) -> None:
    parsed, _ = parse_json(json.dumps(value).encode())

    assert len(parsed) <= len(value)
