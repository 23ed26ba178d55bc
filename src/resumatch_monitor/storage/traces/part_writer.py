"""The end of a part where spans come in; everything here runs on the writer's thread."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.traces.codec import Compressor, encode_spans
from resumatch_monitor.storage.traces.rows import SegmentRow, build_rows
from resumatch_monitor.storage.traces.schema import open_writer
from resumatch_monitor.tracing.model import Span
from resumatch_monitor.tracing.store import DigestedItem, StoreOutcome

_ITEMS_REMEMBERED = 20_000
_TEXTS_CACHED = 50_000
_ROOT_COLUMNS = (
    *("project_id", "service_id", "environment_id", "release_id", "name_id", "op_id", "is_error"),
    *("started_us", "duration_us", "received_ms", "is_trace_root"),
)
_FROM_ROOT = ",\n".join(
    f"{name} = CASE WHEN excluded.has_root > has_root THEN excluded.{name} ELSE {name} END"
    for name in _ROOT_COLUMNS
    if name not in ("started_us", "duration_us")
)
# What comes before the root makes the segment longer; once the root is there, it knows best.
_UPSERT_SEGMENT = f"""
INSERT INTO segments (
    trace_id, span_id, project_id, service_id, environment_id, release_id, name_id, op_id, user_id,
    is_error, started_us, duration_us, received_ms, has_root, is_trace_root, span_count,
    error_count, is_observed
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
ON CONFLICT (trace_id, span_id) DO UPDATE SET
    {_FROM_ROOT},
    started_us = CASE
        WHEN excluded.has_root > has_root THEN excluded.started_us
        WHEN has_root THEN started_us
        ELSE min(started_us, excluded.started_us) END,
    duration_us = CASE
        WHEN excluded.has_root > has_root THEN excluded.duration_us
        WHEN has_root THEN duration_us
        ELSE max(started_us + duration_us, excluded.started_us + excluded.duration_us)
            - min(started_us, excluded.started_us) END,
    user_id = CASE WHEN user_id = excluded.user_id OR excluded.user_id = ? THEN user_id
        ELSE excluded.user_id END,
    has_root = max(has_root, excluded.has_root),
    span_count = span_count + excluded.span_count,
    error_count = error_count + excluded.error_count
RETURNING id
"""  # noqa: S608 - the names are constants of this module


class PartWriter:
    """Writes into one part; after an error nothing of the batch remains."""

    def __init__(self, path: Path, *, created_ms: int) -> None:
        """Open the part at `path`, making it if it is not there.

        Raises:
            sqlite3.Error: If that is impossible.
        """
        self.path = path
        self._connection = open_writer(path)
        self._texts: dict[str, int] = {}
        self._connection.execute(
            "INSERT OR IGNORE INTO meta (key, value) VALUES ('created_ms', ?)", (created_ms,)
        )
        row = self._connection.execute(
            "SELECT id, data FROM dictionaries ORDER BY id DESC LIMIT 1"
        ).fetchone()
        self._dictionary_id: int = row[0] if row else 0
        self._compressor = Compressor(row[1] if row else None)

    def close(self) -> None:
        """Put everything into the main file and close."""
        with suppress(sqlite3.Error):
            # Who reads now, maybe for long, must not keep what comes waiting: the last who closes
            # the file does it, too.
            self._connection.execute("PRAGMA busy_timeout=0")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()

    @property
    def has_dictionary(self) -> bool:
        """Whether what comes is compressed with a dictionary."""
        return self._dictionary_id > 0

    def use_dictionary(self, dictionary: bytes) -> None:
        """Compress what comes with `dictionary`; what is there keeps its own.

        Raises:
            sqlite3.Error: If it could not be stored; then the one before stays in use.
        """
        cursor = self._connection.execute(
            "INSERT INTO dictionaries (data) VALUES (?) RETURNING id", (dictionary,)
        )
        (self._dictionary_id,) = cursor.fetchone()
        self._compressor = Compressor(dictionary)

    def recent_items(self) -> list[bytes]:
        """Return the ids of the items that were stored last, in order."""
        rows = self._connection.execute("SELECT item_id FROM items ORDER BY seq")
        return [row[0] for row in rows]

    def remember_items(self, item_ids: Iterable[bytes]) -> None:
        """Take over the ids that the part before knew."""
        self._begin()
        self._connection.executemany(
            "INSERT OR IGNORE INTO items (item_id) VALUES (?)", [(each,) for each in item_ids]
        )
        self._connection.execute("COMMIT")

    def write(
        self, items: Sequence[DigestedItem], samples: list[bytes]
    ) -> tuple[StoreOutcome, list[SegmentRow]]:
        """Store `items` that are not there, in one transaction.

        Args:
            items: What to store.
            samples: Gets some of the payloads, to train a dictionary with.

        Returns:
            What was stored, and the rows of segments that it was.

        Raises:
            sqlite3.Error: If nothing was stored.
        """
        self._begin()
        try:
            fresh = [item for item in items if self._is_fresh(item)]
            rows = [row for item in fresh for row in self._write_item(item, samples)]
            self._connection.execute(
                "DELETE FROM items WHERE seq <= (SELECT max(seq) FROM items) - ?",
                (_ITEMS_REMEMBERED,),
            )
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise
        spans = sum(len(item.spans) for item in fresh)
        return StoreOutcome(spans, len(items) - len(fresh)), rows

    def drop_unrooted(self, keys: Iterable[tuple[str, str]]) -> None:
        """Forget the rows of segments whose root came into a later part.

        Raises:
            sqlite3.Error: If they are all still there.
        """
        self._connection.executemany(
            "DELETE FROM segments WHERE trace_id = ? AND span_id = ? AND has_root = 0",
            [(bytes.fromhex(trace_id), bytes.fromhex(span_id)) for trace_id, span_id in keys],
        )

    def mark_observed(self, rows: Sequence[tuple[int, int, int]]) -> None:
        """Note what was observed, and what the segments really have.

        Args:
            rows: The row's id, its spans, and those that failed.

        Raises:
            sqlite3.Error: If nothing was noted.
        """
        self._begin()
        try:
            self._connection.executemany(
                "UPDATE segments SET is_observed = 1, span_count = ?, error_count = ? WHERE id = ?",
                [(spans, errors, row_id) for row_id, spans, errors in rows],
            )
            self._connection.execute("COMMIT")
        except BaseException:
            self._roll_back()
            raise

    def _begin(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def _roll_back(self) -> None:
        # Texts of the transaction have no number any more.
        self._texts.clear()
        with suppress(sqlite3.Error):
            self._connection.execute("ROLLBACK")

    def _is_fresh(self, item: DigestedItem) -> bool:
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO items (item_id) VALUES (?)", (bytes.fromhex(item.item_id),)
        )
        return cursor.rowcount > 0

    def _write_item(self, item: DigestedItem, samples: list[bytes]) -> list[SegmentRow]:
        for trace_id, spans in _by_trace(item.spans).items():
            payload = encode_spans(spans)
            samples.append(payload)
            self._connection.execute(
                "INSERT INTO fragments (trace_id, span_count, dict_id, payload)"
                " VALUES (?, ?, ?, ?)",
                (
                    bytes.fromhex(trace_id),
                    len(spans),
                    self._dictionary_id,
                    self._compressor.compress(payload),
                ),
            )
        rows = build_rows(item.spans)
        received_ms = to_milliseconds(item.received_at)
        for row in rows:
            self._write_segment(row, item.user, received_ms)
        return rows

    def _write_segment(self, row: SegmentRow, user: str, received_ms: int) -> None:
        known = row.root or row.first
        nobody = self._number("")
        values: list[Any] = [
            bytes.fromhex(row.trace_id),
            bytes.fromhex(row.span_id),
            known.project_id,
            self._number(known.service),
            self._number(known.environment),
            self._number(known.release),
            self._number(row.name),
            self._number("" if row.root is None else row.root.op),
            self._number(user),
            int(row.root is not None and row.root.is_error),
            row.started_us if row.root is None else row.root.started_us,
            row.ended_us - row.started_us if row.root is None else row.root.duration_us,
            received_ms,
            int(row.root is not None),
            int(row.root is not None and not row.root.parent_span_id),
            row.span_count,
            row.error_count,
            nobody,
        ]
        (segment_id,) = self._connection.execute(_UPSERT_SEGMENT, values).fetchone()
        if row.tags:
            self._connection.executemany(
                "INSERT OR IGNORE INTO segment_tags (tag_id, segment_id) VALUES (?, ?)",
                [(self._number(f"{name}={value}"), segment_id) for name, value in row.tags],
            )

    def _number(self, text: str) -> int:
        number = self._texts.get(text)
        if number is None:
            number = self._find_number(text)
            if len(self._texts) >= _TEXTS_CACHED:
                self._texts.clear()
            self._texts[text] = number
        return number

    def _find_number(self, text: str) -> int:
        found = self._connection.execute("SELECT id FROM texts WHERE text = ?", (text,)).fetchone()
        if found is None:
            found = self._connection.execute(
                "INSERT INTO texts (text) VALUES (?) RETURNING id", (text,)
            ).fetchone()
        return int(found[0])


def _by_trace(spans: Sequence[Span]) -> dict[str, list[Span]]:
    traces: dict[str, list[Span]] = {}
    for span in spans:
        traces.setdefault(span.trace_id, []).append(span)
    return traces
