"""Writes what is wrong in requests."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from resumatch_monitor.storage.sql.tables.performance import PERFORMANCE_FINDINGS
from resumatch_monitor.tracing.performance.model import Facts, Found

_PER_ENDPOINT = 100


def write_finding(
    connection: Connection, facts: Facts, found: Found, endpoint_id: int, at: datetime
) -> int | None:
    """Count a finding; return its id, None if its endpoint has too many others."""
    table = PERFORMANCE_FINDINGS
    known = connection.execute(
        select(table).where(
            table.c.endpoint_id == endpoint_id,
            table.c.kind == found.kind.value,
            table.c.digest == found.digest,
        )
    ).one_or_none()
    if known is not None:
        connection.execute(
            table.update()
            .where(table.c.id == known.id)
            .values(
                requests=table.c.requests + facts.weight,
                total_us=table.c.total_us + found.duration_us * facts.weight,
                most_repeats=max(known.most_repeats, found.repeats),
                longest_us=max(known.longest_us, found.duration_us),
                first_seen_at=min(known.first_seen_at, at),
                last_seen_at=max(known.last_seen_at, at),
            )
        )
        return known.id
    others = connection.scalar(
        select(func.count()).select_from(table).where(table.c.endpoint_id == endpoint_id)
    )
    if (others or 0) >= _PER_ENDPOINT:
        return None
    return connection.execute(
        table.insert()
        .values(
            project_id=facts.project_id,
            endpoint_id=endpoint_id,
            kind=found.kind.value,
            digest=found.digest,
            title=found.title,
            requests=facts.weight,
            most_repeats=found.repeats,
            longest_us=found.duration_us,
            total_us=found.duration_us * facts.weight,
            first_seen_at=at,
            last_seen_at=at,
            is_told=False,
        )
        .returning(table.c.id)
    ).scalar_one()
