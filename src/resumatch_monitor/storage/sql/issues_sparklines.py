"""How often issues were met in the last hours and days, for lists."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Connection, bindparam, select, type_coerce

from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.storage.sql.tables.errors import ISSUE_HOURS

_HOURS = 24
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS

# Numbers as they are stored: a page has more than a thousand of these rows.
_HOUR = type_coerce(ISSUE_HOURS.c.hour, BigInteger)
_SELECT_HOURS = select(ISSUE_HOURS.c.issue_id, _HOUR, ISSUE_HOURS.c.event_count).where(
    ISSUE_HOURS.c.issue_id.in_(bindparam("ids", expanding=True)), bindparam("first") <= _HOUR
)


def read_sparklines(
    connection: Connection, issue_ids: Sequence[int], now: datetime
) -> dict[int, tuple[int, ...]]:
    """Return the events of each of the last 24 hours, the running one last."""
    current = to_milliseconds(now.replace(minute=0, second=0, microsecond=0))
    first = current - (_HOURS - 1) * _HOUR_MS
    return _read_lines(connection, issue_ids, first, _HOUR_MS, _HOURS)


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
    rows = connection.execute(_SELECT_HOURS, {"ids": list(issue_ids), "first": first})
    for issue_id, hour, count in rows.all():
        index = (hour - first) // step
        if index < length:
            lines[issue_id][index] += count
    return {issue_id: tuple(line) for issue_id, line in lines.items()}
