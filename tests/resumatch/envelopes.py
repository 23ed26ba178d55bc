"""A server that keeps the envelopes that Sentry's SDK sends."""

import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import brotli

_DEADLINE_SECONDS = 20.0


class EnvelopeCatcher:
    """Answers like Sentry; `dsn` leads to it."""

    def __init__(self) -> None:
        self.items: list[tuple[str, dict[str, Any]]] = []
        self.raw = ""
        self._arrived = threading.Condition()
        catcher = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                encoding = self.headers.get("Content-Encoding")
                if encoding == "br":
                    body = bytes(cast("Any", brotli).decompress(body))
                elif encoding == "gzip":
                    body = gzip.decompress(body)
                catcher.keep(body)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def dsn(self) -> str:
        return f"http://0123456789abcdef@127.0.0.1:{self._server.server_address[1]}/1"

    def keep(self, body: bytes) -> None:
        with self._arrived:
            self.raw += body.decode()
            lines = body.split(b"\n")
            for header, payload in zip(lines[1::2], lines[2::2], strict=False):
                if header.strip():
                    self.items.append((json.loads(header)["type"], json.loads(payload)))
            self._arrived.notify_all()

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [payload for each, payload in self.items if each == kind]

    def wait_for(self, kind: str, count: int) -> list[dict[str, Any]]:
        with self._arrived:
            assert self._arrived.wait_for(
                lambda: len(self.of_type(kind)) >= count, _DEADLINE_SECONDS
            ), f"{len(self.of_type(kind))} of {count} {kind} arrived"
            return self.of_type(kind)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
