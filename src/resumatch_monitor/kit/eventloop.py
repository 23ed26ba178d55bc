"""The event loop, with name look-ups on threads of their own.

Looking up a name blocks a thread, for half a minute if the name server is dead. On the threads that
everything shares, a few such look-ups would hold up ingest, sign-in and storage; and a process that
ends would wait for them.

It is asyncio's own: uvloop saves some 6 us of a request's processor time, but its connections look
names up on the four threads of libuv and never ask a method that is overridden here.
"""

import asyncio
import contextlib
import socket
import threading
from typing import Any

from typing_extensions import override

_MOST_LOOKUPS = 64


class MonitorLoop(asyncio.SelectorEventLoop):
    """What `asyncio.Runner` is given as `loop_factory`."""

    def __init__(self) -> None:
        super().__init__()
        self._lookups = asyncio.Semaphore(_MOST_LOOKUPS)

    @override
    async def getaddrinfo(self, host: Any, port: Any, **hints: int) -> Any:
        await self._lookups.acquire()
        done: asyncio.Future[Any] = self.create_future()
        # Its place is free when the thread ends, not when nobody waits for it any more.
        done.add_done_callback(_retrieve)

        def finish(answer: Any, error: BaseException | None) -> None:
            self._lookups.release()
            if done.done():
                return
            if error is None:
                done.set_result(answer)
            else:
                done.set_exception(error)

        def look_up() -> None:
            answer, failure = None, None
            try:
                answer = socket.getaddrinfo(host, port, **hints)
            except Exception as error:  # noqa: BLE001 - raised where it is awaited
                failure = error
            # The loop may have ended meanwhile.
            with contextlib.suppress(RuntimeError):
                self.call_soon_threadsafe(finish, answer, failure)

        threading.Thread(target=look_up, name="look-up", daemon=True).start()
        return await done


def _retrieve(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled():
        done.exception()
