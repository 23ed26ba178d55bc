"""Debian's Prometheus as a process of its own, filled by remote write."""

import json
import re
import struct
import subprocess
import threading
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import cramjam

from tests.promql.differential.data import Series

BINARY = Path("/usr/bin/prometheus")
_LISTENING = re.compile(r'msg="Listening on" address=\S*?:(\d+)')


class Peer:
    """A running Prometheus; leave it by `stop`."""

    def __init__(self, folder: Path) -> None:
        config = folder / "prometheus.yml"
        config.write_text("global: {scrape_interval: 1h}\n")
        self._process = subprocess.Popen(
            [
                str(BINARY),
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
                "--web.enable-remote-write-receiver",
                "--enable-feature=promql-at-modifier,promql-negative-offset",
                "--query.lookback-delta=5m",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        port = self._wait_until_ready()
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def _wait_until_ready(self) -> int:
        assert self._process.stderr is not None
        port: int | None = None
        lines: list[str] = []
        for line in self._process.stderr:
            lines.append(line)
            found = _LISTENING.search(line)
            if found is not None:
                port = int(found[1])
            if "Server is ready" in line and port is not None:
                # Somebody must go on reading, or it blocks on a full pipe.
                threading.Thread(target=self._drain, daemon=True).start()
                return port
        raise AssertionError("Prometheus does not start:\n" + "".join(lines))

    def _drain(self) -> None:
        assert self._process.stderr is not None
        for _ in self._process.stderr:
            pass

    def stop(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.terminate()
        self._process.wait(timeout=30)
        assert self._process.stderr is not None
        self._process.stderr.close()

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
