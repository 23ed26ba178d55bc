"""Batches are read and prepared ahead, in order, one of each at a time."""

import asyncio

import pytest

from resumatch_monitor.errortracking.ahead import Ahead, Ready
from resumatch_monitor.errortracking.batch import Prepared
from resumatch_monitor.kit.spool import Position, SpoolBatch

pytestmark = pytest.mark.anyio


class Source:
    """Has some batches, of which the last is small."""

    def __init__(self, count: int, *, fails_at: int = -1) -> None:
        self._count = count
        self._fails_at = fails_at
        self.prepared: list[int] = []

    async def read(self, after: Position) -> SpoolBatch:
        await asyncio.sleep(0)
        number = after.offset + 1
        is_there = number <= self._count
        return SpoolBatch((b"x",) * is_there, Position(1, number), int(is_there), 0)

    async def prepare(self, batch: SpoolBatch) -> Ready:
        await asyncio.sleep(0)
        if batch.end.offset == self._fails_at:
            raise RuntimeError("cannot be prepared")
        self.prepared.append(batch.end.offset)
        return Ready(batch, Prepared())

    def begin(self, *, large_until: int) -> Ahead:
        return Ahead(
            after=Position(1, 0),
            read=self.read,
            prepare=self.prepare,
            is_large=lambda batch: batch.end.offset < large_until,
        )


async def take_all(ahead: Ahead) -> list[int]:
    taken: list[int] = []
    while (ready := await ahead.next()) is not None:
        taken.append(ready.batch.end.offset)
    await ahead.stop()
    return taken


async def test_all_come_in_order_until_nothing_is_left() -> None:
    assert await take_all(Source(7).begin(large_until=100)) == [1, 2, 3, 4, 5, 6, 7]


async def test_it_ends_after_a_batch_that_is_not_large() -> None:
    assert await take_all(Source(7).begin(large_until=3)) == [1, 2, 3]


async def test_it_does_not_run_away_from_who_stores() -> None:
    source = Source(50)
    ahead = source.begin(large_until=100)
    for _ in range(100):
        await asyncio.sleep(0)

    # One is ready, and one waits for its place.
    assert source.prepared == [1, 2]
    await ahead.stop()


async def test_an_error_comes_after_what_was_prepared_before_it() -> None:
    ahead = Source(7, fails_at=3).begin(large_until=100)

    for number in (1, 2):
        ready = await ahead.next()
        assert ready is not None
        assert ready.batch.end.offset == number
    with pytest.raises(RuntimeError, match="cannot be prepared"):
        await ahead.next()
    await ahead.stop()
