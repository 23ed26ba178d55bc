"""Pages of many issues: that they are what row by row would be found, and by which indexes."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, select, text

from resumatch_monitor.errortracking.issues import IssueQuery, IssueSort, IssueStatus
from resumatch_monitor.errortracking.prepare import hash_user
from resumatch_monitor.errortracking.search.parser import parse_query
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues_list import decode_cursor, list_issues
from resumatch_monitor.storage.sql.issues_read import SqlIssueReader
from resumatch_monitor.storage.sql.issues_search import compile_node
from resumatch_monitor.storage.sql.issues_search_plan import read_context
from resumatch_monitor.storage.sql.tables.errors import ISSUES

pytestmark = pytest.mark.anyio

_NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_MANY = 16_000
_COUNTED = 10_000
_HOUR_MS = 3_600_000
_COLUMNS = {
    IssueSort.LAST_SEEN: ISSUES.c.last_seen_at,
    IssueSort.FIRST_SEEN: ISSUES.c.first_seen_at,
    IssueSort.EVENTS: ISSUES.c.event_count,
    IssueSort.USERS: ISSUES.c.user_count,
}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Generator[Database]:
    database = Database(tmp_path_factory.mktemp("crowd") / Path("monitor.sqlite3"))
    database.start()
    database.write_blocking(_fill)
    yield database
    database.stop()


def _fill(connection: Connection) -> None:
    now = int(_NOW.timestamp() * 1_000)
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {_MANY})"
    for statement in (
        "INSERT INTO error_projects (project_id, slug, last_number, event_count) VALUES"
        " (1, 'one', 0, 0), (2, 'two', 0, 0), (3, 'three', 0, 0)",
        # The third project has few issues, and none that are resolved.
        "INSERT INTO issues (id, project_id, number, type, value, culprit, level, platform,"
        " status, is_regressed, is_synthetic, regression_count, event_count, user_count,"
        " stored_count, first_seen_at, last_seen_at, first_release, grouping_version,"
        f" explanation, search_text) {numbers} SELECT i, CASE WHEN i % 40 = 0 THEN 3"
        " ELSE 1 + i % 2 END, i, 'Error' || (i % 97), 'the ' || i || ' failed', 'app.work',"
        " 'error', 'python', CASE WHEN i % 3 = 1 AND i % 40 THEN 'resolved' ELSE 'unresolved' END,"
        " i % 7 = 0, 0, 0, i % 1009, i % 13, 1,"
        f" {now} - (i * 7919 % {_MANY}) * 60000 - 86400000, {now} - (i * 7919 % {_MANY}) * 60000,"
        " 'app@' || (i % 5), 1, '', 'error' || (i % 97) || char(10) || 'the ' || i || ' failed'"
        " || char(10) || 'app.work' FROM n",
        f"INSERT INTO issue_tags {numbers} SELECT i, 'tenant', 't-' || (i % 600), 1 FROM n",
        f"INSERT INTO issue_tags {numbers} SELECT i, 'shard', i % 11, 1 FROM n WHERE i % 4",
        f"INSERT INTO issue_tags {numbers} SELECT i, 'level', 'error', 1 FROM n WHERE i % 50",
        "INSERT INTO issue_tag_keys SELECT issue_id, key, 1 FROM issue_tags",
        f"INSERT INTO issue_releases {numbers} SELECT i, 'app@' || (i % 5), 0, 1 FROM n",
        f"INSERT INTO issue_hours {numbers} SELECT i, {now} / {_HOUR_MS} * {_HOUR_MS}, i % 31"
        " FROM n WHERE i % 3",
    ):
        connection.execute(text(statement))
    users = [
        {"issue": number, "user": hash_user(1 + number % 2, {"id": str(number % 900)})}
        for number in range(1, _MANY, 3)
        if number % 40
    ]
    connection.execute(text("INSERT INTO issue_users VALUES (:issue, :user)"), users)


SEARCHES = (
    *("tenant:t-7", "tenant:t-1*", "tenant:*7*", "shard:>8", "shard:<=1", "!shard:>8"),
    *("tenant:nobody", "!tenant:nobody", "level:error", "!level:error", "has:shard"),
    *("!has:shard", "has:nothing", "release:app@3", "!release:app@*", "release:*@[1]"),
    *("failed", "!failed", '"the 77"', '!"the 77"', "ed", "error.type:Error7", "error.type:*7"),
    *('!title:"Error7: *"', 'message:["the 12", "the 13"]', "user.id:7", "!user.id:7"),
    *("user.id:[7, 8] shard:3", "timesSeen:>1000", "users:0", "firstSeen:-2d"),
    *("firstSeen:+2d", "lastSeen:-1h", "is:regressed", "is:unresolved tenant:t-8*", "issue:77"),
    *("tenant:t-7 OR failed", "tenant:t-7 OR user.id:7", "!(tenant:t-7 OR level:error)"),
    *("(shard:3 OR shard:4) !is:regressed", "project:three failed", "project:three !shard:3"),
    # Frequent, but not among the first of the list.
    *("is:new lastSeen:+3d", "timesSeen:<2 failed", "lastSeen:+4d", "timesSeen:>3"),
)


def test_every_way_to_a_page_finds_what_row_by_row_is_found(crowd: Database) -> None:
    orders = list(_COLUMNS)
    for number, search in enumerate(SEARCHES):
        for sort in {IssueSort.LAST_SEEN, orders[number % len(orders)]}:
            crowd.read_blocking(
                lambda connection, search=search, sort=sort: _check(connection, search, sort)
            )


def _check(connection: Connection, search: str, sort: IssueSort) -> None:
    node = parse_query(search)
    assert node is not None
    query = IssueQuery(search=node, sort=sort, limit=20)
    condition = compile_node(node, read_context(connection, query, _NOW))
    wanted = connection.scalars(
        select(ISSUES.c.id).where(condition).order_by(_COLUMNS[sort].desc(), ISSUES.c.id.desc())
    ).all()

    first = list_issues(connection, query, None, _NOW)

    assert [issue.id for issue in first.items] == wanted[:20], search
    assert first.total == min(len(wanted), _COUNTED), search
    assert first.is_total_exact == (len(wanted) <= _COUNTED), search
    if first.next_cursor is None:
        assert len(wanted) <= 20, search
        return
    after = decode_cursor(first.next_cursor, sort.value)
    second = list_issues(connection, query, after, _NOW)
    assert [issue.id for issue in second.items] == wanted[20:40], search
    assert second.total == first.total, search


def test_the_growth_of_a_searched_list_is_that_of_its_issues(crowd: Database) -> None:
    for search in ("tenant:t-7", "failed", "!shard:3", "is:regressed"):
        query = IssueQuery(search=parse_query(search), sort=IssueSort.TREND)
        page = crowd.read_blocking(
            lambda connection, query=query: list_issues(connection, query, None, _NOW)
        )
        growth = [issue.id % 31 if issue.id % 3 else 0 for issue in page.items]
        assert growth == sorted(growth, reverse=True), search
        since = _NOW - timedelta(days=1)
        assert all(issue.last_seen_at >= since for issue in page.items)


def test_three_hundred_ranges_are_merged(tmp_path: Path) -> None:
    database = Database(tmp_path / "monitor.sqlite3")
    database.start()
    database.write_blocking(
        lambda connection: connection.execute(
            text(
                "INSERT INTO error_projects (project_id, slug, last_number, event_count)"
                " VALUES (:number, 'project-' || :number, 0, 0)"
            ),
            [{"number": number} for number in range(1, 101)],
        )
    )

    for query in (IssueQuery(), IssueQuery(search=parse_query("is:new failed"))):
        page = database.read_blocking(
            lambda connection, query=query: list_issues(connection, query, None, _NOW)
        )
        assert page.items == []
    database.stop()


def test_a_list_is_read_off_the_index_of_its_order(crowd: Database) -> None:
    for sort, column in _COLUMNS.items():
        for status in (None, IssueStatus.UNRESOLVED):
            for after in (None, (5, 5)):
                query = IssueQuery(status=status, sort=sort)
                steps = _explain_list(crowd, query, after)
                searched = f"SEARCH issues USING COVERING INDEX ix_issues_by_{column.name}"
                assert any(searched in step for step in steps), (query, steps)
                _assert_nothing_is_passed_by(steps)
                assert not any("TEMP B-TREE" in step for step in steps), (query, steps)


@pytest.mark.parametrize(
    ("search", "index"),
    [
        ("tenant:t-7", "ix_issue_tags_value"),
        ("tenant:*7*", "ix_issue_tags_value"),
        ("user.id:7", "ix_issue_users_user_hash"),
        ('"the 77 "', "issue_search VIRTUAL TABLE"),
        ("timesSeen:>1000", "ix_issues_by_event_count"),
        ("firstSeen:-25h", "ix_issues_by_first_seen_at"),
        ("issue:77", "INTEGER PRIMARY KEY"),
    ],
)
def test_what_few_issues_have_is_found_without_passing_the_others_by(
    crowd: Database, search: str, index: str
) -> None:
    steps = _explain_list(crowd, IssueQuery(search=parse_query(search)))

    assert any(index in step for step in steps), steps
    _assert_nothing_is_passed_by(steps)
    assert any("SEARCH issues USING INTEGER PRIMARY KEY" in step for step in steps), steps


@pytest.mark.parametrize(
    ("search", "index"),
    [
        ("!tenant:t-7", "ix_issue_tags_value"),
        ("!user.id:7", "ix_issue_users_user_hash"),
        ("!has:shard", "ix_issue_tag_keys_key"),
        ("tenant:t-7 OR user.id:7", "ix_issue_users_user_hash"),
        ('!"the 77 "', "issue_search VIRTUAL TABLE"),
    ],
)
def test_what_must_not_be_is_a_set_beside_one_pass(
    crowd: Database, search: str, index: str
) -> None:
    steps = _explain_list(crowd, IssueQuery(search=parse_query(search)))

    assert any(index in step for step in steps), steps
    # In the order in which they are stored, not by an index and back to each row.
    assert "SCAN issues" in steps
    assert not any("SCAN issue_" in step and "VIRTUAL" not in step for step in steps), steps


async def test_the_pages_of_an_issue_are_searched_by_its_id(crowd: Database) -> None:
    reader = SqlIssueReader(crowd)
    with _statements() as seen:
        assert await reader.get_issue(77, _NOW) is not None
        await reader.list_events(77, cursor=None, limit=20)
        await reader.get_event(77, "latest")

    steps = _explain(crowd, seen)
    _assert_nothing_is_passed_by(steps)
    assert any("ix_issue_events_occurred (issue_id=?)" in step for step in steps), steps


def _assert_nothing_is_passed_by(steps: list[str]) -> None:
    passed = [
        step for step in steps if re.match(r"SCAN issue(s|_tags|_users|_hours|_events)\b", step)
    ]
    # Counting all of them reads the pages of one index, not its rows.
    assert set(passed) <= {"SCAN issues USING COVERING INDEX ix_issues_stored_count"}, steps


def _explain_list(
    database: Database, query: IssueQuery, after: tuple[int, int] | None = None
) -> list[str]:
    with _statements() as seen:
        database.read_blocking(lambda connection: list_issues(connection, query, after, _NOW))
    return _explain(database, seen)


def _explain(database: Database, seen: list[tuple[str, Any]]) -> list[str]:
    def explain(connection: Connection) -> list[str]:
        return [
            row[3]
            for statement, parameters in seen
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]

    return database.read_blocking(explain)


@contextmanager
def _statements() -> Generator[list[tuple[str, Any]]]:
    """Yield the queries that are executed meanwhile, with their parameters."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if statement.startswith(("SELECT", "WITH")):
            seen.append((statement, parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
