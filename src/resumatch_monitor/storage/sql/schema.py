"""Makes the tables of a new database, and brings those of an older one up to date."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from resumatch_monitor.storage.sql.tables import METADATA

_MIGRATIONS = Path(__file__).parent / "migrations"
_VERSION_TABLE = "alembic_version"


class UnknownRevisionError(Exception):
    """The tables are those of a version of the monitor that this one does not know."""


def update_schema(connection: Connection) -> None:
    """Give the database the tables of this version, inside the caller's transaction.

    Raises:
        UnknownRevisionError: If a later version has been at it.
    """
    newest = find_newest_revision()
    tables = inspect(connection).get_table_names()
    if not tables:
        # What the migrations would make, without loading them; a test compares the two.
        METADATA.create_all(connection, checkfirst=False)
        connection.execute(
            text(
                f"CREATE TABLE {_VERSION_TABLE} (version_num VARCHAR(32) NOT NULL,"
                f" CONSTRAINT {_VERSION_TABLE}_pkc PRIMARY KEY (version_num))"
            )
        )
        connection.execute(
            text(f"INSERT INTO {_VERSION_TABLE} VALUES (:newest)"),  # noqa: S608 - a name of ours
            {"newest": newest},
        )
    elif _read_revisions(connection, tables) != [newest]:
        _run_migrations(connection)


def find_newest_revision() -> str:
    """Return the revision that the last migration leaves: its file's name begins with it."""
    names = [path.name for path in (_MIGRATIONS / "versions").glob("[0-9]*_*.py")]
    return max(names).partition("_")[0]


def _read_revisions(connection: Connection, tables: list[str]) -> list[str]:
    if _VERSION_TABLE not in tables:
        return []
    rows = connection.scalars(text(f"SELECT version_num FROM {_VERSION_TABLE}"))  # noqa: S608
    return [str(row) for row in rows]


def _run_migrations(connection: Connection) -> None:
    # Only the first start of a new version needs them, and with what they import in turn they
    # take ten mebibytes and a fifth of a second.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise UnknownRevisionError(str(error)) from error
