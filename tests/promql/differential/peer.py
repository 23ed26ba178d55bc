"""Speaks to a running Prometheus: remote write in, queries out."""

import json
import struct
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

import cramjam

from tests.promql.differential.data import Series

ARGUMENTS = (
    "--enable-feature=promql-at-modifier,promql-negative-offset",
    "--query.lookback-delta=5m",
)


class PrometheusClient:
    """One connection to the server at `url`; end it by `close`."""

    def __init__(self, url: str) -> None:
        self._connection = HTTPConnection(urlsplit(url).netloc, timeout=60)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def write(self, series: Iterable[Series]) -> None:
        """Store `series` by remote write."""
        body = bytes(cramjam.snappy.compress_raw(encode_write_request(series)))
        headers = {
            "Content-Encoding": "snappy",
            "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        self._connection.request("POST", "/api/v1/write", body, headers)
        response = self._connection.getresponse()
        text = response.read().decode(errors="replace")
        assert response.status == 204, f"remote write answers {response.status}: {text}"

    def query(self, query: str, time_ms: int) -> dict[str, Any]:
        """Return the JSON answer to an instant query."""
        return self._post("/api/v1/query", {"query": query, "time": f"{time_ms / 1000:.3f}"})

    def query_range(self, query: str, start_ms: int, end_ms: int, step_ms: int) -> dict[str, Any]:
        """Return the JSON answer to a range query."""
        form = {
            "query": query,
            "start": f"{start_ms / 1000:.3f}",
            "end": f"{end_ms / 1000:.3f}",
            "step": f"{step_ms / 1000:.3f}",
        }
        return self._post("/api/v1/query_range", form)

    def _post(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        self._connection.request("POST", path, urlencode(form), headers)
        return json.loads(self._connection.getresponse().read())


def encode_write_request(series: Iterable[Series]) -> bytes:
    """Return a `prometheus.WriteRequest` in Protocol Buffers' encoding."""
    return b"".join(_message(1, _encode_series(each)) for each in series)


def _encode_series(series: Series) -> bytes:
    parts = [
        _message(1, _message(1, name.encode()) + _message(2, value.encode()))
        for name, value in series.labels.pairs
    ]
    for time, value in sorted(series.points.items()):
        sample = b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(time)
        parts.append(_message(2, sample))
    return b"".join(parts)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
