"""Scrape targets that a monitor should not trust, and one that it can."""

import gzip
import re
import socketserver
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

import brotli

_HEAD_END = b"\r\n\r\n"
_LARGEST_HEAD = 64 * 1024
_MIB = 1024 * 1024
BOMB_BYTES = 200 * _MIB


class RawServer:
    """Answers each request with bytes that need not be HTTP; a path has its own answer."""

    def __init__(self, answers: Mapping[str, Callable[["Connection"], None]]) -> None:
        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    connection = Connection(self.request)
                    answer = answers.get(connection.read_path())
                    if answer is not None:
                        answer(connection)

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.port = int(self._server.server_address[1])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    # One that sends without end would be waited for without end.
    block_on_close = False
    allow_reuse_address = True


class Connection:
    """One request and the way back."""

    def __init__(self, raw: Any) -> None:
        self._socket = raw
        self._socket.settimeout(20)

    def read_path(self) -> str:
        head = b""
        while _HEAD_END not in head and len(head) < _LARGEST_HEAD:
            piece = self._socket.recv(4096)
            if not piece:
                break
            head += piece
        match = re.match(rb"GET (\S+) HTTP", head)
        return match[1].decode() if match else ""

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def answer(self, body: bytes, *headers: str, status: str = "200 OK") -> None:
        """Send an answer whose length is not given: it ends with the connection."""
        lines = [f"HTTP/1.1 {status}", "Connection: close", *headers]
        self.send("\r\n".join(lines).encode() + _HEAD_END + body)


def _send_html(connection: Connection) -> None:
    page = b"<!doctype html>\n<html><body><h1>Welcome to nginx!</h1></body></html>\n"
    connection.answer(page, "Content-Type: text/html")


def _send_without_end(connection: Connection) -> None:
    connection.answer(b"", "Content-Type: text/plain; version=0.0.4")
    lines = b"endless_total 1\n" * 65_536
    while True:
        connection.send(lines)


def _never_answer(connection: Connection) -> None:
    connection.read_path()


def _send_long_header(connection: Connection) -> None:
    connection.answer(b"fine_total 1\n", "Content-Type: text/plain", "X-Long: " + "a" * 10_000_000)


def _cut_off(connection: Connection) -> None:
    connection.answer(b"cut_total 1\ncut_tot", "Content-Type: text/plain", "Content-Length: 1000")


def _send_coded(coding: str, body: bytes) -> Callable[[Connection], None]:
    def answer(connection: Connection) -> None:
        connection.answer(body, "Content-Type: text/plain", f"Content-Encoding: {coding}")

    return answer


def make_gzip_bomb() -> bytes:
    """Return a few kilobytes that unpack to `BOMB_BYTES`."""
    return gzip.compress(bytes(BOMB_BYTES), compresslevel=1)


def make_brotli_bomb() -> bytes:
    """Return a few hundred bytes that unpack to `BOMB_BYTES`."""
    return bytes(cast("Any", brotli).compress(bytes(BOMB_BYTES), quality=4))


HOSTILE_ERRORS = {
    "html": r"answered text/html, which is not a metrics format",
    "endless": r"larger than the \d+ bytes|did not answer in full within",
    "never": r"did not answer in full within",
    "long-header": r"not usable HTTP",
    "cut": r"not usable HTTP",
    "gzip-bomb": r"larger than the \d+ bytes",
    "brotli-bomb": r"content encoding 'br', not gzip",
}
"""What the monitor says of each hostile target, as a pattern; the job is called like the key."""


def build_hostile_server() -> RawServer:
    """Return a server with a path for each of `HOSTILE_ERRORS`."""
    return RawServer(
        {
            "/html": _send_html,
            "/endless": _send_without_end,
            "/never": _never_answer,
            "/long-header": _send_long_header,
            "/cut": _cut_off,
            "/gzip-bomb": _send_coded("gzip", make_gzip_bomb()),
            "/brotli-bomb": _send_coded("br", make_brotli_bomb()),
        }
    )


class CountingTarget:
    """Exposes how often it was scraped, and flags that a test raises and lowers."""

    def __init__(self, *, flags: int) -> None:
        self._lock = threading.Lock()
        self._scrapes = 0
        self._flags = [0] * flags
        self._server = RawServer({"/metrics": self._answer})
        self.address = self._server.address

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    @property
    def scrapes(self) -> int:
        """How many scrapes were answered."""
        return self._scrapes

    def set_flag(self, number: int, *, is_raised: bool) -> None:
        """Raise or lower a flag from the next scrape on."""
        with self._lock:
            self._flags[number] = int(is_raised)

    def _answer(self, connection: Connection) -> None:
        with self._lock:
            self._scrapes += 1
            lines = [f"acceptance_scrapes_total {self._scrapes}"]
            lines += [f'acceptance_flag{{n="{n}"}} {flag}' for n, flag in enumerate(self._flags)]
        body = "\n".join(lines) + "\n"
        connection.answer(body.encode(), "Content-Type: text/plain; version=0.0.4")
