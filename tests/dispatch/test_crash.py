"""Real processes, killed at the worst moments."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.notify.catchers import HttpCatcher, Request

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


class Catcher(HttpCatcher):
    """Hands each request out before it is answered."""

    def __init__(self) -> None:
        super().__init__()
        self.arrived: asyncio.Queue[Request] = asyncio.Queue()
        self.may_answer = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        pairs = [line.split(": ", 1) for line in head.strip().split("\r\n")[1:]]
        headers = {name.lower(): value for name, value in pairs}
        body = await reader.readexactly(int(headers["content-length"]))
        self.arrived.put_nowait(Request("/", headers, body))
        await self.may_answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()


@asynccontextmanager
async def running(path: Path, url: str, phase: str) -> AsyncGenerator[None]:
    """Run the process, and kill it with SIGKILL at the end of the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.dispatch.crash_target",
        str(path),
        url,
        phase,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
    )
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_a_killed_process_forgets_nothing_and_repeats_only_what_was_not_answered(
    tmp_path: Path,
) -> None:
    catcher, path = Catcher(), tmp_path / "monitor.sqlite3"
    server = await asyncio.start_server(catcher.handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async with asyncio.timeout(60):
        async with running(path, url, "firing"):
            unanswered = await catcher.arrived.get()
        catcher.may_answer.set()
        async with running(path, url, "resolved"):
            repeated = await catcher.arrived.get()
            resolved = await catcher.arrived.get()
    server.close()

    key = "idempotency-key"
    assert [each.json["status"] for each in (unanswered, repeated)] == ["firing", "firing"]
    assert unanswered.headers[key] == repeated.headers[key]
    assert unanswered.body == repeated.body
    assert resolved.json["status"] == "resolved"
    assert resolved.headers[key] != repeated.headers[key]
    assert catcher.arrived.empty()


class Inbox:
    """Reads as a destination does that knows a repeated delivery by its key."""

    def __init__(self, catcher: Catcher) -> None:
        self.catcher = catcher
        self.keys: list[str] = []

    async def read_new(self) -> tuple[str, str, str]:
        """Return receiver, status and name of the next message that is not a repeated one."""
        while True:
            request = await self.catcher.arrived.get()
            if self.note(request):
                payload = request.json
                return payload["receiver"], payload["status"], payload["commonLabels"]["alertname"]

    async def read_repeated(self) -> None:
        """Wait until a message comes again."""
        while self.note(await self.catcher.arrived.get()):
            raise AssertionError("something new was said")

    def note(self, request: Request) -> bool:
        key = request.headers["idempotency-key"]
        self.keys.append(key)
        return self.keys.count(key) == 1


@asynccontextmanager
async def reading() -> AsyncGenerator[tuple[Inbox, str]]:
    """Yield an inbox and its address; in the end, nothing new may be left in it."""
    catcher = Catcher()
    inbox = Inbox(catcher)
    server = await asyncio.start_server(catcher.handle, "127.0.0.1", 0)
    async with asyncio.timeout(90):
        yield inbox, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    while not catcher.arrived.empty():
        assert not inbox.note(catcher.arrived.get_nowait())


NAME = "DatabaseConnectionFailed"


async def test_a_killed_process_goes_on_with_an_escalation_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "monitor.sqlite3"
    async with reading() as (inbox, url):
        inbox.catcher.may_answer.set()
        async with running(path, url, "escalating"):
            assert await inbox.read_new() == ("default", "firing", NAME)
            inbox.catcher.may_answer.clear()
            assert await inbox.read_new() == ("boss", "firing", NAME)
        inbox.catcher.may_answer.set()
        async with running(path, url, "escalating"):
            await inbox.read_repeated()
        async with running(path, url, "escalated and resolved"):
            ends = [await inbox.read_new() for _ in range(2)]

    assert sorted(ends) == [("boss", "resolved", NAME), ("default", "resolved", NAME)]


async def test_a_killed_process_keeps_silent_and_tells_once_when_the_silence_ends(
    tmp_path: Path,
) -> None:
    path = tmp_path / "monitor.sqlite3"
    async with reading() as (inbox, url):
        async with running(path, url, "silenced"):
            # The two are decided about together: this one came, so the other one was held back.
            assert await inbox.read_new() == ("default", "firing", NAME)
        inbox.catcher.may_answer.set()
        async with running(path, url, "silenced"):
            await inbox.read_repeated()
        async with running(path, url, "no longer silenced"):
            assert await inbox.read_new() == ("default", "firing", "Silenced")
        async with running(path, url, "afterwards"):
            assert await inbox.read_new() == ("default", "firing", "Other")
