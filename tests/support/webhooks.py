"""A real server that takes webhooks, for tests in which everything else is a process."""

import contextlib
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message that came in: when, on the monotonic clock, where, and what."""

    at: float
    path: str
    body: dict[str, Any]


@dataclass
class WebhookCatcher:
    """What came in so far; `wait` for more."""

    url: str = ""
    received: list[Webhook] = field(default_factory=list[Webhook])
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, is_enough: Callable[[list[Webhook]], bool], *, seconds: float) -> list[Webhook]:
        """Return what came in as soon as that is enough.

        Raises:
            AssertionError: If it is not after `seconds`.
        """
        with self.arrived:
            if not self.arrived.wait_for(lambda: is_enough(self.received), timeout=seconds):
                raise AssertionError(f"not enough after {seconds} s: {self.received}")
            return list(self.received)


class _Server(ThreadingHTTPServer):
    """Takes many connections at one moment; five, as usual, make others wait for a second."""

    request_queue_size = 128


@contextlib.contextmanager
def catch_webhooks() -> Generator[WebhookCatcher]:
    """Run a server on loopback that takes every POST with 200."""
    catcher = WebhookCatcher()

    class Handler(BaseHTTPRequestHandler):
        """Notes what is posted."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with catcher.arrived:
                catcher.received.append(Webhook(time.monotonic(), self.path, orjson.loads(body)))
                catcher.arrived.notify_all()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        catcher.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield catcher
        finally:
            server.shutdown()
            thread.join()
