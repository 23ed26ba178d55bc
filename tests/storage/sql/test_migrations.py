"""The migrations, held against the tables that the code uses."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, text

import resumatch_monitor.storage.sql
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.tables import METADATA

MIGRATIONS = Path(resumatch_monitor.storage.sql.__file__).parent / "migrations"


def migrate(path: Path) -> Engine:
    """Return an engine over the database that a monitor's start makes or updates at `path`."""
    database = Database(path)
    database.start()
    database.stop()
    return create_engine(f"sqlite:///{path}")


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


def test_they_make_exactly_the_tables(tmp_path: Path) -> None:
    engine = migrate(tmp_path / "monitor.sqlite3")

    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        differences = compare_metadata(context, METADATA)

    assert differences == []


def test_a_migrated_database_and_a_fresh_one_have_the_same_statements(tmp_path: Path) -> None:
    fresh = create_engine(f"sqlite:///{tmp_path / 'fresh.sqlite3'}")
    METADATA.create_all(fresh)

    assert describe(migrate(tmp_path / "monitor.sqlite3")) == describe(fresh)


def test_a_second_start_changes_nothing(tmp_path: Path) -> None:
    before = describe(migrate(tmp_path / "monitor.sqlite3"))

    assert describe(migrate(tmp_path / "monitor.sqlite3")) == before


def test_they_follow_one_another_in_one_line() -> None:
    scripts = ScriptDirectory(str(MIGRATIONS))

    assert len(scripts.get_heads()) == 1
    assert len(scripts.get_bases()) == 1
