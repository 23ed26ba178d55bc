"""Events of a clock that ran ahead do not keep others from expiring."""

from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import text

from resumatch_monitor.storage.sql import issues_retention
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.errors import PROJECT, ErrorStack, build_stack, make_event

pytestmark = pytest.mark.anyio

_DAY = timedelta(days=1)


async def send(stack: ErrorStack, clock: FakeClock, *numbers: int) -> None:
    for number in numbers:
        event = make_event(number, timestamp=clock.now().isoformat())
        url = f"/api/1/store/?sentry_key={PROJECT.key}"
        await stack.client.post(url, content=orjson.dumps(event))
    await stack.drain()


async def expire(stack: ErrorStack, database: Database, clock: FakeClock) -> list[int]:
    """Delete what is older than 30 days; return the events that are left."""
    now = clock.now()
    while await stack.store.expire(now - 30 * _DAY, now=now):
        pass
    return await database.read(
        lambda c: list(c.scalars(text("SELECT id FROM issue_events ORDER BY id")))
    )


@pytest.mark.parametrize("bite", [2, 500])
async def test_what_came_by_a_clock_that_ran_ahead_is_as_old_as_what_came_next(
    tmp_path: Path,
    database: Database,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    bite: int,
) -> None:
    monkeypatch.setattr(issues_retention, "_EVENTS_PER_BITE", bite)
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        clock.jump(900 * _DAY)
        await send(stack, clock, 1, 2, 3)
        clock.jump(-900 * _DAY)
        assert await expire(stack, database, clock) == [1, 2, 3]
        await send(stack, clock, 4)
        clock.jump(20 * _DAY)
        await send(stack, clock, 5)
        clock.jump(900 * _DAY)
        await send(stack, clock, 6)
        clock.jump(-900 * _DAY)
        assert await expire(stack, database, clock) == [1, 2, 3, 4, 5, 6]

        clock.jump(11 * _DAY)

        assert await expire(stack, database, clock) == [5, 6]
