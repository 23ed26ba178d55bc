"""Making a part smaller: a copy of it with the valuable traces alone takes its place."""

import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

from resumatch_monitor.storage.traces.part import Part, PartName
from resumatch_monitor.storage.traces.schema import open_writer

FindWithErrors = Callable[[Sequence[bytes]], Collection[bytes]]
"""Returns those of some trace ids that an error event carries."""

_CHUNK = 500
_SLOWEST_LEAST = 5
_ONE_IN_SLOWEST = 20
# A tenth of all traces, by the last byte of their random id, which is the same in every part and
# for every service: a trace is kept as a whole or not at all.
_SAMPLED_BELOW = 26
_TEXT_COLUMNS = (*("service_id", "environment_id", "release_id", "name_id", "op_id", "user_id"),)
_KEEP_ERRORS = """
INSERT OR IGNORE INTO keep SELECT trace_id FROM old.segments WHERE is_error = 1 OR error_count > 0
"""
_KEEP_SLOWEST = """
INSERT OR IGNORE INTO keep SELECT trace_id FROM (
    SELECT trace_id,
        row_number() OVER (PARTITION BY name_id ORDER BY duration_us DESC, id) AS position,
        count(*) OVER (PARTITION BY name_id) AS total
    FROM old.segments
) WHERE position <= max(?, total / ?)
"""
_KEEP_SAMPLE = """
INSERT OR IGNORE INTO keep SELECT DISTINCT trace_id FROM old.fragments
WHERE unhex_last(trace_id) < ?
"""
_USED_TEXTS = " UNION ".join(f"SELECT {name} FROM segments" for name in _TEXT_COLUMNS)  # noqa: S608
_COPY = (
    "INSERT OR REPLACE INTO meta SELECT key, value FROM old.meta",
    "INSERT INTO dictionaries SELECT id, data FROM old.dictionaries",
    "INSERT INTO segments SELECT * FROM old.segments WHERE trace_id IN (SELECT trace_id FROM keep)",
    "INSERT INTO segment_tags SELECT tag_id, segment_id FROM old.segment_tags"
    " WHERE segment_id IN (SELECT id FROM segments)",
    "INSERT INTO texts SELECT id, text FROM old.texts WHERE id IN"  # noqa: S608
    f" ({_USED_TEXTS} UNION SELECT tag_id FROM segment_tags)",
    "INSERT INTO fragments SELECT * FROM old.fragments"
    " WHERE trace_id IN (SELECT trace_id FROM keep) ORDER BY id",
)


def thin(part: Part, folder: Path, find_with_errors: FindWithErrors | None = None) -> Part:
    """Write what is valuable of `part` into a part of the next generation; blocks.

    Kept are traces with a failed span or an error event, of each name the slowest twentieth (at
    least five), and a tenth of the others. The part itself is left as it is.

    Returns:
        The new part, durable under its name.

    Raises:
        OSError, sqlite3.Error: If it could not be written; nothing of it remains.
    """
    name = PartName(part.name.number, part.name.generation + 1)
    thinned = Part(folder, name)
    unfinished = folder / f"{name.file_name}.tmp"
    _remove(unfinished)
    try:
        _copy_valuable(part, unfinished, find_with_errors)
        _sync(unfinished)
        unfinished.rename(thinned.path)
        _sync(folder)
    except BaseException:
        _remove(unfinished)
        raise
    thinned.load()
    return thinned


def _copy_valuable(part: Part, target: Path, find_with_errors: FindWithErrors | None) -> None:
    connection = open_writer(target)
    try:
        # Nothing else knows the file, and without its name it is worth nothing.
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("ATTACH ? AS old", (str(part.path),))
        connection.create_function("unhex_last", 1, _last_byte, deterministic=True)
        connection.execute("BEGIN")
        connection.execute("CREATE TEMP TABLE keep (trace_id BLOB PRIMARY KEY) WITHOUT ROWID")
        connection.execute(_KEEP_ERRORS)
        connection.execute(_KEEP_SLOWEST, (_SLOWEST_LEAST, _ONE_IN_SLOWEST))
        connection.execute(_KEEP_SAMPLE, (_SAMPLED_BELOW,))
        if find_with_errors is not None:
            _keep_with_errors(connection, find_with_errors)
        for statement in _COPY:
            connection.execute(statement)
        connection.execute("DROP TABLE temp.keep")
        connection.execute("COMMIT")
        connection.execute("DETACH old")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _keep_with_errors(connection: sqlite3.Connection, find_with_errors: FindWithErrors) -> None:
    cursor = connection.execute(
        "SELECT DISTINCT trace_id FROM old.fragments WHERE trace_id NOT IN"
        " (SELECT trace_id FROM keep)"
    )
    others = [row[0] for row in cursor]
    for begin in range(0, len(others), _CHUNK):
        found = find_with_errors(others[begin : begin + _CHUNK])
        connection.executemany(
            "INSERT OR IGNORE INTO keep VALUES (?)", [(trace_id,) for trace_id in found]
        )


def has_unobserved(part: Part) -> bool:
    """Tell whether a part has segments that nobody has counted yet.

    Raises:
        PartGoneError: If the part is gone.
        sqlite3.Error: If it cannot be read.
    """
    with part.read() as reader:
        row = reader.connection.execute(
            "SELECT 1 FROM segments WHERE is_observed = 0 AND has_root = 1 LIMIT 1"
        ).fetchone()
    return row is not None


def _last_byte(value: object) -> int:
    return value[-1] if isinstance(value, bytes) and value else 0


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").unlink()
