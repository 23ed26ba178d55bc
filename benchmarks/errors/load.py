"""Sends envelopes from a process of its own: as fast as answers come, or at a steady rate."""

import http.client
import multiprocessing
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
    lock = threading.Lock()
    numbers = iter(range(len(bodies)))
    load = Load(0.0, 0.0, [])
    refused: list[int] = []
    began = time.monotonic() + 0.05

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            due = time.monotonic() if rate is None else began + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            event_id = _post(connection, bodies[number], headers)
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


def _post(
    connection: http.client.HTTPConnection, body: bytes, headers: Mapping[str, str]
) -> str | None:
    sent = {
        "Content-Type": "application/x-sentry-envelope",
        "Content-Encoding": "gzip",
        "X-Sentry-Auth": f"Sentry sentry_key={KEY}, sentry_version=7, sentry_client=benchmark/1",
        **headers,
    }
    try:
        connection.request("POST", "/api/1/envelope/", body=body, headers=sent)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        return None
    if response.status != http.client.OK:
        return None
    # Overload is answered with 200, a rate limit, and no id.
    return orjson.loads(content).get("id")


def _read_bodies(path: Path) -> list[bytes]:
    data = path.read_bytes()
    bodies: list[bytes] = []
    position = 0
    while position < len(data):
        start = position + _LENGTH_BYTES
        position = start + int.from_bytes(data[position:start], "little")
        bodies.append(data[start:position])
    return bodies
