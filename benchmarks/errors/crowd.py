"""A database with 100,000 issues and 5 million events, made by SQLite itself in a minute or two.

The tables are the monitor's own; what it would have counted is consistent enough for reading: each
issue has its hours, tags, releases, users and activity. Payloads are noise of the size that packed
events have.
"""

import sqlite3
import time
from pathlib import Path

from resumatch_monitor.errortracking.prepare import hash_user
from resumatch_monitor.storage.sql.database import Database

PROJECTS = 4
USERS = 20_000
_HOUR_MS = 3_600_000
_CROWDED_EVERY = 100
_PAYLOAD_BYTES = 1_200

# Values of an issue's tags, of which there are three each.
_TAGS = {
    "environment": "CASE WHEN (i + j) % 10 < 7 THEN 'production' ELSE 'staging-' || (i % 3) END",
    "level": "CASE WHEN (i + j) % 20 = 0 THEN 'fatal' ELSE 'error' END",
    "transaction": "'/route/' || ((i + j) % 211)",
    "url": "'https://shop.example.org/route/' || ((i + j) % 211)",
    "http.method": "CASE (i + j) % 3 WHEN 0 THEN 'GET' WHEN 1 THEN 'POST' ELSE 'PUT' END",
    "http.status_code": "CASE WHEN i % 50 = 0 THEN 503 ELSE 500 END",
    "server_name": "'host-' || ((i * 7 + j) % 40)",
    "tenant": "'tenant-' || ((i * 13 + j) % 2500)",
}
_FILLED = {"INTEGER": "0", "BIGINT": "0", "BOOLEAN": "0", "VARCHAR": "''"}


def build_crowd(path: Path, *, issues: int, events: int, now_ms: int) -> float:
    """Make the database and return how many seconds that took.

    Args:
        path: The file, which does not exist.
        issues: How many.
        events: Stored ones; every hundredth issue has ten times as many as the others.
        now_ms: The latest event, milliseconds since the epoch.
    """
    began = time.perf_counter()
    database = Database(path)
    database.start()
    database.stop()
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-1500000"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("PRAGMA locking_mode=EXCLUSIVE")
    connection.create_function("hash_user", 2, _hash_user, deterministic=True)
    connection.execute("BEGIN")
    _fill(connection, issues=issues, events=events, now_ms=now_ms)
    connection.execute("COMMIT")
    connection.execute("PRAGMA locking_mode=NORMAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return time.perf_counter() - began


def _hash_user(project: int, number: int) -> bytes | None:
    return hash_user(project, {"id": str(number)})


def _fill(connection: sqlite3.Connection, *, issues: int, events: int, now_ms: int) -> None:
    # An ordinary issue has `usual` events, a crowded one ten times as many.
    usual = events / (issues * (1 + 9 / _CROWDED_EVERY))
    many = f"CASE WHEN i % {_CROWDED_EVERY} = 0 THEN {10 * usual:.0f} ELSE {usual:.0f} END"
    connection.execute(
        f"CREATE TEMP TABLE n AS WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s"
        f" WHERE i < {issues}) SELECT i, {many} AS many FROM s"
    )
    connection.execute(
        "CREATE TEMP TABLE k AS WITH RECURSIVE s(j) AS (SELECT 0 UNION ALL SELECT j + 1 FROM s"
        f" WHERE j < {10 * usual:.0f} - 1) SELECT j FROM s"
    )
    seen = f"{now_ms} - (i * 7919 % 2000000) * 1000"
    for number in range(1, PROJECTS + 1):
        _insert(
            connection,
            "error_projects",
            f"(SELECT 1 WHERE {number})",
            project_id=str(number),
            slug=f"'project-{number}'",
            last_number=str(issues),
            event_count=str(events // PROJECTS),
            last_event_at=str(now_ms),
        )
    _insert(
        connection,
        "issues",
        "n",
        id="i",
        project_id=f"1 + i % {PROJECTS}",
        number="i",
        type="'Error' || (i % 977)",
        value="'the ' || (i * 31 % 5003) || ' of ' || i || ' failed'",
        culprit="'app.module_' || (i % 311) || ' in function_' || (i % 4999)",
        level="'error'",
        platform="'python'",
        is_regressed="i % 40 = 0",
        is_escalating="i % 400 = 0",
        is_handled="i % 3 = 0",
        assignee="CASE WHEN i % 25 = 0 THEN 'dev-' || (i % 8) || '@example.org' END",
        status="CASE WHEN i % 10 < 7 THEN 'unresolved' WHEN i % 10 < 9 THEN 'resolved'"
        " ELSE 'ignored' END",
        event_count="many * 3",
        user_count="i % 97",
        stored_count="many",
        first_seen_at=f"{seen} - 86400000",
        last_seen_at=seen,
        first_release="'app@1.' || (i % 50)",
        last_release="'app@1.' || (i % 50 + 1)",
        grouping_version="1",
        explanation="'Same exceptions raised through the same calls: ' || hex(randomblob(60))",
        search_text="'error' || (i % 977) || char(10) || 'the ' || (i * 31 % 5003) || ' of ' || i"
        " || ' failed' || char(10) || 'app.module_' || (i % 311) || ' in function_' || (i % 4999)",
    )
    _insert(
        connection,
        "issue_groupings",
        "n",
        project_id=f"1 + i % {PROJECTS}",
        version="1",
        key="randomblob(16)",
        issue_id="i",
    )
    _insert(
        connection,
        "issue_events",
        "k JOIN n ON j < many",
        issue_id="i",
        project_id=f"1 + i % {PROJECTS}",
        event_id="randomblob(16)",
        occurred_at=f"{seen} - ({10 * usual:.0f} - j) * 60000",
        received_at=f"{now_ms} - ({10 * usual:.0f} - j) * 60000",
        message="'the ' || (i * 31 % 5003) || ' of ' || i || ' failed'",
        release="'app@1.' || (i % 50)",
        environment="'production'",
        user_label="'user-' || (j % 97)",
        payload=f"randomblob({_PAYLOAD_BYTES})",
    )
    _count(connection, seen=seen)


def _count(connection: sqlite3.Connection, *, seen: str) -> None:
    _insert(
        connection,
        "issue_hours",
        "n JOIN k ON j < 24",
        issue_id="i",
        hour=f"({seen}) / {_HOUR_MS} * {_HOUR_MS} - j * {_HOUR_MS}",
        event_count="1 + j",
    )
    for key, value in _TAGS.items():
        _insert(connection, "issue_tag_keys", "n", issue_id="i", key=f"'{key}'", event_count="many")
        _insert(
            connection,
            "issue_tags",
            "n JOIN k ON j < 3",
            issue_id="i",
            key=f"'{key}'",
            value=value,
            event_count="1 + j",
        )
    _insert(
        connection,
        "error_releases",
        f"k JOIN (SELECT DISTINCT i % {PROJECTS} AS p FROM n) ON j < 52",
        project_id="1 + p",
        version="'app@1.' || j",
        first_seen_at="j * 86400000",
    )
    _insert(
        connection,
        "issue_releases",
        "n JOIN k ON j < 3",
        issue_id="i",
        version="'app@1.' || (i % 50 + j)",
        first_seen_at=seen,
        event_count="many / 3",
    )
    _insert(
        connection,
        "issue_users",
        "n JOIN k ON j < i % 20",
        issue_id="i",
        user_hash=f"hash_user(1 + i % {PROJECTS}, (i * 31 + j * 7) % {USERS})",
    )
    _insert(
        connection,
        "issue_activity",
        "n",
        issue_id="i",
        at=seen,
        kind="'created'",
        text="'First event'",
    )


def _insert(connection: sqlite3.Connection, table: str, source: str, **values: str) -> None:
    """Insert what `values` say of each row of `source`; a column that is required is empty."""
    for _, name, kind, is_required, default, key in connection.execute(
        f"PRAGMA table_info({table})"
    ).fetchall():
        if is_required and default is None and not key and name not in values:
            values[name] = _FILLED.get(kind, "x''")
    columns, expressions = ", ".join(values), ", ".join(values.values())
    connection.execute(
        f"INSERT OR IGNORE INTO {table} ({columns}) SELECT {expressions} FROM {source}"
    )
