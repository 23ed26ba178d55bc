"""A receiver of remote write on loopback that keeps what it gets, or says otherwise."""

import asyncio
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import cramjam

from tests.support.prompb import WriteRequest

Point = tuple[int, int]
"""A time in milliseconds, and the bits of a value."""
Series = tuple[tuple[tuple[str, str], ...], list[Point]]


def decode_write_request(body: bytes) -> list[Series]:
    """Return the series of a WriteRequest, in order."""
    return [
        (
            tuple((label.name, label.value) for label in series.labels),
            [(sample.timestamp, _bits(sample.value)) for sample in series.samples],
        )
        for series in WriteRequest.FromString(body).timeseries
    ]


def _bits(value: float) -> int:
    return int.from_bytes(struct.pack("<d", value), "little")


@dataclass
class Answer:
    """What a receiver says; a status of 0 closes the connection instead."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict[str, str])
    keeps: bool = False


@dataclass
class Receiver:
    """Takes everything, unless `judge` says otherwise.

    Attributes:
        series: The points of each label set in the order of their arrival.
        judge: Returns the answer to a request, None for taking it.
        started_at: What its `/metrics` tells as its start, None for not telling.
    """

    url: str = ""
    series: dict[tuple[tuple[str, str], ...], list[Point]] = field(
        default_factory=dict[tuple[tuple[str, str], ...], list[Point]]
    )
    requests: list[list[Series]] = field(default_factory=list[list[Series]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    judge: Callable[[list[Series]], Answer | None] = lambda _: None
    started_at: float | None = 1.0
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def count(self) -> int:
        """How many samples it has."""
        return sum(map(len, self.series.values()))

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return once `holds`, looking after every request."""
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(holds)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        answer = self._answer(first.split()[1], headers, body)
        if answer.status:
            extra = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
            writer.write(
                f"HTTP/1.1 {answer.status} X\r\nContent-Length: {len(answer.body)}\r\n{extra}\r\n"
                f"{answer.body}".encode()
            )
            await writer.drain()
        async with self.arrived:
            self.arrived.notify_all()
        return answer.status != 0

    def _answer(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        if path == "/metrics":
            if self.started_at is None:
                return Answer(404)
            return Answer(200, f"go_threads 9\nprocess_start_time_seconds {self.started_at}\n")
        assert path == "/api/v1/write", path
        request = decode_write_request(bytes(cramjam.snappy.decompress_raw(body)))
        self.headers.append(headers)
        self.requests.append(request)
        answer = self.judge(request)
        if answer is None or answer.keeps:
            for labels, points in request:
                self.series.setdefault(labels, []).extend(points)
        return answer or Answer(204)


@asynccontextmanager
async def receive_remote_write() -> AsyncGenerator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    try:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield receiver
    finally:
        server.close()
