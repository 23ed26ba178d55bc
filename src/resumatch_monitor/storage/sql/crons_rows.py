"""Jobs, environments and runs as rows, and back."""

from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from resumatch_monitor.crons.model import (
    Environment,
    FailureKind,
    Incident,
    JobConfig,
    JobStatus,
    Run,
    RunStatus,
)
from resumatch_monitor.crons.schedule import Schedule
from resumatch_monitor.crons.standing import Standing


def encode_config(config: JobConfig) -> dict[str, Any]:
    """Return a job's configuration as JSON."""
    schedule = config.schedule
    return {
        "crontab": schedule.crontab,
        "count": schedule.count,
        "unit": schedule.unit,
        "zone": schedule.zone,
        "margin_seconds": config.margin.total_seconds(),
        "max_runtime_seconds": config.max_runtime.total_seconds(),
        "failure_threshold": config.failure_threshold,
        "recovery_threshold": config.recovery_threshold,
    }


def decode_config(value: dict[str, Any] | None) -> JobConfig | None:
    """Return what `encode_config` wrote; None if nothing was."""
    if value is None:
        return None
    return JobConfig(
        schedule=Schedule(value["crontab"], value["count"], value["unit"], value["zone"]),
        margin=timedelta(seconds=value["margin_seconds"]),
        max_runtime=timedelta(seconds=value["max_runtime_seconds"]),
        failure_threshold=value["failure_threshold"],
        recovery_threshold=value["recovery_threshold"],
    )


def to_standing(row: Row[Any]) -> Standing:
    """Return how a job is from its row of `cron_environments`."""
    return Standing(JobStatus(row.status), row.failures, row.successes, row.next_at)


def to_environment(row: Row[Any]) -> Environment:
    """Return an environment from its row, joined with the incident that is open."""
    return Environment(
        name=row.name,
        status=JobStatus(row.status),
        next_at=row.next_at,
        last_at=row.last_at,
        last_status=None if row.last_status is None else RunStatus(row.last_status),
        failures=row.failures,
        failing_since=row.failing_since,
        failing_kind=None if row.failing_kind is None else FailureKind(row.failing_kind),
    )


def to_run(row: Row[Any]) -> Run:
    """Return a run from its row and its environment's name."""
    duration_ms = row.duration_ms
    return Run(
        id=row.id,
        environment=row.environment,
        check_in_id="" if row.check_in_id is None else row.check_in_id.hex(),
        status=RunStatus(row.status),
        started_at=row.started_at,
        finished_at=row.finished_at,
        duration=None if duration_ms is None else timedelta(milliseconds=duration_ms),
        expected_at=row.expected_at,
        is_late=row.is_late,
        was_over_time=row.was_over_time,
        release=row.release,
    )


def to_incident(row: Row[Any]) -> Incident:
    """Return an incident from its row."""
    return Incident(
        id=row.id,
        kind=FailureKind(row.kind),
        labels=row.labels,
        cause=row.cause,
        path=row.path,
        started_at=row.started_at,
        ended_at=row.ended_at,
        is_told=row.is_told,
    )
