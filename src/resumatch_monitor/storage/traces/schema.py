"""The tables of a part: one SQLite file of traces."""

import sqlite3
from pathlib import Path

VERSION = 1
"""Of the tables; a part of another version is left alone and not read."""

# `fragments` holds, compressed, the spans of one trace that came in one item. `segments` is what
# lists and searches read: a row a segment, made when its first span arrives. `texts` gives numbers
# to what recurs. `items` are the latest that were stored, to know them again after a crash.
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE dictionaries (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE texts (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE items (seq INTEGER PRIMARY KEY AUTOINCREMENT, item_id BLOB NOT NULL UNIQUE);
CREATE TABLE fragments (
    id INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL,
    span_count INTEGER NOT NULL,
    dict_id INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX fragments_by_trace ON fragments (trace_id);
CREATE TABLE segments (
    id INTEGER PRIMARY KEY,
    trace_id BLOB NOT NULL,
    span_id BLOB NOT NULL,
    project_id INTEGER NOT NULL,
    service_id INTEGER NOT NULL,
    environment_id INTEGER NOT NULL,
    release_id INTEGER NOT NULL,
    name_id INTEGER NOT NULL,
    op_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    is_error INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    duration_us INTEGER NOT NULL,
    received_ms INTEGER NOT NULL,
    has_root INTEGER NOT NULL,
    is_trace_root INTEGER NOT NULL,
    span_count INTEGER NOT NULL,
    error_count INTEGER NOT NULL,
    is_observed INTEGER NOT NULL,
    UNIQUE (trace_id, span_id)
);
CREATE INDEX segments_by_start ON segments (started_us);
CREATE INDEX segments_by_duration ON segments (duration_us);
CREATE INDEX segments_by_name ON segments (name_id, duration_us);
CREATE INDEX segments_by_user ON segments (user_id, started_us);
CREATE INDEX segments_waiting ON segments (received_ms) WHERE is_observed = 0 AND has_root = 1;
CREATE TABLE segment_tags (
    tag_id INTEGER NOT NULL,
    segment_id INTEGER NOT NULL,
    PRIMARY KEY (tag_id, segment_id)
) WITHOUT ROWID;
"""
_PAGE_BYTES = 8192


def open_writer(path: Path) -> sqlite3.Connection:
    """Open a part to write to it, making it if it is not there.

    Raises:
        sqlite3.Error: If that is impossible.
    """
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, timeout=10, cached_statements=64
    )
    try:
        for pragma in (
            f"page_size={_PAGE_BYTES}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "temp_store=MEMORY",
            "cache_size=-32000",
            "wal_autocheckpoint=2000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if read_version(connection) == 0:
            connection.executescript(f"BEGIN;{_TABLES}PRAGMA user_version={VERSION};COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a part to read it.

    Raises:
        sqlite3.Error: If that is impossible.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=10,
    )
    for pragma in ("query_only=ON", "temp_store=MEMORY", "cache_size=-2000", "mmap_size=268435456"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def read_version(connection: sqlite3.Connection) -> int:
    """Return which tables a part has; 0 for none."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
