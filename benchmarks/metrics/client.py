"""The one HTTP client that all systems are asked with: a connection that is kept open."""

import http.client
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

_TIMEOUT_SECONDS = 300
_PATIENCE_SECONDS = 180
_MOST_RETRY_SECONDS = 5.0
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_WRITE = {
    "Content-Encoding": "snappy",
    "Content-Type": "application/x-protobuf",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}


class RefusedError(Exception):
    """A system did not do what it was asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Connection(http.client.HTTPConnection):
    """A connection on which header and body of a POST do not wait for each other."""

    def connect(self) -> None:
        super().connect()
        sock: socket.socket = self.sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Client:
    """Requests to one system, one after the other."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = _Connection(parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS)
        self._headers = dict(headers)
        self.refusals = 0

    def close(self) -> None:
        self._connection.close()

    def request(
        self, method: str, path: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and read its answer."""
        self._connection.request(
            method, path, body=body, headers={**self._headers, **(headers or {})}
        )
        response = self._connection.getresponse()
        content = response.read()
        return Answer(response.status, dict(response.getheaders()), content)

    def ask(self, path: str, parameters: Mapping[str, str] | None = None) -> bytes:
        """Return the body of a successful answer to a form that is posted."""
        content = urlencode(parameters or {}).encode()
        answer = self.request("POST", path, body=content, headers=_FORM)
        if answer.status != http.client.OK:
            raise RefusedError(f"{path}: {answer.status} {answer.body[:300]!r}")
        return answer.body

    def fetch(self, path: str) -> bytes:
        """Return the body of a successful answer to a GET."""
        answer = self.request("GET", path)
        if answer.status >= http.client.MULTIPLE_CHOICES:
            raise RefusedError(f"{path}: {answer.status} {answer.body[:300]!r}")
        return answer.body

    def fetch_json(self, path: str) -> Any:
        """Return the decoded body of a successful answer to a GET."""
        return json.loads(self.fetch(path))

    def write(self, path: str, content: bytes) -> None:
        """Send a remote-write body; again, as any sender does, when there is no room yet."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            answer = self.request("POST", path, body=content, headers=_WRITE)
            if answer.status < http.client.MULTIPLE_CHOICES:
                return
            is_temporary = answer.status >= 500 or answer.status == http.client.TOO_MANY_REQUESTS
            if not is_temporary or time.monotonic() > deadline:
                raise RefusedError(f"{path}: {answer.status} {answer.body[:300]!r}")
            self.refusals += 1
            after = {name.lower(): value for name, value in answer.headers.items()}
            time.sleep(min(float(after.get("retry-after", "0.2")), _MOST_RETRY_SECONDS))
