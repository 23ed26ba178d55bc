"""A long backlog gets a second process, which changes nothing but the time that it takes."""

import asyncio
import os
import signal
from datetime import timedelta
from pathlib import Path

import orjson
import psutil
import pytest

from resumatch_monitor.errortracking.batch import BatchPreparer, PrepareSettings
from resumatch_monitor.errortracking.grouping.project import ProjectGroupings
from resumatch_monitor.errortracking.grouping.rules import RuleSet
from resumatch_monitor.errortracking.grouping.rules_parse import parse_rules
from resumatch_monitor.errortracking.helper import Preparing
from resumatch_monitor.errortracking.issues import IssueQuery
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, encode_record
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.errors import PROJECT, ErrorStack, build_stack, make_event

pytestmark = pytest.mark.anyio

_SETTINGS = PrepareSettings((), timedelta(days=90))
_PROJECTS = Projects([PROJECT])
_RULES = parse_rules("error.type:Value* stack.module:shop.** -> shop, {{ error.type }}")
_GROUPINGS = ProjectGroupings({}, lambda _: _RULES)


def make_record(number: int, *, payload: bytes | None = None) -> bytes:
    record = ItemRecord(
        ItemKind.EVENT,
        1,
        f"{number:032x}",
        SystemClock().now(),
        orjson.dumps(make_event(number)) if payload is None else payload,
        f"{number:032x}",
    )
    return encode_record(record)


async def start_helper(preparing: Preparing) -> int:
    async with asyncio.timeout(60):
        while preparing.pid is None:
            await preparing.note_batch(is_full=True)
            await asyncio.to_thread(lambda: None)
    return preparing.pid


async def fill(stack: ErrorStack, count: int) -> None:
    await asyncio.gather(*(stack.spool.append(make_record(n)) for n in range(1, count + 1)))


async def count_events(stack: ErrorStack) -> int:
    page = await stack.reader.list_issues(IssueQuery(), SystemClock().now())
    return sum(issue.event_count for issue in page.items)


async def test_the_second_process_prepares_just_the_same(clock: FakeClock) -> None:
    records = [make_record(1), make_record(2, payload=b"[]"), make_record(3)]
    preparing = Preparing(_SETTINGS, _PROJECTS, clock=clock, processors=2)
    await start_helper(preparing)

    prepared = await preparing.prepare(records, _GROUPINGS)

    assert preparing.is_helped
    assert prepared == BatchPreparer(_SETTINGS, _PROJECTS).prepare_all(records, _GROUPINGS)
    assert [event.project_slug for event in prepared.events] == [PROJECT.slug] * 2
    assert len(prepared.failures) == 1
    await preparing.stop()


async def test_there_is_no_second_process_for_a_few_events_or_on_one_processor(
    clock: FakeClock,
) -> None:
    idle = Preparing(_SETTINGS, _PROJECTS, clock=clock, processors=2, full_batches=3)
    for is_full in (True, True, False, True, True, False):
        await idle.note_batch(is_full=is_full)
    alone = Preparing(_SETTINGS, _PROJECTS, clock=clock, processors=1)
    for _ in range(10):
        await alone.note_batch(is_full=True)

    assert not idle.is_starting
    assert not alone.is_starting


async def test_a_second_process_that_dies_is_missed_for_a_minute_and_loses_nothing(
    clock: FakeClock,
) -> None:
    preparing = Preparing(_SETTINGS, _PROJECTS, clock=clock, processors=2)
    os.kill(await start_helper(preparing), signal.SIGKILL)

    prepared = await preparing.prepare([make_record(1)], _GROUPINGS)

    assert len(prepared.events) == 1
    for _ in range(5):
        await preparing.note_batch(is_full=True)
    assert not preparing.is_helped
    assert not preparing.is_starting
    await clock.advance(61)
    await start_helper(preparing)
    await preparing.stop()


async def test_what_no_other_process_can_be_told_is_done_here(clock: FakeClock) -> None:
    preparing = Preparing(_SETTINGS, _PROJECTS, clock=clock, processors=2)
    await start_helper(preparing)

    class Local(RuleSet):
        """Another process does not know it."""

    groupings = ProjectGroupings({}, lambda _: Local(_RULES.rules))
    prepared = await preparing.prepare([make_record(1)], groupings)

    assert len(prepared.events) == 1
    assert not preparing.is_helped


async def test_nobody_remains_when_the_monitor_stops(clock: FakeClock) -> None:
    preparing = Preparing(_SETTINGS, _PROJECTS, clock=clock, processors=2)
    process = psutil.Process(await start_helper(preparing))

    await preparing.stop()

    assert not process.is_running()


async def test_a_backlog_is_digested_in_order_with_help_that_comes_and_goes(
    tmp_path: Path, database: Database
) -> None:
    clock = SystemClock()
    preparing = Preparing(_SETTINGS, _PROJECTS, clock=clock, full_batches=1, processors=2)
    async with build_stack(tmp_path, database=database, clock=clock, preparing=preparing) as stack:
        await fill(stack, 2_400)
        await stack.digest.digest_batch()
        pid = await start_helper(preparing)
        for _ in range(3):
            await stack.digest.digest_batch()
        os.kill(pid, signal.SIGKILL)
        await stack.drain()

        assert await count_events(stack) == 2_400
        page = await stack.reader.list_events(1, cursor=None, limit=100)
        assert len(page.items) == 100
        await stack.digest.stop()
