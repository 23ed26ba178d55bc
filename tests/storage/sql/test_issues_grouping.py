import pytest
from sqlalchemy import text

from resumatch_monitor.errortracking.issues import IssueQuery
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues import SqlIssueStore
from resumatch_monitor.storage.sql.issues_read import SqlIssueReader
from tests.support.digested import START, key_of, make_digested

pytestmark = pytest.mark.anyio


async def counts_of(database: Database) -> dict[int, int]:
    page = await SqlIssueReader(database).list_issues(IssueQuery(), START)
    return {issue.id: issue.event_count for issue in page.items}


async def test_an_unknown_key_leads_where_the_previous_one_did(database: Database) -> None:
    store = SqlIssueStore(database)
    await store.store([make_digested(1, "old")])

    after = {"grouping_version": 2, "previous_key": (1, key_of("old"))}
    await store.store([make_digested(2, "new", **after), make_digested(3, "new", **after)])
    await store.store([make_digested(4, "new", grouping_version=2)])

    assert await counts_of(database) == {1: 4}


async def test_a_known_key_is_followed_whatever_the_previous_one_says(database: Database) -> None:
    store = SqlIssueStore(database)
    await store.store([make_digested(1, "old"), make_digested(2, "new", grouping_version=2)])

    after = {"grouping_version": 2, "previous_key": (1, key_of("old"))}
    await store.store([make_digested(3, "new", **after)])

    assert await counts_of(database) == {1: 1, 2: 2}


async def test_a_project_is_pinned_to_the_version_of_its_first_event(database: Database) -> None:
    store = SqlIssueStore(database)
    await store.store([make_digested(1)])
    await store.store([make_digested(2, grouping_version=2), make_digested(3, project_id=2)])

    rows = await database.read(
        lambda c: c.execute(text("SELECT project_id, version FROM project_groupings")).all()
    )
    assert {row.project_id: row.version for row in rows} == {1: 1, 2: 1}


async def test_events_are_counted_by_key(database: Database) -> None:
    store = SqlIssueStore(database)
    await store.store([make_digested(1), make_digested(2, "b"), make_digested(3)])
    await store.store([make_digested(3), make_digested(4)])

    rows = await database.read(
        lambda c: c.execute(text("SELECT key, event_count FROM issue_groupings")).all()
    )
    assert {row.key: row.event_count for row in rows} == {key_of("a"): 3, key_of("b"): 1}
