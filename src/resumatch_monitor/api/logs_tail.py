"""`GET /api/monitor/logs/tail`: records as they are indexed, as server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.logs_query import read_query
from resumatch_monitor.api.logs_render import render_fields
from resumatch_monitor.api.logs_stream import StreamedAnswer
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.logs.query.lexer import MAX_QUERY_CHARACTERS
from resumatch_monitor.logs.query.matching import build_predicate
from resumatch_monitor.logs.tail import LogTail, Sight, TailSubscription, TooManyTailsError

HEARTBEAT_SECONDS = 15.0
# A proxy must neither hold events back nor keep them.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HEARTBEAT = b": heartbeat\n\n"


def build_router(
    *, tail: LogTail, guard: Guard, clock: Clock, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> APIRouter:
    """Return the route, for viewers; whoever signs out is shown nothing after the next beat."""
    router = APIRouter(prefix="/api/monitor/logs")

    @router.get("/tail", dependencies=[Depends(guard.viewer)])
    async def follow(
        request: Request, query: Annotated[str, Query(max_length=MAX_QUERY_CHARACTERS)] = ""
    ) -> Response:
        async def is_known() -> bool:
            return await guard.identify(request) is not None

        predicate = build_predicate(read_query(query))
        watching = ExitStack()
        try:
            subscription = watching.enter_context(tail.watch(predicate))
        except TooManyTailsError as error:
            raise ApiError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_tails",
                f"Too many watch at once: {error}.",
                headers={"Retry-After": "10"},
            ) from error
        events = _Events(subscription, clock, heartbeat_seconds, is_known)
        return StreamedAnswer(
            events.stream(),
            media_type="text/event-stream",
            headers=_HEADERS,
            on_end=watching.close,
        )

    return router


@dataclass(frozen=True, slots=True)
class _Events:
    """Makes events of what a watcher is to see."""

    subscription: TailSubscription
    clock: Clock
    heartbeat_seconds: float
    is_known: Callable[[], Awaitable[bool]]

    async def stream(self) -> AsyncGenerator[bytes]:
        """Yield events, and something at every beat, until there is nothing more to see."""
        yield _HEARTBEAT
        asked_at = self.clock.monotonic()
        while True:
            sight = await self._next()
            if sight is None or self.clock.monotonic() - asked_at >= self.heartbeat_seconds:
                asked_at = self.clock.monotonic()
                if not await self.is_known():
                    yield _render_event("end", {"reason": "signed_out"})
                    return
            yield _HEARTBEAT if sight is None else await asyncio.to_thread(_render, sight)
            if sight is not None and sight.is_over:
                yield _render_event("end", {"reason": "stopping"})
                return

    async def _next(self) -> Sight | None:
        try:
            async with asyncio.timeout(self.heartbeat_seconds):
                return await self.subscription.next()
        except TimeoutError:
            return None


def _render(sight: Sight) -> bytes:
    events: list[bytes] = []
    if sight.skipped or sight.unexamined:
        missed = {"skipped": sight.skipped, "unexamined": sight.unexamined}
        events.append(_render_event("skipped", missed))
    events += [_render_event("record", render_fields(record)) for record in sight.records]
    return b"".join(events)


def _render_event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))
