from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from resumatch_monitor.errortracking.issues import IssueQuery
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues import SqlIssueStore
from resumatch_monitor.storage.sql.issues_read import SqlIssueReader
from tests.storage.sql.test_migrations import MIGRATIONS
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


async def test_what_an_earlier_version_left_is_pinned_to_version_1(tmp_path: Path) -> None:
    path = tmp_path / "monitor.sqlite3"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")
        for statement in _LEFT:
            connection.execute(text(statement))
    engine.dispose()

    database = Database(path)
    database.start()
    try:
        rows = await database.read(
            lambda c: (
                c.execute(text("SELECT project_id, version FROM project_groupings")).all(),
                c.execute(text("SELECT event_count, last_seen_at FROM issue_groupings")).all(),
                c.execute(
                    text("SELECT grouping_version, grouping_key, message FROM issue_events")
                ).all(),
            )
        )
        store = SqlIssueStore(database)
        await store.store([make_digested(9, "left", grouping_version=1)])
        assert await counts_of(database) == {1: 8}
    finally:
        database.stop()

    assert [tuple(row) for row in rows[0]] == [(1, 1)]
    assert [tuple(row) for row in rows[1]] == [(7, 2_000)]
    assert [tuple(row) for row in rows[2]] == [(1, key_of("left"), "old")]


_LEFT = (
    "INSERT INTO error_projects VALUES (1, 'resumatch-api', 1, 7, 2000)",
    "INSERT INTO issues (id, project_id, number, type, value, culprit, level, platform, status,"
    " is_regressed, is_synthetic, regression_count, event_count, user_count, stored_count,"
    " first_seen_at, last_seen_at, grouping_version, explanation, search_text) VALUES"
    " (1, 1, 1, 'E', 'v', 'c', 'error', 'python', 'unresolved', 0, 0, 0, 7, 0, 1, 1000, 2000, 1,"
    " 'x', 'x')",
    f"INSERT INTO issue_groupings VALUES (1, 1, x'{key_of('left').hex()}', 1)",
    "INSERT INTO issue_events (issue_id, project_id, event_id, occurred_at, received_at, message,"
    " is_synthetic, dict_id, payload) VALUES (1, 1, x'01', 1000, 1000, 'old', 0, 0, x'00')",
)
