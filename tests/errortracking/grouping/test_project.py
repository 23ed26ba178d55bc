from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from sqlalchemy import text

from resumatch_monitor.errortracking.config import ErrorsConfig
from resumatch_monitor.errortracking.grouping.project import (
    GroupingBook,
    ProjectGrouping,
    StoredGrouping,
    group_event,
)
from resumatch_monitor.errortracking.grouping.registry import CURRENT_VERSION
from resumatch_monitor.errortracking.grouping.rules_parse import parse_rules
from resumatch_monitor.errortracking.issues import IssueQuery
from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.errors import (
    PROJECT,
    ErrorStack,
    build_stack,
    make_event,
    make_exception,
    make_frame,
)

pytestmark = pytest.mark.anyio

_NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class Source:
    """Keeps what it was given."""

    def __init__(self, *stored: StoredGrouping) -> None:
        self.stored = list(stored)

    async def read_groupings(self) -> list[StoredGrouping]:
        return self.stored


def book_of(source: Source, rules: str = "") -> GroupingBook:
    return GroupingBook(
        source,
        projects=Projects([PROJECT]),
        configured_rules={PROJECT.slug: rules},
    )


def through(*functions: str) -> dict[str, Any]:
    """Return an exception in the last function, reached through the others."""
    frames = [make_frame(name) for name in functions]
    return {"values": [make_exception(stacktrace={"frames": frames})]}


async def send(stack: ErrorStack, *events: dict[str, Any]) -> None:
    for event in events:
        url = f"/api/1/store/?sentry_key={PROJECT.key}"
        response = await stack.client.post(url, content=orjson.dumps(event))
        assert response.status_code == 200
    await stack.drain()


async def issues_of(stack: ErrorStack) -> dict[str, int]:
    page = await stack.reader.list_issues(IssueQuery(), _NOW)
    return {issue.title: issue.event_count for issue in page.items}


async def test_a_project_begins_with_the_current_version() -> None:
    groupings = await book_of(Source()).current(_NOW)

    assert groupings.of(7).version == CURRENT_VERSION


async def test_an_update_of_the_monitor_regroups_nothing(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        # As an earlier version of the monitor left it: begun with version 1.
        await send(stack, make_event(1, exception=through("by_web", "pay")))
        await database.write(lambda c: c.execute(text("UPDATE project_groupings SET version = 1")))
        # Two ways to one place: one issue by version 2, two by version 1.
        await send(stack, make_event(2, exception=through("by_web", "save")))
        await send(stack, make_event(3, exception=through("by_cron", "save")))
        versions = await database.read(
            lambda c: c.scalars(text("SELECT grouping_version FROM issues ORDER BY id")).all()
        )

    assert CURRENT_VERSION > 1
    assert versions == [CURRENT_VERSION, 1, 1]


async def test_the_keys_of_before_lead_to_their_issues_until_the_time_is_over() -> None:
    stored = StoredGrouping(1, 2, previous_version=1, previous_until=_NOW + timedelta(days=1))
    book = book_of(Source(stored))

    assert (await book.current(_NOW)).of(1).previous_version == 1
    assert (await book.current(_NOW + timedelta(days=2))).of(1).previous_version is None


async def test_rules_of_the_configuration_are_tried_first() -> None:
    stored = StoredGrouping(1, 2, rules="error.type:* -> later")
    book = book_of(Source(stored), "error.type:Key* -> first")
    how = (await book.current(_NOW)).of(1)

    key = group_event(normalise(make_event()), how).matched
    other = {"values": [make_exception("ValueError")]}
    value = group_event(normalise(make_event(exception=other)), how).matched
    assert key is not None
    assert value is not None
    assert (key.fingerprint, value.fingerprint) == (("first",), ("later",))


async def test_a_stored_rule_that_cannot_be_read_is_left_out() -> None:
    stored = StoredGrouping(1, 2, rules="bug.type:X -> a\nerror.type:* -> b")
    how = (await book_of(Source(stored)).current(_NOW)).of(1)

    assert [rule.fingerprint for rule in how.rules.rules] == [("b",)]


@pytest.mark.parametrize("version", [1, 2])
def test_a_rule_wins_over_the_sdk_in_every_version(version: int) -> None:
    how = ProjectGrouping(version, rules=parse_rules("level:error -> mine, {{ default }}"))

    def key(**over: Any) -> bytes:
        return group_event(normalise(make_event(**over)), how).grouping.key

    assert key() == key(fingerprint=["theirs"])
    assert key() != key(exception=through("elsewhere"))
    assert key() != group_event(normalise(make_event()), ProjectGrouping(version)).grouping.key


async def test_a_rule_groups_and_names_an_issue(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rules = 'error.type:* -> all, {{ level }} title="All of {{ level }}"'
    config = ErrorsConfig(fingerprint_rules={PROJECT.slug: rules})
    async with build_stack(tmp_path, database=database, clock=clock, config=config) as stack:
        await send(
            stack,
            make_event(1, exception=through("pay")),
            make_event(2, exception=through("save")),
            make_event(3, exception=through("save"), level="fatal"),
        )
        assert await issues_of(stack) == {"All of error": 2, "All of fatal": 1}


def test_the_configuration_tells_where_a_rule_is_wrong() -> None:
    with pytest.raises(ValidationError, match="line 2, column 1"):
        ErrorsConfig(fingerprint_rules={"api": "error.type:A -> a\nnonsense"})
