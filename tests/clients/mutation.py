"""Envelopes as nobody should send them: made of real ones by changes that a `Random` chooses."""

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, cast

_Item = tuple[dict[str, Any], bytes]

ODD_TEXTS = (
    "",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff" * 3,
    "\u202e\u0000\ufeff",
    "🏳️‍🌈" * 40,
    "%s%n{{default}}{{auto}}",
    "NaN",
    "Infinity",
    "-1",
    "9" * 400,
    "0" * 32,
    "2026-13-45T99:99:99Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "../../../etc/passwd",
    "(((((((((((((((((((a+)+)+)+)+)+)+)+)$",
    "x" * 70_000,
    "SELECT " + "(" * 3_000,
    "* * * * *",
    "*/0 * * * *",
)
ODD_NUMBERS = (
    0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30, 10**308, 10**400,
    0.1, -0.0, 5e-324, 1.7976931348623157e308,
)  # fmt: skip
_EMPTY = ("null", "true", "false", "[]", "{}", "[[]]", "[null]", '{"": null}')
_RAW = (
    b"NaN", b"-Infinity", b"1e999", b"-1e-999", b"1" * 5_000, b'"\\ud800"', b'"\\u0000"', b"tru",
    b'"\xff\xfe"', b"{", b"[", b'{"a":1,"a":2}',
)  # fmt: skip


_REPEATED_BYTES = 256 * 1024


def mutate(random: Random, body: bytes) -> bytes:
    """Return an envelope that is `body` with one to four things wrong."""
    for _ in range(random.randint(1, 4)):
        body = random.choice(_CHANGES)(random, body)
    return body


def mutate_payload(random: Random, payload: bytes) -> bytes:
    """Return the payload of an item with one to four things wrong."""
    body = b'{}\n{"type":"x"}\n' + payload.replace(b"\n", b" ")
    return mutate(random, body).partition(b"\n")[2].partition(b"\n")[2].removesuffix(b"\n")


def make_odd(random: Random, depth: int = 0) -> Any:
    """Return any JSON, preferably such as nobody thinks of."""
    kind = random.randint(0, 7 if depth < 3 else 4)
    if kind == 0:
        return json.loads(random.choice(_EMPTY))
    if kind in (1, 2):
        return random.choice(ODD_TEXTS)
    if kind in (3, 4):
        return random.choice(ODD_NUMBERS)
    if kind == 5:
        return _nest(random.choice((10, 200, 1_100)), make_odd(random, 3))
    if kind == 6:
        return [
            make_odd(random, depth + 1)
            for _ in range(random.choice((1, 3, 300 if depth == 2 else 4)))
        ]
    return {
        random.choice((*ODD_TEXTS[:8], "value", "values", "type", "id")): make_odd(
            random, depth + 1
        )
        for _ in range(3)
    }


def split(body: bytes) -> tuple[bytes, list[_Item]]:
    """Return the first line of an envelope and its items, as far as they can be told apart."""
    first, _, rest = body.partition(b"\n")
    items: list[_Item] = []
    while rest:
        line, _, rest = rest.partition(b"\n")
        if not line.strip():
            continue
        header = _load(line)
        if not isinstance(header, dict):
            items.append(({}, line + b"\n" + rest))
            break
        header = cast("dict[str, Any]", header)
        length = header.get("length")
        is_length = isinstance(length, int) and 0 <= length <= len(rest)
        end = length if is_length else (rest.find(b"\n") if b"\n" in rest else len(rest))
        items.append((header, rest[:end]))
        rest = rest[end:].removeprefix(b"\n")
    return first, items


def join(first: bytes, items: Sequence[_Item], *, are_lengths_right: bool = True) -> bytes:
    """Return the envelope of these items."""
    lines = [first]
    for header, payload in items:
        if are_lengths_right and ("length" in header or b"\n" in payload):
            header = {**header, "length": len(payload)}
        lines += [_dump(header), payload]
    return b"\n".join(lines) + b"\n"


def _flip_bytes(random: Random, body: bytes) -> bytes:
    changed = bytearray(body)
    for _ in range(random.choice((1, 2, 16))):
        if changed:
            changed[random.randrange(len(changed))] = random.choice(
                (0, 10, 34, 92, 123, 125, 255, random.randrange(256))
            )
    return bytes(changed)


def _cut(random: Random, body: bytes) -> bytes:
    begin, end = sorted((random.randint(0, len(body)), random.randint(0, len(body))))
    return random.choice((body[:end], body[begin:], body[:begin] + body[end:]))


def _insert(random: Random, body: bytes) -> bytes:
    at = random.randint(0, len(body))
    return body[:at] + random.choice((b"\x00", b"\n", b"\xff" * 9, *_RAW)) + body[at:]


def _shuffle_items(random: Random, body: bytes) -> bytes:
    first, items = split(body)
    items = [random.choice(items) for _ in range(random.randint(0, 6))] if items else []
    return join(first, items, are_lengths_right=random.random() < 0.5)


def _repeat_item(random: Random, body: bytes) -> bytes:
    first, items = split(body)
    if items:
        item = random.choice(items)
        most = max(1, _REPEATED_BYTES // (len(item[1]) + 1))
        items = [*items, *[item] * min(most, random.choice((1, 20, 150)))]
    return join(first, items)


def _lie_about_length(random: Random, body: bytes) -> bytes:
    first, items = split(body)
    lie = random.choice((-1, 0, 1, 2**31, 2**70, 1.5, "7", None, True, [], len(body)))
    items = [
        ({**header, "length": lie}, payload) if random.random() < 0.6 else (header, payload)
        for header, payload in items
    ]
    return join(first, items, are_lengths_right=False)


def _retype_item(random: Random, body: bytes) -> bytes:
    first, items = split(body)
    if items:
        index = random.randrange(len(items))
        header, payload = items[index]
        types = (
            "event", "transaction", "span", "session", "sessions", "check_in", "log", "attachment",
            "trace_metric", "feedback", "user_report", "client_report", "profile", "profile_chunk",
            "replay_event", "replay_recording", "otel_span", "", "statsd",
        )  # fmt: skip
        kind = make_odd(random) if random.random() < 0.1 else random.choice(types)
        items[index] = ({**header, "type": kind}, payload)
    return join(first, items)


def _change_header(random: Random, body: bytes) -> bytes:
    first, items = split(body)
    if items and random.random() < 0.6:
        index = random.randrange(len(items))
        header, payload = items[index]
        key = random.choice((*header, "item_count", "content_type", "filename", "platform", "x"))
        items[index] = ({**header, key: make_odd(random)}, payload)
        return join(first, items)
    headers = _load(first)
    known = cast("dict[str, Any]", headers) if isinstance(headers, dict) else {}
    key = random.choice((*known, "dsn", "event_id", "sent_at", "trace", "sdk"))
    return join(_dump({**known, key: make_odd(random)}), items)


def _change_payload(random: Random, body: bytes) -> bytes:
    first, items = split(body)
    if not items:
        return body
    index = random.randrange(len(items))
    header, payload = items[index]
    value = _load(payload)
    if value is None:
        return body
    for _ in range(random.choice((1, 1, 3, 12))):
        value = _change_value(random, value)
    text = _dump(value)
    if random.random() < 0.1:
        at = random.randint(0, len(text))
        text = text[:at] + random.choice(_RAW) + text[at:]
    items[index] = (header, text)
    return join(first, items)


def _change_value(random: Random, value: Any) -> Any:
    """Return `value` with something inside it, or all of it, replaced."""
    here = value
    parent: Any = None
    key: Any = None
    while keys := _keys_of(here):
        parent, key = here, random.choice(keys)
        here = parent[key]
        if random.random() < 0.15:
            break
    if parent is None:
        return make_odd(random)
    way = random.random()
    if way < 0.1:
        del parent[key]
    elif way < 0.2 and isinstance(parent, dict):
        known = cast("dict[str, Any]", parent)
        known[random.choice(ODD_TEXTS)] = known.pop(key)
    elif way < 0.3 and isinstance(parent, list):
        # Not much of what is large: copies of copies would fill the memory.
        count = 1 if _keys_of(here) else random.choice((1, 400))
        cast("list[Any]", parent).extend([here] * count)
    else:
        parent[key] = make_odd(random)
    return value


def _keys_of(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(cast("dict[str, Any]", value))
    return list(range(len(cast("list[Any]", value)))) if isinstance(value, list) else []


def _nest(levels: int, inner: Any) -> Any:
    for _ in range(levels):
        inner = [inner] if levels % 2 else {"a": inner}
    return inner


def _load(text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _dump(value: Any) -> bytes:
    try:
        return json.dumps(value).encode()
    except (ValueError, RecursionError):
        return b"[" * 2_000 + b"]" * 2_000


_CHANGES: tuple[Callable[[Random, bytes], bytes], ...] = (
    _flip_bytes,
    _cut,
    _insert,
    _shuffle_items,
    _repeat_item,
    _lie_about_length,
    _retype_item,
    _change_header,
    _change_payload,
    _change_payload,
    _change_payload,
    _change_payload,
)
