"""What a failure or a good run makes of a job, and the incidents that come of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, Row, insert, update

from resumatch_monitor.crons.model import FailureKind, JobConfig, JobStatus
from resumatch_monitor.crons.relay import make_labels
from resumatch_monitor.storage.sql.crons_rows import decode_config, to_standing
from resumatch_monitor.storage.sql.tables.release_health import CRON_ENVIRONMENTS, CRON_INCIDENTS


@dataclass(frozen=True, slots=True)
class JobFacts:
    """What a failure is judged by."""

    project_id: int
    slug: str
    config: JobConfig | None
    is_muted: bool
    is_paused: bool


def facts_of(row: Row[Any]) -> JobFacts:
    """Return the facts of a job from its row, or one that holds its columns."""
    return JobFacts(
        row.project_id, row.slug, decode_config(row.config), row.is_muted, row.is_paused
    )


class IncidentBook:
    """Opens and ends incidents, in the transaction of whoever calls it."""

    def __init__(self, *, severity: str, slug_of: Callable[[int], str]) -> None:
        self._severity = severity
        self._slug_of = slug_of

    def fail(
        self,
        connection: Connection,
        job: JobFacts,
        environment: Row[Any],
        *,
        kind: FailureKind,
        cause: str,
        at: datetime,
    ) -> bool:
        """Count a failure; tell whether an incident began.

        Args:
            connection: The caller's transaction.
            job: Whose failure it is.
            environment: Its row, as it is now.
            kind: What went wrong.
            cause: The same for people.
            at: When.
        """
        standing = to_standing(environment).fail()
        incident_id = environment.incident_id
        begins = (
            incident_id is None
            and not (job.is_muted or job.is_paused)
            and standing.is_too_much(job.config)
        )
        if begins:
            incident_id = self._open(connection, job, environment.name, kind, cause, at)
        connection.execute(
            update(CRON_ENVIRONMENTS)
            .where(CRON_ENVIRONMENTS.c.id == environment.id)
            .values(
                status=standing.status.value,
                failures=standing.failures,
                successes=standing.successes,
                incident_id=incident_id,
            )
        )
        return begins

    def succeed(
        self, connection: Connection, job: JobFacts, environment: Row[Any], at: datetime
    ) -> bool:
        """Count a good run; tell whether an incident ended."""
        standing = to_standing(environment).succeed(job.config)
        incident_id = environment.incident_id
        ends = standing.status is JobStatus.OK and incident_id is not None
        if ends and incident_id is not None:
            end_incident(connection, incident_id, at)
        connection.execute(
            update(CRON_ENVIRONMENTS)
            .where(CRON_ENVIRONMENTS.c.id == environment.id)
            .values(
                status=standing.status.value,
                failures=standing.failures,
                successes=standing.successes,
                incident_id=None if ends else incident_id,
            )
        )
        return ends

    def _open(
        self,
        connection: Connection,
        job: JobFacts,
        environment: str,
        kind: FailureKind,
        cause: str,
        at: datetime,
    ) -> int:
        labels = make_labels(
            kind,
            slug=job.slug,
            environment=environment,
            project=self._slug_of(job.project_id),
            severity=self._severity,
        )
        return connection.execute(
            insert(CRON_INCIDENTS)
            .values(
                kind=kind.value,
                labels=labels,
                cause=cause,
                path=f"/crons/{job.project_id}/{quote(job.slug)}",
                started_at=at,
                is_told=False,
                is_end_told=False,
            )
            .returning(CRON_INCIDENTS.c.id)
        ).scalar_one()


def end_incident(connection: Connection, incident_id: int, at: datetime) -> None:
    """Say that an incident is over, unless it is."""
    connection.execute(
        update(CRON_INCIDENTS)
        .where(CRON_INCIDENTS.c.id == incident_id, CRON_INCIDENTS.c.ended_at.is_(None))
        .values(ended_at=at)
    )
