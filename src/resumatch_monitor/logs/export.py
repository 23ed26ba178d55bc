"""Records as text for other programs: NDJSON, or CSV for spreadsheets."""

import csv
import io
import re
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import orjson

from resumatch_monitor.logs.query.matching import render_value
from resumatch_monitor.logs.store import LogQuery, LogReader, StoredRecord

MAX_RECORDS = 1_000_000
PAGE = 1_000
DEFAULT_COLUMNS = (
    "timestamp", "severity", "service", "environment", "host", "logger", "trace_id", "message",
)  # fmt: skip
# A spreadsheet takes a cell that begins with one of these for a formula, and runs it.
# https://owasp.org/www-community/attacks/CSV_Injection
_FORMULA_SIGNS = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

Render = Callable[[StoredRecord], Mapping[str, Any]]
"""Makes an object of a record, with its attributes as an object under `attributes`."""


class ExportFormat(StrEnum):
    """How records are written."""

    NDJSON = "ndjson"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """What the text is."""
        is_csv = self is ExportFormat.CSV
        return "text/csv; charset=utf-8" if is_csv else "application/x-ndjson"


async def page_records(
    logs: LogReader, query: LogQuery, *, limit: int = MAX_RECORDS
) -> AsyncGenerator[Sequence[StoredRecord]]:
    """Yield pages of what matches, the newest first, `limit` records at most altogether."""
    left, after = min(limit, MAX_RECORDS), None
    while left > 0:
        page = await logs.search(query, limit=min(PAGE, left), after=after)
        left -= len(page.items)
        if page.items:
            yield page.items
        if page.next_seq is None:
            return
        # Where looking took too long, the next page goes on.
        after = page.next_seq


def write_ndjson(
    records: Sequence[StoredRecord], render: Render, fields: Sequence[str] = ()
) -> bytes:
    """Return records as objects, one a line; with `fields`, those alone."""
    lines: list[bytes] = []
    for stored in records:
        shown = render(stored)
        chosen = {name: pick_field(shown, name) for name in fields} if fields else shown
        lines.append(orjson.dumps(chosen))
    return b"\n".join([*lines, b""])


def write_csv_head(fields: Sequence[str]) -> bytes:
    """Return the line of the columns' names."""
    return _write_rows([[_defuse(name) for name in fields]])


def write_csv(records: Sequence[StoredRecord], render: Render, fields: Sequence[str]) -> bytes:
    """Return records as lines of cells (RFC 4180)."""
    rows: list[list[str]] = []
    for stored in records:
        shown = render(stored)
        rows.append([_cell(pick_field(shown, name)) for name in fields])
    return _write_rows(rows)


def pick_field(shown: Mapping[str, Any], name: str) -> Any:
    """Return the value of a record's own field or of an attribute; None if it has none."""
    if name in shown and name != "attributes":
        return shown[name]
    return shown["attributes"].get(name)


def _write_rows(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode(errors="replace")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | dict):
        return _defuse(orjson.dumps(value).decode())
    return _defuse(render_value(value))


def _defuse(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula; numbers stay what they are."""
    if text[:1] in _FORMULA_SIGNS and text and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
