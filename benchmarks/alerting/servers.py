"""The two ends of an alert's way: a target whose values cross a line, and a webhook that counts."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Catcher:
    """Takes webhooks and remembers when each alert was first told, by a label of it.

    Attributes:
        first_at: `time.perf_counter()` of the first message about an alert that fires.
        messages: How many came.
    """

    def __init__(self, label: str) -> None:
        self.first_at: dict[str, float] = {}
        self.messages = 0
        self._label = label
        self._lock = threading.Lock()
        self._server, self.url = _serve(self._take)

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def wait_for(self, count: int, *, seconds: float) -> bool:
        """Wait until `count` alerts were told; False if that takes longer than `seconds`."""
        deadline = time.perf_counter() + seconds
        while time.perf_counter() < deadline:
            with self._lock:
                if len(self.first_at) >= count:
                    return True
            time.sleep(0.005)
        return False

    def _take(self, _path: str, body: bytes) -> bytes:
        now = time.perf_counter()
        message: Mapping[str, Any] = json.loads(body)
        with self._lock:
            self.messages += 1
            for alert in message["alerts"]:
                if alert["status"] == "firing":
                    self.first_at.setdefault(alert["labels"][self._label], now)
        return b"{}"


class Target:
    """Exposes `bench_value{id, part}`, 0 at first, and remembers to whom it first said 1."""

    def __init__(self, count: int, parts: int) -> None:
        self._values = [0] * count
        self._parts = parts
        self._served_at: dict[tuple[str, int], float] = {}
        self._lock = threading.Lock()
        self._server, url = _serve(self._expose)
        self.address = url.removeprefix("http://")

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()

    def cross(self, number: int) -> None:
        """Let the value `number` cross the line."""
        with self._lock:
            self._values[number] = 1

    def served_at(self, path: str, number: int) -> float:
        """Return when the value was first seen beyond the line by whoever scrapes `path`."""
        return self._served_at[path, number]

    def _expose(self, path: str, _body: bytes) -> bytes:
        now = time.perf_counter()
        with self._lock:
            for number, value in enumerate(self._values):
                if value:
                    self._served_at.setdefault((path, number), now)
            lines = [
                f'bench_value{{id="{number}",part="{number % self._parts}"}} {value}'
                for number, value in enumerate(self._values)
            ]
        return "\n".join(["# TYPE bench_value gauge", *lines, ""]).encode()


def _serve(answer: Callable[[str, bytes], bytes]) -> tuple[_Server, str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _respond(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            body = answer(self.path, self.rfile.read(length))
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _respond  # noqa: N815 - the names that the base class asks for

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"
