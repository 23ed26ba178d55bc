import subprocess
import sys
from pathlib import Path

UNNEEDED = (
    *("alembic", "mako", "sqlalchemy.orm", "sqlalchemy.dialects.postgresql"),
    *("google.protobuf", "opentelemetry.proto"),
    *("asyncpg", "redis", "symbolic", "resumatch_monitor.rules.testing"),
    *("ddsketch", "sqlglot", "ua_parser"),
)
"""Libraries that cost memory and time at every start, for what most monitors do not do."""

PROGRAM = """
import sys
from pathlib import Path

import resumatch_monitor.cli.commands
from resumatch_monitor.storage.sql.database import Database

for _ in ("the first start", "a later one"):
    database = Database(Path(sys.argv[1]))
    database.start()
    database.stop()
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def test_a_monitor_without_drivers_and_migrations_to_run_loads_none(tmp_path: Path) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "monitor.sqlite3"), *UNNEEDED],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert loaded.stdout.split() == []
