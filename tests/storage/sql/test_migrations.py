"""The migrations, held against the tables that the code uses."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text

import resumatch_monitor.storage.sql
from resumatch_monitor.storage.sql.database import Database, NewerDatabaseError
from resumatch_monitor.storage.sql.issues_statements import NEXT_ISSUE_ID
from resumatch_monitor.storage.sql.schema import find_newest_revision
from resumatch_monitor.storage.sql.tables import METADATA
from resumatch_monitor.storage.sql.tables.search import SEARCH_TABLE

MIGRATIONS = Path(resumatch_monitor.storage.sql.__file__).parent / "migrations"


@contextmanager
def migrated(path: Path) -> Generator[Engine]:
    """Yield an engine over the database that a monitor's start makes or updates at `path`.

    With the table of versions already there, though empty, all migrations are applied.
    """
    with opened(path) as engine, engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL,"
                " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
            )
        )
    with started(path) as engine:
        yield engine


@contextmanager
def started(path: Path) -> Generator[Engine]:
    """Yield an engine over the database after a start of the monitor."""
    database = Database(path)
    try:
        database.start()
    finally:
        database.stop()
    with opened(path) as engine:
        yield engine


@contextmanager
def opened(path: Path) -> Generator[Engine]:
    """Yield an engine over the database at `path`."""
    engine = create_engine(f"sqlite:///{path}")
    try:
        yield engine
    finally:
        engine.dispose()


def describe(engine: Engine) -> dict[str, list[str]]:
    """Return the parts of the statements that made tables and indices, whatever their order."""
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name != :own"),
            {"own": "alembic_version"},
        ).all()
    return {
        row.name: sorted(part.strip(" ,") for part in row.sql.replace('"', "").splitlines())
        for row in rows
    }


def is_ours(name: str | None, _kind: str, _parents: Any) -> bool:
    return not (name or "").startswith(SEARCH_TABLE)


def read_revisions(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT version_num FROM alembic_version")))


def test_they_make_exactly_the_tables(tmp_path: Path) -> None:
    with migrated(tmp_path / "monitor.sqlite3") as engine, engine.connect() as connection:
        options: dict[str, Any] = {
            "compare_type": True,
            "compare_server_default": True,
            # SQLite's own tables of the index of texts.
            "include_name": is_ours,
        }
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, METADATA)

    assert differences == []


def test_a_migrated_database_and_a_fresh_one_have_the_same_statements(tmp_path: Path) -> None:
    with (
        started(tmp_path / "fresh.sqlite3") as fresh,
        migrated(tmp_path / "monitor.sqlite3") as engine,
    ):
        assert describe(engine) == describe(fresh)
        assert read_revisions(engine) == read_revisions(fresh) == [find_newest_revision()]


def migrate_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def fill(connection: Connection, issues: int) -> None:
    """Put in issues as a version wrote them whose issues have one grouping key each."""
    connection.execute(text("INSERT INTO error_projects VALUES (1, 'shop', 9, 9, 0)"))
    for number in range(1, issues + 1):
        values = {"n": number, "key": f"key-{number}".encode(), "text": f"ValueError {number}!"}
        for statement in (
            "INSERT INTO issues VALUES (:n, 1, :n, 'E', 'v', 'c', 'error', 'python', 'resolved',"
            " 0, 1, 0, 0, :n, 0, 1, 0, :n * 1000, NULL, NULL, 5, 1, 'e', :text)",
            "INSERT INTO issue_groupings VALUES (1, 1, :key, :n)",
            "INSERT INTO issue_events VALUES (:n, :n, 1, :key, 1, 2, :text, 'shop@1', 'live',"
            " 'ada', 0, 0, :key)",
            "INSERT INTO issue_tags VALUES (:n, 'browser', 'Firefox', 1)",
            "INSERT INTO issue_hours VALUES (:n, 0, 1)",
            "INSERT INTO issue_activity (issue_id, at, kind, text)"
            " VALUES (:n, 0, 'created', 'First event')",
        ):
            connection.execute(text(statement), values)


@pytest.mark.parametrize("revision", ["0006", "0007"])
def test_a_filled_database_survives_tables_that_are_made_anew(
    tmp_path: Path, revision: str
) -> None:
    path = tmp_path / "monitor.sqlite3"
    with opened(path) as engine, engine.begin() as connection:
        migrate_to(connection, revision)
        fill(connection, issues=3)

    with started(path) as engine, engine.connect() as connection:

        def read(query: str) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in connection.execute(text(query))]

        assert read("PRAGMA integrity_check") == [("ok",)]
        assert read("PRAGMA foreign_key_check") == []
        assert read(
            "SELECT issues.id, status, resolved_at, revision, text FROM issues"
            " JOIN issue_activity ON issue_id = issues.id"
        ) == [(n, "resolved", 5, 0, "First event") for n in (1, 2, 3)]
        keys = [f"key-{n}".encode() for n in (1, 2, 3)]
        assert read(
            "SELECT id, grouping_version, grouping_key, user_hash, kept_for, dict_id, payload,"
            " event_id, message, user_label FROM issue_events"
        ) == [
            (n, 1, key, None, 0, 0, key, key, f"ValueError {n}!", "ada")
            for n, key in enumerate(keys, 1)
        ]
        assert read("SELECT key, issue_id, event_count, last_seen_at FROM issue_groupings") == [
            (key, n, n, n * 1000) for n, key in enumerate(keys, 1)
        ]
        assert read("SELECT project_id, version, rules FROM project_groupings") == [(1, 1, "")]
        assert read("SELECT rowid FROM issue_search WHERE search_text MATCH '\"rror 2\"'") == [(2,)]
        assert len(read("SELECT * FROM issue_tags")) == len(read("SELECT * FROM issue_hours")) == 3


def test_an_upgrade_knows_which_ids_issues_have_had(tmp_path: Path) -> None:
    path = tmp_path / "monitor.sqlite3"
    with opened(path) as engine, engine.begin() as connection:
        migrate_to(connection, "0007")
        fill(connection, issues=3)
        migrate_to(connection, "0015")
        connection.execute(text("INSERT INTO issue_merge_members VALUES (1, 5, 0)"))

    with started(path) as engine, engine.begin() as connection:
        ids = [connection.execute(NEXT_ISSUE_ID).scalar_one() for _ in range(2)]
        connection.execute(text("DELETE FROM issues"))
        ids.append(connection.execute(NEXT_ISSUE_ID).scalar_one())

    assert ids == [6, 7, 8]


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "monitor.sqlite3"
    with migrated(path) as engine:
        before = describe(engine)

    with migrated(path) as engine:
        assert describe(engine) == before


def test_they_follow_one_another_in_one_line() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))

    assert scripts.get_heads() == [find_newest_revision()]
    assert len(scripts.get_bases()) == 1


def test_a_database_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "monitor.sqlite3"
    with migrated(path) as engine, engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(NewerDatabaseError, match="later version"), migrated(path):
        pass
