"""Issues by how much more they are met than a day before."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, text

from resumatch_monitor.kit.clock import to_milliseconds

RANKED_MAX = 1_000
"""So many of the latest issues are ranked."""
_HOUR = timedelta(hours=1)

_RANKED = (
    "SELECT issue.value AS id, coalesce((SELECT"
    " sum(CASE WHEN hour >= :recent THEN event_count ELSE -event_count END) FROM issue_hours"
    " WHERE issue_id = issue.value AND hour >= :before), 0) AS rank"
    " FROM json_each(:issues) AS issue"
)
_FIRST = text(f"{_RANKED} ORDER BY rank DESC, id DESC LIMIT :most")
_NEXT = text(
    f"SELECT id, rank FROM ({_RANKED}) WHERE (rank, id) < (:rank, :id)"  # noqa: S608
    " ORDER BY rank DESC, id DESC LIMIT :most"
)


def rank_by_trend(
    connection: Connection,
    issue_ids: Sequence[int],
    now: datetime,
    *,
    after: tuple[int, int] | None,
    most: int,
) -> Sequence[Any]:
    """Return `id` and `rank`: how many events more the last 24 hours had than those before.

    Args:
        connection: Where they are.
        issue_ids: At most `RANKED_MAX`.
        now: The end of the 24 hours.
        after: The rank and id of the last one on the page before.
        most: How many there are on this one.
    """
    current = now.replace(minute=0, second=0, microsecond=0)
    values: dict[str, Any] = {
        "issues": orjson.dumps(list(issue_ids)).decode(),
        "recent": to_milliseconds(current - 23 * _HOUR),
        "before": to_milliseconds(current - 47 * _HOUR),
        "most": most,
    }
    if after is None:
        return connection.execute(_FIRST, values).all()
    return connection.execute(_NEXT, {**values, "rank": after[0], "id": after[1]}).all()
