"""The queue of alerts about issues, and those of them that last, in the relational database."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    case,
    delete,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import OperationalError

from resumatch_monitor.errortracking.alerting.config import DEFAULT_QUIET
from resumatch_monitor.errortracking.alerting.watch import CountRule, IssueWatch
from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.store import (
    AlertKind,
    OpenAlert,
    PendingAlert,
    StoreUnavailableError,
)
from resumatch_monitor.storage.sql.database import Database, DatabaseFullError
from resumatch_monitor.storage.sql.issues_list import ISSUE_COLUMNS, read_issue
from resumatch_monitor.storage.sql.tables.base import Moment
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS, ISSUE_ALERTS, ISSUES
from resumatch_monitor.storage.sql.tables.workflow import (
    ISSUE_OPEN_ALERTS,
    ISSUE_RULE_COUNTS,
    ISSUE_RULE_USERS,
    ISSUE_STORMS,
)

T = TypeVar("T")

_OPEN_A_ROUND = 10_000
_ENDS_A_ROUND = 1_000
_STARTS = [kind.value for kind in AlertKind if not kind.is_counting]
_TOLD_AFTER = timedelta(minutes=10)
"""What has not been told for so long may have lost its issue meanwhile."""
_STORMS_MAX = 1_000


class SqlIssueAlerts:
    """Implements `AlertQueue` and `AlertEnds` of error tracking."""

    def __init__(self, database: Database, watch: IssueWatch) -> None:
        self._database = database
        self._watch = watch

    async def pending_alerts(self, limit: int) -> Sequence[PendingAlert]:
        """Return the oldest alerts that have not been handed over."""
        return await self._database.read(lambda connection: _read_pending(connection, limit))

    async def clear_alerts(
        self,
        ids: Sequence[int],
        *,
        opened: Sequence[OpenAlert] = (),
        storms: Mapping[tuple[int, str], Mapping[str, Any] | None] | None = None,
    ) -> None:
        """Forget alerts that were handed over."""

        def write(connection: Connection) -> None:
            connection.execute(delete(ISSUE_ALERTS).where(ISSUE_ALERTS.c.id.in_(ids)))
            for alert in opened:
                open_alert(connection, alert)
            for key, state in (storms or {}).items():
                _remember_storm(connection, key, state)

        await self._write(write)

    async def storms(self) -> Mapping[tuple[int, str], Mapping[str, Any]]:
        """Return what is remembered of storms."""

        def read(connection: Connection) -> dict[tuple[int, str], Mapping[str, Any]]:
            rows = connection.execute(select(ISSUE_STORMS).limit(_STORMS_MAX))
            return {(row.project_id, row.severity): row.state for row in rows}

        return await self._database.read(read)

    async def ended_alerts(self, limit: int) -> Sequence[OpenAlert]:
        """Return alerts that are over and of whose end nobody was told."""
        columns = ISSUE_OPEN_ALERTS.c
        query = (
            select(ISSUE_OPEN_ALERTS)
            .where(columns.ended_at.is_not(None), columns.end_told_at.is_(None))
            .limit(limit)
        )

        def read(connection: Connection) -> list[OpenAlert]:
            return [_read_open(row) for row in connection.execute(query)]

        return await self._database.read(read)

    async def clear_ended(self, alerts: Sequence[OpenAlert], at: datetime) -> None:
        """Note that people were told that they are over."""

        def write(connection: Connection) -> None:
            for alert in alerts:
                # What has begun anew since it was read is not over.
                is_same = ISSUE_OPEN_ALERTS.c.ended_at == alert.ended_at
                connection.execute(
                    update(ISSUE_OPEN_ALERTS).where(*_are(alert), is_same).values(end_told_at=at)
                )

        await self._write(write)

    async def end_quiet(self, now: datetime, *, watched: timedelta) -> int:
        """End alerts for which there is no more reason; return how many."""

        def find(connection: Connection) -> list[OpenAlert]:
            rules = {rule.name: rule for rule in self._watch.counting}
            columns = ISSUE_OPEN_ALERTS.c
            rows = connection.execute(
                select(ISSUE_OPEN_ALERTS)
                .where(
                    columns.ended_at.is_(None),
                    columns.kind.not_in(_STARTS),
                    or_(columns.labels.is_not(None), columns.started_at < now - _TOLD_AFTER),
                )
                .order_by(columns.started_at)
                .limit(_OPEN_A_ROUND)
            )
            alerts = [_read_open(row) for row in rows]
            over = [each for each in alerts if _is_over(connection, each, rules, now)]
            return over + _find_quiet(connection, self._watch.quiet_times, now, watched)

        over = await self._database.read(find)
        if not over:
            return 0

        def write(connection: Connection) -> int:
            return sum(
                connection.execute(
                    update(ISSUE_OPEN_ALERTS)
                    .where(*_are(each), ISSUE_OPEN_ALERTS.c.ended_at.is_(None))
                    .values(ended_at=now)
                ).rowcount
                for each in over
            )

        return await self._write(write)

    async def prune(self, now: datetime) -> None:
        """Forget counts that no window reaches, and alerts whose pause is over."""
        rules = self._watch.counting

        def write(connection: Connection) -> None:
            names = [rule.name for rule in rules]
            for table, column in (
                (ISSUE_RULE_COUNTS, ISSUE_RULE_COUNTS.c.bucket),
                (ISSUE_RULE_USERS, ISSUE_RULE_USERS.c.seen_at),
            ):
                connection.execute(delete(table).where(table.c.rule.not_in(names)))
                for rule in rules:
                    oldest = now - rule.window - timedelta(milliseconds=rule.step)
                    connection.execute(
                        delete(table).where(
                            table.c.rule == rule.name, or_(column < oldest, column > now)
                        )
                    )
            columns = ISSUE_OPEN_ALERTS.c
            pauses = [
                (columns.rule == rule.name)
                & (columns.started_at > now - rule.cool_down)
                & (columns.started_at <= now)
                for rule in rules
                if rule.cool_down
            ]
            done = delete(ISSUE_OPEN_ALERTS).where(columns.end_told_at.is_not(None))
            connection.execute(done.where(~or_(*pauses)) if pauses else done)

        await self._write(write)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self._database.write(work)
        except (DatabaseFullError, OperationalError) as error:
            reason = error.orig if isinstance(error, OperationalError) else error
            raise StoreUnavailableError(str(reason)) from error


def _read_pending(connection: Connection, limit: int) -> list[PendingAlert]:
    rows = connection.execute(
        select(
            ISSUE_ALERTS.c.id.label("alert_id"),
            *(column for column in ISSUE_ALERTS.c if column.name not in ("id", "issue_id")),
            *ISSUE_COLUMNS,
        )
        .join(ISSUES, ISSUES.c.id == ISSUE_ALERTS.c.issue_id)
        .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ISSUES.c.project_id)
        .order_by(ISSUE_ALERTS.c.id)
        .limit(limit)
    )
    return [
        PendingAlert(
            id=row.alert_id,
            kind=AlertKind(row.kind),
            at=row.at,
            occurrence=row.occurrence,
            environment=row.environment,
            issue=read_issue(row),
            rule=row.rule or "",
            severity=row.severity or "",
            release=row.release,
            value=row.value,
            remark=row.remark or "",
            is_lasting=row.is_lasting,
        )
        for row in rows
    ]


def open_alert(connection: Connection, alert: OpenAlert) -> None:
    """Remember an alert whose end is to be told."""
    values = {"labels": dict(alert.labels), "annotations": dict(alert.annotations)}
    statement = upsert(ISSUE_OPEN_ALERTS).values(
        rule=alert.rule,
        project_id=alert.project_id,
        issue_id=alert.issue_id,
        kind=alert.kind.value,
        started_at=alert.started_at,
        **values,
    )
    if not alert.kind.is_counting:
        # One that was over begins anew; that of a rule that counts was opened with its count.
        values |= {"started_at": alert.started_at, "ended_at": None, "end_told_at": None}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["rule", "project_id", "issue_id"], set_=values
        )
    )


def _remember_storm(
    connection: Connection, key: tuple[int, str], state: Mapping[str, Any] | None
) -> None:
    columns = ISSUE_STORMS.c
    if state is None:
        connection.execute(
            delete(ISSUE_STORMS).where(columns.project_id == key[0], columns.severity == key[1])
        )
        return
    connection.execute(
        upsert(ISSUE_STORMS)
        .values(project_id=key[0], severity=key[1], state=dict(state))
        .on_conflict_do_update(
            index_elements=["project_id", "severity"], set_={"state": dict(state)}
        )
    )


def _is_over(
    connection: Connection, alert: OpenAlert, rules: Mapping[str, CountRule], now: datetime
) -> bool:
    if alert.issue_id:
        status = connection.scalar(select(ISSUES.c.status).where(ISSUES.c.id == alert.issue_id))
        if status != IssueStatus.UNRESOLVED:
            return True
    rule = rules.get(alert.rule)
    return rule is None or _count_now(connection, alert, rule, now) < rule.threshold


def _find_quiet(
    connection: Connection,
    quiet: Mapping[str, timedelta | None],
    now: datetime,
    watched: timedelta,
) -> list[OpenAlert]:
    """Return alerts about issues that began, and with which people are done or that are quiet."""
    columns, issues = ISSUE_OPEN_ALERTS.c, ISSUES.c
    # What a clock that ran ahead has written says nothing about when it was.
    seen = case((issues.last_seen_at <= now, issues.last_seen_at), else_=0)
    begun = case((columns.started_at <= now, columns.started_at), else_=0)
    last = func.max(type_coerce(seen, Moment), type_coerce(begun, Moment), type_=Moment)
    is_quiet = [
        (columns.rule == name) & (last <= now - pause)
        for name, pause in quiet.items()
        if pause is not None and pause <= watched
    ]
    if watched >= DEFAULT_QUIET:
        # A rule that is gone leaves alerts behind.
        is_quiet.append(columns.rule.not_in(list(quiet)) & (last <= now - DEFAULT_QUIET))
    rows = connection.execute(
        select(ISSUE_OPEN_ALERTS)
        .outerjoin(ISSUES, issues.id == columns.issue_id)
        .where(
            columns.ended_at.is_(None),
            columns.kind.in_(_STARTS),
            or_(
                issues.id.is_(None),
                issues.status != IssueStatus.UNRESOLVED.value,
                *is_quiet,
            ),
        )
        .order_by(columns.started_at)
        .limit(_ENDS_A_ROUND)
    )
    return [_read_open(row) for row in rows]


def _count_now(connection: Connection, alert: OpenAlert, rule: CountRule, now: datetime) -> int:
    counts, users = ISSUE_RULE_COUNTS.c, ISSUE_RULE_USERS.c
    oldest = now - rule.window
    if rule.kind is AlertKind.USERS:
        found = connection.scalar(
            select(func.count()).where(
                users.rule == rule.name,
                users.project_id == alert.project_id,
                users.issue_id == alert.issue_id,
                users.seen_at > oldest,
                users.seen_at <= now,
            )
        )
    else:
        found = connection.scalar(
            select(func.sum(counts.event_count)).where(
                counts.rule == rule.name,
                counts.project_id == alert.project_id,
                counts.issue_id == alert.issue_id,
                counts.bucket > oldest,
                counts.bucket <= now,
            )
        )
    return int(found or 0)


def _are(alert: OpenAlert) -> tuple[ColumnElement[bool], ...]:
    columns = ISSUE_OPEN_ALERTS.c
    return (
        columns.rule == alert.rule,
        columns.project_id == alert.project_id,
        columns.issue_id == alert.issue_id,
    )


def _read_open(row: Any) -> OpenAlert:
    return OpenAlert(
        rule=row.rule,
        project_id=row.project_id,
        issue_id=row.issue_id,
        kind=AlertKind(row.kind),
        started_at=row.started_at,
        ended_at=row.ended_at,
        labels=row.labels or {},
        annotations=row.annotations or {},
    )
