"""How often issues were met in the last hours and days.

A page has more than a thousand of these numbers. They come as one row: for each row that it steps
to, the driver gives the interpreter up, and while events are digested it waits to get it back.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import orjson
from sqlalchemy import Connection, text

from resumatch_monitor.kit.clock import to_milliseconds

_HOURS = 24
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS

_COUNTS = text(
    "SELECT json_group_array(issue_id) AS issues,"
    " json_group_array((hour - :first) / :step) AS slots,"
    " json_group_array(event_count) AS counts FROM issue_hours"
    " WHERE issue_id IN (SELECT value FROM json_each(:issues)) AND hour >= :first"
)


def read_sparklines(
    connection: Connection, issue_ids: Sequence[int], now: datetime
) -> dict[int, tuple[int, ...]]:
    """Return the events of each of the last 24 hours, the running one last."""
    return read_hourly(connection, issue_ids, now, _HOURS)


def read_hourly(
    connection: Connection, issue_ids: Sequence[int], now: datetime, hours: int
) -> dict[int, tuple[int, ...]]:
    """Return the events of each of the last hours, the running one last."""
    current = to_milliseconds(now.replace(minute=0, second=0, microsecond=0))
    return _read_lines(connection, issue_ids, current - (hours - 1) * _HOUR_MS, _HOUR_MS, hours)


def read_daily_sparklines(
    connection: Connection, issue_ids: Sequence[int], now: datetime, days: int
) -> dict[int, tuple[int, ...]]:
    """Return the events of each of the last days, today in UTC last."""
    first = now.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    return _read_lines(connection, issue_ids, to_milliseconds(first), _DAY_MS, days)


def _read_lines(
    connection: Connection, issue_ids: Sequence[int], first: int, step: int, length: int
) -> dict[int, tuple[int, ...]]:
    lines = {issue_id: [0] * length for issue_id in issue_ids}
    wanted = {"issues": orjson.dumps(list(issue_ids)).decode(), "first": first, "step": step}
    row = connection.execute(_COUNTS, wanted).one()
    # Three lists of numbers: a thousand small lists would set the garbage collector to work.
    columns: list[list[int]] = [orjson.loads(each) for each in (row.issues, row.slots, row.counts)]
    for issue_id, slot, count in zip(*columns, strict=True):
        if slot < length:
            lines[issue_id][slot] += count
    return {issue_id: tuple(line) for issue_id, line in lines.items()}
