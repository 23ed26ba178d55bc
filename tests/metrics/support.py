"""A real server on loopback whose answers a test writes byte by byte."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import FloatArray, RowLayout, TimeArray

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class LoopbackServer:
    """Answers every request with `answer` and remembers the requests."""

    answer: Answer
    port: int = 0
    requests: list[bytes] = field(default_factory=list[bytes])

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            await self.answer(writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def respond(
    body: bytes | str,
    *,
    content_type: str = "text/plain; version=0.0.4",
    status: str = "200 OK",
    headers: Sequence[str] = (),
) -> Answer:
    payload = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(payload)}",
        "Connection: close",
        *headers,
    ]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head + payload)

    return answer


@asynccontextmanager
async def serve(answer: Answer) -> AsyncGenerator[LoopbackServer]:
    server = LoopbackServer(answer)
    listener = await asyncio.start_server(server.handle, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()


class RowRecorder:
    """A sink that keeps what it is given, or refuses it."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, RowLayout, int, FloatArray]] = []
        self.samples: list[tuple[Labels, list[int], list[float]]] = []
        self.refusal: Exception | None = None

    async def append_row(
        self, target_key: str, layout: RowLayout, timestamp_ms: int, values: FloatArray
    ) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.rows.append((target_key, layout, timestamp_ms, values.copy()))

    async def append_samples(self, series: Sequence[tuple[Labels, TimeArray, FloatArray]]) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.samples.extend((each, t.tolist(), v.tolist()) for each, t, v in series)

    def row(self, number: int = -1) -> dict[Labels, float]:
        _, layout, _, values = self.rows[number]
        return dict(zip(layout.labels, values.tolist(), strict=True))
