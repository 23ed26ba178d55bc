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
from sqlalchemy import Engine, create_engine, text

import resumatch_monitor.storage.sql
from resumatch_monitor.storage.sql.database import Database, NewerDatabaseError
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


def test_what_belongs_to_issues_survives_a_table_that_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "monitor.sqlite3"
    with opened(path) as engine, engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        connection.execute(text("INSERT INTO error_projects VALUES (1, 'shop', 1, 1, 0)"))
        connection.execute(
            text(
                "INSERT INTO issues VALUES (1, 1, 1, 'E', 'v', 'c', 'error', 'python', 'resolved',"
                " 0, 1, 0, 0, 1, 0, 1, 0, 0, NULL, NULL, 5, 1, '', 'e')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO issue_activity (issue_id, at, kind, text)"
                " VALUES (1, 0, 'created', 'First event')"
            )
        )

    with started(path) as engine, engine.connect() as connection:
        kept = connection.execute(
            text(
                "SELECT status, resolved_at, revision, text FROM issues"
                " JOIN issue_activity ON issue_id = issues.id"
            )
        ).all()

    assert [tuple(row) for row in kept] == [("resolved", 5, 0, "First event")]


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
