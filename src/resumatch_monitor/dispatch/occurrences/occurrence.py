"""An occurrence: one stretch of time in which an alert holds, and how reports extend or end it."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import Alert, AlertStatus

_TICK = timedelta(milliseconds=1)
_CLOCK_SLACK = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class OccurrenceId:
    """Names an occurrence: the alert, and since when."""

    fingerprint: str
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An alert from its first report to its end.

    Attributes:
        alert: With the latest annotations and value.
        received_at: When, by the wall clock, it was first reported.
        source_starts_at: Since when it holds in the words of its source's latest report.
        closed_until: A person ended it; reports of the same stretch are not heard until then, by
            the wall clock.
    """

    alert: Alert
    received_at: datetime
    source_starts_at: datetime
    closed_until: datetime | None = None

    @property
    def id(self) -> OccurrenceId:
        """Its name."""
        return OccurrenceId(self.alert.fingerprint, self.alert.starts_at)

    @property
    def is_firing(self) -> bool:
        """Whether the condition holds; an event has merely happened."""
        return self.alert.status is AlertStatus.FIRING and not self.alert.is_event


def follow(latest: Occurrence | None, alert: Alert, *, received_at: datetime) -> Occurrence | None:
    """Return what a report makes of the latest occurrence of its alert; None if nothing.

    The result has the same id as `latest` if the report extends or ends it, and another one if it
    begins an occurrence. An event begins one whenever its start is another.
    """
    if alert.is_event:
        return _follow_event(latest, alert, received_at)
    if alert.status is AlertStatus.FIRING:
        return _follow_firing(latest, alert, received_at)
    return _follow_resolved(latest, alert, received_at)


def _follow_event(
    latest: Occurrence | None, alert: Alert, received_at: datetime
) -> Occurrence | None:
    if latest is not None and latest.alert.starts_at == alert.starts_at:
        return None
    return Occurrence(alert, received_at, alert.starts_at)


def _follow_firing(
    latest: Occurrence | None, alert: Alert, received_at: datetime
) -> Occurrence | None:
    if latest is None:
        return Occurrence(alert, received_at, alert.starts_at)
    if latest.is_firing:
        return replace(
            latest,
            alert=replace(alert, starts_at=latest.alert.starts_at),
            source_starts_at=alert.starts_at,
        )
    starts_at = alert.starts_at
    if latest.closed_until is not None and starts_at <= (latest.alert.ends_at or starts_at):
        if _is_closed(latest, received_at):
            return None
        # It goes on and on, whatever the person thought.
        starts_at = max(latest.alert.ends_at or starts_at, latest.alert.starts_at + _TICK)
    elif starts_at <= latest.alert.starts_at:
        # The source says that it never ended, after saying that it had. Whoever is right, it
        # fires: better a second occurrence that begins where the first one ended than silence.
        starts_at = max(latest.alert.ends_at or starts_at, latest.alert.starts_at + _TICK)
    return Occurrence(replace(alert, starts_at=starts_at), received_at, alert.starts_at)


def _follow_resolved(
    latest: Occurrence | None, alert: Alert, received_at: datetime
) -> Occurrence | None:
    assert alert.ends_at is not None
    if latest is None:
        ends_at = max(alert.ends_at, alert.starts_at)
        return Occurrence(replace(alert, ends_at=ends_at), received_at, alert.starts_at)
    if not latest.is_firing:
        return None
    began = latest.source_starts_at
    if alert.starts_at < began and alert.ends_at <= began:
        return None  # The late echo of an occurrence before this one.
    starts_at = latest.alert.starts_at
    return replace(
        latest,
        alert=replace(alert, starts_at=starts_at, ends_at=max(alert.ends_at, starts_at)),
        source_starts_at=alert.starts_at,
    )


def _is_closed(latest: Occurrence, now: datetime) -> bool:
    ends_at, until = latest.alert.ends_at, latest.closed_until
    # With a clock that was set back nobody knows; then it is better heard than not.
    return ends_at is not None and until is not None and ends_at - _CLOCK_SLACK <= now < until
