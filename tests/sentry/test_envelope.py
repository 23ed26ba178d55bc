import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentry_sdk.envelope import Envelope as SdkEnvelope
from sentry_sdk.envelope import Item as SdkItem

from resumatch_monitor.sentry.envelope import EnvelopeError, parse_envelope


def test_reads_items_with_and_without_length() -> None:
    data = (
        b'{"event_id":"1"}\n'
        b'{"type":"attachment","length":9}\nab\ncd\nef\n\n'
        b'{"type":"event"}\n{"a":1}\n'
        b'{"type":"empty","length":0}\n\n'
    )

    envelope = parse_envelope(data)

    assert [(item.type, item.payload) for item in envelope.items] == [
        ("attachment", b"ab\ncd\nef\n"),
        ("event", b'{"a":1}'),
        ("empty", b""),
    ]
    assert envelope.problem is None


@pytest.mark.parametrize("data", [b"", b"[]", b"nonsense", b"\xff\n{}", b'{"a":' + b"1" * 99_999])
def test_refuses_what_has_no_headers(data: bytes) -> None:
    with pytest.raises(EnvelopeError):
        parse_envelope(data)


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (b'{"type":"event","length":10}\n{"a":1}', "3 of 10 bytes are missing"),
        (b'{"type":"event","length":3}\n{"a":1}', "does not end where its length says"),
        (b'{"type":"event","length":-1}\n', "not a whole number"),
        (b'{"type":"event","length":true}\n', "not a whole number"),
        (b"not json\n{}", "no JSON object"),
        (b'{"type":"x"}\n{}\n' * 1_200, "more than 1000"),
    ],
)
def test_says_where_it_stopped(rest: bytes, problem: str) -> None:
    envelope = parse_envelope(b'{}\n{"type":"session"}\n{}\n' + rest)

    assert envelope.items[0].type == "session"
    assert envelope.problem is not None
    assert problem in envelope.problem


@given(st.lists(st.tuples(st.sampled_from(["event", "attachment", "log"]), st.binary(max_size=80))))
def test_reads_what_the_sdk_writes(items: list[tuple[str, bytes]]) -> None:
    sdk = SdkEnvelope(headers={"event_id": "1" * 32})
    for kind, payload in items[:90]:
        sdk.add_item(SdkItem(payload=payload, type=kind))

    envelope = parse_envelope(sdk.serialize())

    assert [(item.type, item.payload) for item in envelope.items] == items[:90]
    assert envelope.problem is None


@given(st.binary(max_size=200), st.integers(0, 200))
def test_never_fails_otherwise(garbage: bytes, cut: int) -> None:
    data = b'{"sent_at":"x"}\n{"type":"event","length":7}\n{"a":1}\n'[:cut] + garbage
    try:
        envelope = parse_envelope(data)
    except EnvelopeError:
        return
    assert orjson.dumps(envelope.headers)
