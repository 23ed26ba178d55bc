import gzip
import http.server
import threading
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import orjson
import pytest

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import is_absent
from resumatch_monitor.promql.context import Options, no_checkpoint
from resumatch_monitor.promql.value import (
    ExecutionError,
    InstantVector,
    QueryError,
    QueryLimitError,
    QueryTimeoutError,
    StoreUnavailableError,
)
from resumatch_monitor.storage.remote.answers import read_error, read_instant, read_range
from tests.conformance.conftest import reading

SERVER = "http://store"


NO_LABELS: dict[str, str] = {}


def success(result: object, kind: str = "matrix", **more: object) -> bytes:
    return orjson.dumps(
        {"status": "success", "data": {"resultType": kind, "result": result}, **more}
    )


def failure(kind: str, message: str) -> bytes:
    return orjson.dumps({"status": "error", "errorType": kind, "error": message})


@pytest.mark.parametrize(
    ("status", "body", "error", "message"),
    [
        (400, failure("bad_data", "parse error"), QueryError, "parse error"),
        (422, failure("execution", "many-to-many"), ExecutionError, "many-to-many"),
        (503, failure("timeout", "query timed out"), QueryTimeoutError, "query timed out"),
        (503, b"<html>no backend</html>", StoreUnavailableError, "not available: HTTP 503"),
        (500, failure("internal", "disk"), StoreUnavailableError, "HTTP 500: disk"),
        (401, b"", StoreUnavailableError, "refuses the monitor's credentials"),
        (403, b"no", StoreUnavailableError, "refuses the monitor's credentials"),
        (404, b"404 page", StoreUnavailableError, "no Prometheus API at that address"),
        (302, b"", StoreUnavailableError, "HTTP 302"),
        (599, b"odd", StoreUnavailableError, "HTTP 599: odd"),
    ],
)
def test_an_error_keeps_its_kind_and_its_words(
    status: int, body: bytes, error: type[QueryError], message: str
) -> None:
    found = read_error(status, body, server=SERVER)

    assert type(found) is error
    assert message in str(found)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"status":"error"}',
        b'{"status":"success"}',
        b'{"status":"success","data":{"resultType":"vector"}}',
        success([{"metric": NO_LABELS, "value": [1]}], "vector"),
        success([{"metric": NO_LABELS, "value": [1, "x"]}], "vector"),
        success([{"metric": [], "values": [[1, "2"]]}]),
        success([{"metric": {"a": 1}, "values": [[1, "2"]]}]),
    ],
)
def test_what_is_no_answer_is_not_taken_for_one(body: bytes) -> None:
    with pytest.raises(StoreUnavailableError, match=SERVER):
        read_instant(body, 1000, server=SERVER)
    with pytest.raises(StoreUnavailableError, match=SERVER):
        read_range(body, start_ms=1000, end_ms=1000, step_ms=1, server=SERVER)


def test_a_range_is_read_into_its_steps_whatever_the_order() -> None:
    body = success(
        [
            {"metric": {"b": "2"}, "values": [[10, "1"], [10.5, "+Inf"]]},
            {"metric": {"a": "1"}, "values": [[10.25, "NaN"]]},
        ],
        warnings=["careful"],
        infos=["by the way"],
    )

    answer = read_range(body, start_ms=10_000, end_ms=10_600, step_ms=250, server=SERVER)

    matrix = answer.value
    assert matrix.timestamps.tolist() == [10_000, 10_250, 10_500]
    assert matrix.labels == [Labels.of(a="1"), Labels.of(b="2")]
    assert is_absent(matrix.values).tolist() == [[True, False, True], [False, True, False]]
    assert np.isnan(matrix.values[0, 1])
    assert matrix.values[1, [0, 2]].tolist() == [1.0, np.inf]
    assert (answer.warnings, answer.infos) == (["careful"], ["by the way"])


@pytest.mark.parametrize("time", [10.1, 9, 11])
def test_an_answer_for_other_moments_is_not_squeezed_in(time: float) -> None:
    body = success([{"metric": NO_LABELS, "values": [[time, "1"]]}])

    with pytest.raises((QueryLimitError, StoreUnavailableError)):
        read_range(body, start_ms=10_000, end_ms=10_500, step_ms=250, server=SERVER)


def test_native_histograms_are_left_out_with_a_warning() -> None:
    body = success(
        [
            {"metric": {"a": "1"}, "histogram": [1, {"count": "1", "sum": "1"}]},
            {"metric": {"a": "2"}, "value": [1, "5"]},
        ],
        "vector",
    )

    answer = read_instant(body, 1000, server=SERVER)

    assert isinstance(answer.value, InstantVector)
    assert answer.value.labels == [Labels.of(a="2")]
    assert "native histograms" in answer.warnings[0]


@contextmanager
def answering(status: int, body: bytes) -> Generator[tuple[str, list[str]]]:
    """Run a server that always says the same, and yield its address and what it was asked."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append(f"{self.path} {self.headers['Accept-Encoding']} {form}")
            self.send_response(status)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_queries_are_sent_as_forms_and_answers_may_be_packed() -> None:
    body = gzip.compress(success([], "vector"))
    with answering(200, body) as (url, asked), reading(url) as reader:
        reader.evaluate_instant("up + 1", 1500, options=Options(), checkpoint=no_checkpoint)

    (line,) = asked
    assert line.startswith("/api/v1/query gzip query=up+%2B+1&time=1.5&timeout=10s")


def test_an_answer_that_is_too_large_is_given_up() -> None:
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    with (
        answering(200, bomb) as (url, _),
        reading(url) as reader,
        pytest.raises(QueryLimitError, match="ask for fewer series"),
    ):
        reader.evaluate_instant("up", 0, options=Options(), checkpoint=no_checkpoint)


def test_what_waits_for_an_answer_ends_when_the_monitor_stops() -> None:
    with reading("http://127.0.0.1:9") as reader:
        reader.interrupt()

        with pytest.raises(StoreUnavailableError, match="stopping"):
            reader.find_label_names((), 0, 1)
