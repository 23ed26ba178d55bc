"""Performance in SQL: counting segments, telling findings, forgetting."""

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select, tuple_, update

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.errortracking.store import FINDING_RULE, AlertKind, OpenAlert
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues_alerts import open_alert
from resumatch_monitor.storage.sql.performance_known import Known
from resumatch_monitor.storage.sql.performance_rows import join_findings, read_finding
from resumatch_monitor.storage.sql.performance_write import FactsWriter
from resumatch_monitor.storage.sql.tables.performance import (
    PERFORMANCE_CALLS,
    PERFORMANCE_ENDPOINTS,
    PERFORMANCE_EXAMPLES,
    PERFORMANCE_FIGURES,
    PERFORMANCE_FINDINGS,
    PERFORMANCE_STATEMENTS,
)
from resumatch_monitor.tracing.performance.config import PerformanceConfig
from resumatch_monitor.tracing.performance.model import Facts
from resumatch_monitor.tracing.performance.store import (
    CALLS_FINE_SECONDS,
    COARSE_SECONDS,
    FINE_SECONDS,
    Finding,
)

_FORGOTTEN_AT_ONCE = 5_000
_OWNERS_AT_ONCE = 50


class SqlPerformanceStore:
    """A `PerformanceStore`."""

    def __init__(
        self,
        database: Database,
        config: PerformanceConfig,
        *,
        slug_of: Callable[[int], str] = str,
    ) -> None:
        """Build it; `slug_of` knows the slugs of projects, after which issues are called."""
        self._database = database
        self._config = config
        self._slug_of = slug_of
        self._known = Known()

    async def add(self, facts: Sequence[Facts]) -> Sequence[Facts]:
        """See `PerformanceStore`."""
        try:
            return await self._database.write(
                lambda connection: FactsWriter(
                    connection, self._config, self._known, self._slug_of
                ).write(facts)
            )
        except Exception:
            # What it found out, and possibly made, was rolled back.
            self._known.forget()
            raise

    async def untold_findings(self, limit: int) -> Sequence[Finding]:
        """See `PerformanceStore`."""
        query = (
            join_findings()
            .where(PERFORMANCE_FINDINGS.c.is_told.is_(False))
            .order_by(PERFORMANCE_FINDINGS.c.id)
            .limit(limit)
        )
        return await self._database.read(
            lambda connection: [read_finding(row) for row in connection.execute(query)]
        )

    async def mark_told(self, findings: Sequence[Finding], alerts: Sequence[Alert]) -> None:
        """See `PerformanceStore`."""
        ids = [each.id for each in findings]

        def write(connection: Connection) -> None:
            connection.execute(
                update(PERFORMANCE_FINDINGS)
                .where(PERFORMANCE_FINDINGS.c.id.in_(ids))
                .values(is_told=True)
            )
            for finding, alert in zip(findings, alerts, strict=bool(alerts)):
                if finding.issue is not None:
                    open_alert(
                        connection,
                        OpenAlert(
                            rule=FINDING_RULE,
                            project_id=finding.project_id,
                            issue_id=finding.issue.id,
                            kind=AlertKind.NEW,
                            started_at=alert.starts_at,
                            ended_at=None,
                            labels=dict(alert.labels),
                            annotations=dict(alert.annotations),
                        ),
                    )

        await self._database.write(write)

    async def expire(self, now: datetime) -> int:
        """See `PerformanceStore`."""
        fine, coarse = now - self._config.fine_retention, now - self._config.retention

        def work(connection: Connection) -> int:
            count = _expire(connection, fine, coarse)
            if count:
                # On the writer's thread, as everything that knows numbers of rows.
                self._known.forget()
            return count

        return await self._database.write(work)


def _expire(connection: Connection, fine: datetime, coarse: datetime) -> int:
    """Drop some of what is too old; those of whom no row is left go last."""
    count = 0
    for table, fine_step in (
        (PERFORMANCE_FIGURES, FINE_SECONDS),
        (PERFORMANCE_CALLS, CALLS_FINE_SECONDS),
    ):
        key = tuple_(*table.primary_key.columns)
        for step, before in ((fine_step, fine), (COARSE_SECONDS, coarse)):
            old = (
                select(*table.primary_key.columns)
                .where(table.c.step == step, table.c.at < before)
                .limit(_FORGOTTEN_AT_ONCE)
            )
            count += connection.execute(delete(table).where(key.in_(old))).rowcount
    count += connection.execute(
        delete(PERFORMANCE_FINDINGS).where(PERFORMANCE_FINDINGS.c.last_seen_at < coarse)
    ).rowcount
    count += connection.execute(
        delete(PERFORMANCE_EXAMPLES).where(PERFORMANCE_EXAMPLES.c.hour < coarse)
    ).rowcount
    return count + _expire_owners(connection, coarse)


def _expire_owners(connection: Connection, before: datetime) -> int:
    count = 0
    statements = select(PERFORMANCE_STATEMENTS.c.id).where(
        PERFORMANCE_STATEMENTS.c.seen_at < before,
        ~select(PERFORMANCE_CALLS.c.at)
        .where(
            PERFORMANCE_CALLS.c.step == COARSE_SECONDS,
            PERFORMANCE_CALLS.c.statement_id == PERFORMANCE_STATEMENTS.c.id,
        )
        .exists(),
    )
    endpoints = select(PERFORMANCE_ENDPOINTS.c.id).where(
        PERFORMANCE_ENDPOINTS.c.seen_at < before,
        ~select(PERFORMANCE_FIGURES.c.at)
        .where(
            PERFORMANCE_FIGURES.c.step == COARSE_SECONDS,
            PERFORMANCE_FIGURES.c.endpoint_id == PERFORMANCE_ENDPOINTS.c.id,
        )
        .exists(),
        ~select(PERFORMANCE_CALLS.c.at)
        .where(PERFORMANCE_CALLS.c.endpoint_id == PERFORMANCE_ENDPOINTS.c.id)
        .exists(),
        ~select(PERFORMANCE_FINDINGS.c.id)
        .where(PERFORMANCE_FINDINGS.c.endpoint_id == PERFORMANCE_ENDPOINTS.c.id)
        .exists(),
    )
    for table, query in ((PERFORMANCE_STATEMENTS, statements), (PERFORMANCE_ENDPOINTS, endpoints)):
        ids = list(connection.scalars(query.limit(_OWNERS_AT_ONCE)))
        if ids:
            count += connection.execute(delete(table).where(table.c.id.in_(ids))).rowcount
    return count
