"""Searches over segments: one part's share as SQL, and the shares put together."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from resumatch_monitor.storage.traces.part import Part
from resumatch_monitor.tracing.store import SegmentQuery, SegmentSort, SegmentSummary

_TEXTS_MATCHED_MAX = 500
_RARE = 5_000
_MOST = 4
"""The slowest are looked for by duration where a fourth of a part, or more, is asked for."""
_LIKE = "SELECT id FROM texts WHERE text LIKE ? ESCAPE '\\'"
_COLUMNS = """
SELECT s.id, s.trace_id, s.span_id, s.project_id, service.text, environment.text, release.text,
    name.text, op.text, user.text, s.is_error, s.started_us, s.duration_us, s.span_count,
    s.error_count, s.has_root, s.is_trace_root
FROM segments s{hint}
JOIN texts service ON service.id = s.service_id
JOIN texts environment ON environment.id = s.environment_id
JOIN texts release ON release.id = s.release_id
JOIN texts name ON name.id = s.name_id
JOIN texts op ON op.id = s.op_id
JOIN texts user ON user.id = s.user_id
"""
_ORDER = {SegmentSort.NEWEST: "started_us", SegmentSort.SLOWEST: "duration_us"}
_Built = tuple[list[str], list[int | str]]
_ESCAPED = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a segment stands in the order of a list: what it is sorted by, its part, its row."""

    value: int
    part: int
    row: int

    def to_cursor(self, sort: SegmentSort) -> str:
        """Return it as a page's cursor."""
        return f"{sort[0]}{self.value}-{self.part}-{self.row}"


def parse_cursor(cursor: str, sort: SegmentSort) -> Place:
    """Read what `Place.to_cursor` wrote.

    Raises:
        ValueError: If it did not, or for another order.
    """
    numbers = cursor[1:].split("-")
    is_sound = all(part.isascii() and part.isdigit() and len(part) < 20 for part in numbers)
    if cursor[:1] != sort[0] or len(numbers) != 3 or not is_sound:
        raise ValueError("The cursor is not one of this search's.")
    return Place(*map(int, numbers))


@dataclass(frozen=True, slots=True)
class Found:
    """A segment that matches, with its place."""

    place: Place
    summary: SegmentSummary


def search_part(
    connection: sqlite3.Connection, part: Part, query: SegmentQuery, after: Place | None
) -> list[Found]:
    """Return the first segments of a part that match, at most `query.limit`, in order.

    Raises:
        sqlite3.OperationalError: If it was interrupted.
    """
    conditions = build_conditions(connection, query)
    if conditions is None:
        return []
    column = _ORDER[query.sort]
    where, values = conditions
    where, values = [*_build_times(query, part), *where], [query.start_us, query.end_us, *values]
    if after is not None:
        where = [*where, f"(s.{column} < ? OR (s.{column} = ? AND {_beyond(part, after)}))"]
        values = [*values, after.value, after.value]
        if part.name.number == after.part:
            values.append(after.row)
    columns = _COLUMNS.format(hint=_choose_index(connection, query))
    rows = connection.execute(
        f"{columns} WHERE {' AND '.join(where)} ORDER BY s.{column} DESC, s.id DESC LIMIT ?",
        [*values, query.limit],
    )
    return [_read_row(row, part, query.sort) for row in rows]


def sample_part(
    connection: sqlite3.Connection, query: SegmentQuery, limit: int
) -> list[tuple[int, bool]]:
    """Return the durations of a part's newest matching segments, and whether they failed.

    Raises:
        sqlite3.OperationalError: If it was interrupted.
    """
    conditions = build_conditions(connection, query)
    if conditions is None:
        return []
    where, values = conditions
    where = ["s.started_us >= ?", "s.started_us < ?", *where]
    rows = connection.execute(
        "SELECT s.duration_us, s.is_error OR s.error_count > 0 FROM segments s"  # noqa: S608
        f" WHERE {' AND '.join(where)} ORDER BY s.started_us DESC LIMIT ?",
        [query.start_us, query.end_us, *values, limit],
    )
    return [(duration, bool(is_error)) for duration, is_error in rows]


def build_conditions(connection: sqlite3.Connection, query: SegmentQuery) -> _Built | None:
    """Return conditions on `segments s` and their values; None if nothing in the part matches."""
    where, values = _build_plain(query)
    for column, text in (
        ("environment_id", query.environment),
        ("service_id", query.service),
        ("op_id", query.op),
        ("release_id", query.release),
    ):
        if text:
            number = _find_text(connection, text)
            if number is None:
                return None
            where.append(f"s.{column} = ?")
            values.append(number)
    for build in (_build_names, _build_tags, _build_user):
        built = build(connection, query)
        if built is None:
            return None
        where.extend(built[0])
        values.extend(built[1])
    return where, values


def _build_times(query: SegmentQuery, part: Part) -> tuple[str, str]:
    """Return the conditions for the time that is asked for.

    The slowest of most of a part are found by the index of durations, which the plus sign leaves
    as the only one; those of a short time are sorted.
    """
    extent = part.extent
    asked = min(query.end_us, extent.latest_us + 1) - max(query.start_us, extent.earliest_us)
    is_most = asked * _MOST >= extent.latest_us - extent.earliest_us
    sign = "+" if query.sort is SegmentSort.SLOWEST and is_most else ""
    return f"{sign}s.started_us >= ?", f"{sign}s.started_us < ?"


def _choose_index(connection: sqlite3.Connection, query: SegmentQuery) -> str:
    """Return what makes SQLite go by duration to the newest of the few that took so long."""
    is_narrower = query.name or query.exact_name or query.tags or query.user
    if query.min_duration_us is None or is_narrower or query.sort is SegmentSort.SLOWEST:
        return ""
    counted = "SELECT 1 FROM segments WHERE duration_us >= ?"
    is_rare = _is_rare(connection, counted, [query.min_duration_us])
    return " INDEXED BY segments_by_duration" if is_rare else ""


def _build_names(connection: sqlite3.Connection, query: SegmentQuery) -> _Built | None:
    if query.exact_name:
        number = _find_text(connection, query.exact_name)
        names = [] if number is None else [number]
    elif query.name:
        names = _match_texts(connection, query.name)
    else:
        return [], []
    if not names:
        return None
    if len(names) > _TEXTS_MATCHED_MAX:
        pattern = f"%{query.name.translate(_ESCAPED)}%"
        return [f"+s.name_id IN ({_LIKE})"], [pattern]
    # The index of names is the way to what is rare, and to the slowest of one name; to the newest
    # of what is frequent it is the index of times, which the plus sign leaves as the only one.
    is_sorted = query.sort is SegmentSort.SLOWEST and len(names) == 1
    counted = f"SELECT 1 FROM segments WHERE name_id IN ({_marks(names)})"  # noqa: S608
    sign = "" if is_sorted or _is_rare(connection, counted, names) else "+"
    return [f"{sign}s.name_id IN ({_marks(names)})"], [*names]


def _build_tags(connection: sqlite3.Connection, query: SegmentQuery) -> _Built | None:
    where: list[str] = []
    values: list[int | str] = []
    for name, value in query.tags:
        number = _find_text(connection, f"{name}={value}")
        if number is None:
            return None
        if _is_rare(connection, "SELECT 1 FROM segment_tags WHERE tag_id = ?", [number]):
            where.append("s.id IN (SELECT segment_id FROM segment_tags WHERE tag_id = ?)")
        else:
            where.append(
                "EXISTS (SELECT 1 FROM segment_tags WHERE tag_id = ? AND segment_id = s.id)"
            )
        values.append(number)
    return where, values


def _build_user(connection: sqlite3.Connection, query: SegmentQuery) -> _Built | None:
    if not query.user:
        return [], []
    is_whole = ":" in query.user
    forms = (query.user,) if is_whole else (f"id:{query.user}", f"username:{query.user}")
    users = [number for form in forms if (number := _find_text(connection, form)) is not None]
    return ([f"s.user_id IN ({_marks(users)})"], [*users]) if users else None


def _is_rare(connection: sqlite3.Connection, counted: str, values: Sequence[int]) -> bool:
    (count,) = connection.execute(
        f"SELECT count(*) FROM ({counted} LIMIT {_RARE})",  # noqa: S608
        values,
    ).fetchone()
    return int(count) < _RARE


def _build_plain(query: SegmentQuery) -> _Built:
    where: list[str] = []
    values: list[int | str] = []
    for condition, value in (
        ("s.project_id = ?", query.project_id),
        ("s.duration_us >= ?", query.min_duration_us),
        ("s.duration_us <= ?", query.max_duration_us),
    ):
        if value is not None:
            where.append(condition)
            values.append(value)
    if query.status == "error":
        where.append("(s.is_error = 1 OR s.error_count > 0)")
    elif query.status == "ok":
        where.append("s.is_error = 0 AND s.error_count = 0")
    if query.only_roots:
        where.append("s.is_trace_root = 1")
    return where, values


def _find_text(connection: sqlite3.Connection, text: str) -> int | None:
    row = connection.execute("SELECT id FROM texts WHERE text = ?", (text,)).fetchone()
    return None if row is None else int(row[0])


def _match_texts(connection: sqlite3.Connection, needle: str) -> list[int]:
    rows = connection.execute(
        f"{_LIKE} LIMIT ?",
        (f"%{needle.translate(_ESCAPED)}%", _TEXTS_MATCHED_MAX + 1),
    )
    return [row[0] for row in rows]


def _marks(values: Sequence[int]) -> str:
    return ", ".join("?" * len(values))


def _beyond(part: Part, after: Place) -> str:
    """Return the condition for rows that come after a place whose value they share."""
    if part.name.number == after.part:
        return "s.id < ?"
    return "1" if part.name.number < after.part else "0"


def _read_row(row: Sequence[object], part: Part, sort: SegmentSort) -> Found:
    (row_id, trace_id, span_id, project_id, service, environment, release, name, op, user) = row[
        :10
    ]
    is_error, started_us, duration_us, span_count, error_count, has_root, is_trace_root = row[10:]
    summary = SegmentSummary(
        trace_id=_hex(trace_id),
        span_id=_hex(span_id),
        project_id=_int(project_id),
        service=str(service),
        environment=str(environment),
        release=str(release),
        name=str(name),
        op=str(op),
        is_error=bool(is_error),
        started_us=_int(started_us),
        duration_us=_int(duration_us),
        user=str(user),
        span_count=_int(span_count),
        error_count=_int(error_count),
        has_root=bool(has_root),
        is_trace_root=bool(is_trace_root),
    )
    value = summary.started_us if sort is SegmentSort.NEWEST else summary.duration_us
    return Found(Place(value, part.name.number, _int(row_id)), summary)


def _hex(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else ""


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
