"""Everything that real clients were recorded to send, through the door and the digests."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import brotli
import pytest

from tests.clients.corpus import FOLDER, Recorded, read_corpus
from tests.clients.inside import Inside, run_inside

pytestmark = pytest.mark.timeout(300)

_PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "gzip": gzip.compress,
    "br": cast("Callable[[bytes], bytes]", brotli.compress),  # pyright: ignore[reportUnknownMemberType]
}
_SENT = frozenset(
    {"authorization", "content-encoding", "content-type", "user-agent", "x-sentry-auth"}
)
_BYTES_MAX = 3 * 1024 * 1024


@pytest.fixture(scope="module")
def corpus() -> list[Recorded]:
    return [each for each in read_corpus() if each.is_envelope]


@pytest.fixture(scope="module")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inside]:
    with run_inside(tmp_path_factory.mktemp("monitor")) as inside:
        yield inside


def _split(body: bytes) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield the items of a whole envelope; written from Sentry's description, not from `src`."""
    _, _, rest = body.partition(b"\n")
    while rest:
        line, _, rest = rest.partition(b"\n")
        if line:
            header = json.loads(line)
            end = header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
            yield header, rest[:end]
            rest = rest[end:].removeprefix(b"\n")


def _expect(request: Recorded) -> Counter[tuple[str, str]]:
    """Return what the door should count for a request."""
    expected: Counter[tuple[str, str]] = Counter()
    for header, payload in _split(request.body):
        kind = header["type"]
        if kind == "event" and json.loads(payload).get("type") == "feedback":
            kind = "feedback"
        expected[(kind, "not_stored" if kind == "client_report" else "accepted")] += 1
    return expected


def test_the_corpus_is_large_small_and_of_many_kinds(corpus: list[Recorded]) -> None:
    kinds = Counter(header["type"] for each in corpus for header, _ in _split(each.body))
    encodings = {each.headers.get("content-encoding", "") for each in corpus}

    assert len(corpus) >= 330
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < _BYTES_MAX
    assert encodings >= {"", "gzip", "br"}
    assert set(kinds) >= {
        "event", "transaction", "span", "session", "sessions", "check_in", "log", "trace_metric",
        "attachment", "profile", "profile_chunk", "client_report", "feedback", "replay_event",
        "replay_recording",
    }  # fmt: skip


def test_every_envelope_is_taken_and_digested_as_what_it_is(
    inside: Inside, corpus: list[Recorded], caplog: pytest.LogCaptureFixture
) -> None:
    wrong: list[str] = []
    total: Counter[tuple[str, str]] = Counter()
    for request in corpus:
        inside.clock.set(datetime.fromtimestamp(request.at, UTC))
        before, expected = inside.count_items(), _expect(request)
        packed = _PACKERS[request.headers.get("content-encoding", "")](request.body)
        headers = {name: value for name, value in request.headers.items() if name in _SENT}
        answer = inside.send(request.method, request.path, packed, headers)
        counted = inside.count_items() - before
        if answer.status_code != request.status or counted != expected:
            wrong.append(f"{request.label}: {answer.status_code} {counted}, not {expected}")
        total += expected
    inside.drain()

    assert wrong == []
    assert [each.getMessage() for each in caplog.records if each.levelname == "ERROR"] == []
    read, accepted = inside.read_metric, {kind: count for (kind, _), count in total.items()}
    errors, traces = "resumatch_monitor_errors_events_total", "resumatch_monitor_traces_items_total"
    assert read(errors, outcome="set_aside") == 0
    assert read(errors, outcome="stored") == accepted["event"]
    assert read(traces, outcome="stored") == accepted["transaction"] + accepted["span"]
    assert read("resumatch_monitor_check_ins_total", outcome="stored") == accepted["check_in"]
    assert read("resumatch_monitor_feedback_total", outcome="stored") == accepted["feedback"]
    # Spans that tell how an SDK sends its spans are left out, and nothing else is.
    spans = "resumatch_monitor_traces_spans_total"
    assert read(spans) == read(spans, outcome="stored") + read(spans, outcome="own_envelope")
