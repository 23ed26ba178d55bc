"""Writes a migration from the difference between the tables and the migrated schema.

For developers: `python -m resumatch_monitor.storage.sql.make_migration 0002 "what changes"`.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine


def make_migration(revision: str, message: str) -> None:
    """Write `versions/<revision>_….py`, to be read and corrected before it is committed."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    with tempfile.TemporaryDirectory() as folder:
        engine = create_engine(f"sqlite:///{folder}/empty.sqlite3")
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            command.revision(config, message, autogenerate=True, rev_id=revision)


if __name__ == "__main__":
    make_migration(sys.argv[1], sys.argv[2])
