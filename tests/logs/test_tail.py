"""Live tails: what watchers see, and what they are told that they missed."""

from contextlib import ExitStack

import pytest

from resumatch_monitor.logs.query.matching import build_predicate
from resumatch_monitor.logs.query.parser import parse_query
from resumatch_monitor.logs.tail import LogTail, Sight, TailSubscription, TooManyTailsError
from tests.support.logs import make_record

pytestmark = pytest.mark.anyio


async def look_at_all(tail: LogTail) -> None:
    while tail.waiting:
        await tail.look()


def watch(tail: LogTail, stack: ExitStack, query: str = "") -> TailSubscription:
    return stack.enter_context(tail.watch(build_predicate(parse_query(query))))


async def test_each_watcher_sees_what_matches_in_order() -> None:
    tail = LogTail()
    with ExitStack() as stack:
        errors, everything = watch(tail, stack, "level:error"), watch(tail, stack)
        records = [make_record(f"r{n}", severity=17 if n % 2 else 9) for n in range(4)]

        tail.publish(records)
        await tail.look()

        assert await errors.next() == Sight((records[1], records[3]))
        assert await everything.next() == Sight(tuple(records))


async def test_nothing_is_kept_while_nobody_watches() -> None:
    tail = LogTail()
    tail.publish([make_record()])

    assert tail.waiting == 0
    with ExitStack() as stack:
        watch(tail, stack)
        tail.publish([make_record()])
        assert tail.waiting == 1
    assert tail.waiting == 0


async def test_a_slow_reader_is_told_how_many_it_missed() -> None:
    tail = LogTail()
    with ExitStack() as stack:
        slow = watch(tail, stack, "level:error")
        records = [make_record(f"r{n}", severity=17 if n % 2 else 9) for n in range(2_400)]

        tail.publish(records)
        await look_at_all(tail)
        sight = await slow.next()

        assert (sight.skipped, sight.unexamined) == (700, 0)
        assert sight.records == tuple(records[1_401::2])


async def test_a_flood_is_not_kept_and_is_counted() -> None:
    tail = LogTail(waiting_max=100)
    with ExitStack() as stack:
        subscription = watch(tail, stack)

        for batch in range(5):
            tail.publish([make_record(f"{batch} {n}") for n in range(50)])
        assert tail.waiting == 100
        await look_at_all(tail)
        sight = await subscription.next()

        assert sight.unexamined == 150
        assert sight.records[0].body == "3 0"


async def test_long_records_take_no_more_room_than_short_ones() -> None:
    tail = LogTail()
    with ExitStack() as stack:
        subscription = watch(tail, stack)

        tail.publish([make_record("x" * 1_000_000, logger=str(n)) for n in range(40)])
        await look_at_all(tail)
        sight = await subscription.next()

        assert sight.unexamined == 7
        assert sight.skipped == 29
        assert [record.logger for record in sight.records] == ["36", "37", "38", "39"]


async def test_there_are_only_so_many_tails_and_a_place_becomes_free() -> None:
    tail = LogTail(max_tails=2)
    with ExitStack() as stack:
        watch(tail, stack)
        with ExitStack() as shorter:
            watch(tail, shorter)
            with pytest.raises(TooManyTailsError):
                watch(tail, stack)
        watch(tail, stack)


async def test_the_end_comes_after_what_there_was() -> None:
    tail = LogTail()
    with ExitStack() as stack:
        subscription = watch(tail, stack)
        tail.publish([make_record("last")])
        await tail.look()
        tail.close()

        sight = await subscription.next()

        assert (len(sight.records), sight.is_over) == (1, True)
        assert (await subscription.next()).is_over
        with pytest.raises(TooManyTailsError):
            watch(tail, stack)
