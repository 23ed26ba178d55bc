import asyncio
import socket
import threading

import pytest

from resumatch_monitor.kit.eventloop import MonitorLoop


def test_dead_name_servers_hold_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(*_: object, **__: object) -> list[object]:
        release.wait(30)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        lookups = [asyncio.ensure_future(loop.getaddrinfo("x.test", 80)) for _ in range(50)]
        await asyncio.sleep(0)
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 42), 5) == 42
        for lookup in lookups:
            lookup.cancel()

    with asyncio.Runner(loop_factory=MonitorLoop) as runner:
        runner.run(work())
    release.set()


def test_names_are_looked_up_and_failures_raised() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        assert found[0][4] == ("127.0.0.1", 80)
        with pytest.raises(socket.gaierror):
            await loop.getaddrinfo("256.1.1.1.invalid", 80)

    with asyncio.Runner(loop_factory=MonitorLoop) as runner:
        runner.run(work())
