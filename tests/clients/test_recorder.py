"""The recorder of the corpus: nothing of the machine, and envelopes that are still whole."""

import sys
from pathlib import Path

import orjson

from resumatch_monitor.sentry.envelope import parse_envelope
from tests.clients.anonymous import clean_body, find_leaks, find_replacements
from tests.clients.corpus import read_file, write_file
from tests.clients.proxy import run_proxy
from tests.clients.recorder import KEY, Recording
from tests.support.monitor import run_monitor

_SEND = """
import os, sentry_sdk
sentry_sdk.init(os.environ["SENTRY_DSN"], server_name=os.environ["SENTRY_SERVER"])
sentry_sdk.get_isolation_scope().add_attachment(bytes=b"\\xff one\\n two", filename="a.bin")
try:
    {}["here"]
except KeyError:
    sentry_sdk.capture_exception()
sentry_sdk.flush(10)
"""


def test_lengths_are_right_after_cleaning() -> None:
    folder = Path("/tmp/app-of-this-test")
    event = orjson.dumps({"path": f"{folder}/worker.py", "prefix": f"{sys.prefix}/bin/python"})
    body = b"\n".join(
        [
            b"{}",
            orjson.dumps({"type": "event", "length": len(event)}),
            event,
            b'{"type":"log"}',
            event,
            b'{"type":"attachment","length":9}',
            b"one\n{}\ntw",
            b"",
        ]
    )

    cleaned = clean_body(body, find_replacements(folder), is_envelope=True)

    envelope = parse_envelope(cleaned)
    assert envelope.problem is None
    assert [item.type for item in envelope.items] == ["event", "log", "attachment"]
    assert orjson.loads(envelope.items[0].payload)["path"] == "/srv/app/worker.py"
    assert envelope.items[2].payload == b"one\n{}\ntw"
    assert find_leaks(body, folder)
    assert not find_leaks(cleaned, folder)


def test_what_a_client_sends_is_recorded_and_read_again(tmp_path: Path) -> None:
    config = f"projects: [{{id: 1, slug: app, key: {KEY}}}]\ndefault_rules: false\n"
    with run_monitor(tmp_path / "monitor", config=config) as monitor, run_proxy(monitor.url) as tap:
        recording = Recording(monitor, tap, tmp_path)
        recording.run("a failing script", [sys.executable, "-c", _SEND])

    write_file(tmp_path / "corpus.ndjson.xz", recording.requests)

    (request,) = read_file(tmp_path / "corpus.ndjson.xz")
    assert [request] == recording.requests
    assert (request.method, request.path, request.status) == ("POST", "/api/1/envelope/", 200)
    assert request.label == "a failing script"
    assert request.headers["content-encoding"] in ("br", "gzip")
    event, attachment = parse_envelope(request.body).items
    assert orjson.loads(event.payload)["server_name"] == "app-1"
    assert attachment.payload == b"\xff one\n two"
