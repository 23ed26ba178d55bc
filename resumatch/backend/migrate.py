"""Brings the database up to date: `python -m resumatch.backend.migrate`."""

import asyncio
import os
import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from resumatch.backend.config import ConfigurationError, Settings

# Any number will do, as long as nothing else takes it: two instances that start together
# migrate one after the other.
_LOCK = 7_265_737


async def upgrade(database_url: str) -> None:
    """Apply the migrations that are missing."""
    engine = create_async_engine(database_url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            await connection.run_sync(_upgrade)
    finally:
        await engine.dispose()


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def main() -> None:
    try:
        settings = Settings.from_environment(os.environ)
    except ConfigurationError as error:
        sys.exit(f"The database cannot be migrated: {error}")
    asyncio.run(upgrade(settings.database_url))


if __name__ == "__main__":
    main()
