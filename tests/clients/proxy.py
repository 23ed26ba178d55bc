"""A recording proxy: what passes through it to a monitor is kept."""

import http.client
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from typing_extensions import override

from tests.clients.corpus import Recorded

_KEPT = (
    "authorization",
    "content-encoding",
    "content-type",
    "origin",
    "transfer-encoding",
    "user-agent",
    "x-sentry-auth",
)
_OF_ONE_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_TIMEOUT_SECONDS = 30


class RecordingProxy(ThreadingHTTPServer):
    """Hands requests on, answers as the monitor answers, and keeps both as they came.

    Attributes:
        label: Of the requests from now on.
        requests: Those under `/api/` and `/tunnel`; bodies are still packed.
    """

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.label = ""
        self.requests: list[Recorded] = []


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client."""

    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_SECONDS
    server: RecordingProxy  # pyright: ignore[reportIncompatibleVariableOverride]

    def _pass_on(self) -> None:
        at, label, body = time.time(), self.server.label, self._read_body()
        with closing(
            http.client.HTTPConnection(self.server.upstream, timeout=_TIMEOUT_SECONDS)
        ) as upstream:
            upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OF_ONE_HOP:
                    upstream.putheader(name, value)
            upstream.putheader("Content-Length", str(len(body)))
            upstream.endheaders(body)
            answer = upstream.getresponse()
            content = answer.read()
        # Before the client knows: who waits for the answer may look at what was recorded.
        self._keep(label, at, body, answer.status)
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_OPTIONS = do_DELETE = _pass_on  # noqa: N815 - the server's names

    def _keep(self, label: str, at: float, body: bytes, status: int) -> None:
        if self.command == "OPTIONS" or not self.path.startswith(("/api/", "/tunnel")):
            return
        headers = {name: self.headers[name] for name in _KEPT if name in self.headers}
        self.server.requests.append(
            Recorded(
                label=label,
                at=round(at, 3),
                method=self.command,
                path=self.path,
                headers=headers,
                body=body,
                status=status,
            )
        )

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(chunks)

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def run_proxy(upstream: str) -> Generator[RecordingProxy]:
    """Run a proxy in front of the monitor at `upstream`."""
    with RecordingProxy(upstream) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
