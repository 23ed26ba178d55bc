"""Sends envelopes from a process of its own: as fast as answers come, or at a steady rate.

It shares the processors with the system that is measured, so it does as little as a client can:
requests are made before the clock starts, and of an answer only what counts is read.
"""

import multiprocessing
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import orjson

from benchmarks.errors.systems import KEY

_SENDERS = 8
_TIMEOUT_SECONDS = 60
_LENGTH_BYTES = 4
_PIECE_BYTES = 64 * 1024
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)\r\n")
_CLOSE = re.compile(rb"(?i)\r\nconnection: *close\r\n")


@dataclass(frozen=True, slots=True)
class Load:
    """What was sent.

    Attributes:
        began: `time.monotonic()` of the first request.
        seconds: From there until the last answer.
        latencies: Seconds from when a request was due until its answer, in no order.
        acknowledged: The ids that were answered with 200.
        refused: How many were answered otherwise, or not at all.
    """

    began: float
    seconds: float
    latencies: list[float]
    acknowledged: list[str] = field(default_factory=list[str])
    refused: int = 0


def save_bodies(path: Path, bodies: Sequence[bytes]) -> None:
    """Write bodies where a sending process reads them."""
    with path.open("wb") as file:
        for body in bodies:
            file.write(len(body).to_bytes(_LENGTH_BYTES, "little") + body)


def send_bodies(
    bodies: Path,
    port: int,
    *,
    first: int = 0,
    count: int,
    headers: Mapping[str, str] | None = None,
    rate: float | None = None,
) -> Load:
    """Send bodies `first` to `first + count` of a file and return once all are answered.

    Args:
        bodies: What `save_bodies` wrote.
        port: Where to, on loopback.
        first: The first one that is sent.
        count: How many.
        headers: Beside those of an SDK.
        rate: How many a second, evenly; as fast as answers come if None.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_run, args=(sender, bodies, port, first, count, dict(headers or {}), rate)
    )
    process.start()
    try:
        sender.close()
        return receiver.recv()
    finally:
        process.join()


def _run(
    pipe: "Connection[Load, object]",
    path: Path,
    port: int,
    first: int,
    count: int,
    headers: dict[str, str],
    rate: float | None,
) -> None:
    bodies = _read_bodies(path)[first : first + count]
    requests = [_render(body, headers) for body in bodies]
    lock = threading.Lock()
    numbers = iter(range(len(bodies)))
    load = Load(0.0, 0.0, [])
    refused: list[int] = []
    began = time.monotonic() + 0.05

    def work() -> None:
        connection = _Connection(port)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            due = time.monotonic() if rate is None else began + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            event_id = connection.post(requests[number])
            load.latencies.append(time.monotonic() - due)
            if event_id is None:
                refused.append(number)
            else:
                load.acknowledged.append(event_id)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(_SENDERS)]
    time.sleep(max(0.0, began - time.monotonic()))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    pipe.send(Load(began, seconds, load.latencies, load.acknowledged, len(refused)))


def _render(body: bytes, headers: Mapping[str, str]) -> bytes:
    sent = {
        "Host": "127.0.0.1",
        "Content-Type": "application/x-sentry-envelope",
        "Content-Encoding": "gzip",
        "Content-Length": str(len(body)),
        "X-Sentry-Auth": f"Sentry sentry_key={KEY}, sentry_version=7, sentry_client=benchmark/1",
        **headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    return f"POST /api/1/envelope/ HTTP/1.1\r\n{lines}\r\n".encode() + body


class _Connection:
    """Posts one request after the other; opened again where a server closes it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def post(self, request: bytes) -> str | None:
        """Return the id of the event that was acknowledged; None if it was refused."""
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), _TIMEOUT_SECONDS)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(request)
            head, content = self._receive(self._socket)
        except (OSError, ValueError):
            self.close()
            return None
        if _CLOSE.search(head):
            self.close()
        status = _STATUS.match(head)
        if status is None or status[1] != b"200":
            return None
        # Overload is answered with 200, a rate limit, and no id.
        return orjson.loads(content).get("id")

    def _receive(self, connection: socket.socket) -> tuple[bytes, bytes]:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += _receive_piece(connection)
        head, content = data[: end + 2], data[end + 4 :]
        length = _LENGTH.search(head)
        if length is None:
            raise ValueError("the answer has no length")
        while len(content) < int(length[1]):
            content += _receive_piece(connection)
        return head, content

    def close(self) -> None:
        """Close it; the next request opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _receive_piece(connection: socket.socket) -> bytes:
    piece = connection.recv(_PIECE_BYTES)
    if not piece:
        raise OSError("the server closed the connection")
    return piece


def _read_bodies(path: Path) -> list[bytes]:
    data = path.read_bytes()
    bodies: list[bytes] = []
    position = 0
    while position < len(data):
        start = position + _LENGTH_BYTES
        position = start + int.from_bytes(data[position:start], "little")
        bodies.append(data[start:position])
    return bodies
