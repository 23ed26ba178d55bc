"""What happened to an occurrence in order: it fired, who was told, what people did, it ended."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.handling.actions import JournalEntry, Via
from resumatch_monitor.dispatch.matchers import match_all
from resumatch_monitor.dispatch.muting.silence import Silence
from resumatch_monitor.dispatch.reading import DeliveryRecord
from resumatch_monitor.metrics.labels import Labels

_AFTERMATH = timedelta(hours=1)
"""After its end, for how long what is said of an alert is about that end."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened.

    Attributes:
        action: `fired`, `happened`, `notified`, `ended`, `silenced`, `unsilenced`, or what people
            did: `acknowledged`, …
        actor: Who did it, or who was told.
        via: Which way.
        notification_id: Of a notification, which one.
        status: Of a notification, what became of it.
    """

    at: datetime
    action: str
    actor: str = ""
    via: str = ""
    text: str = ""
    notification_id: str = ""
    status: str = ""


class SilenceHistory(Protocol):
    """Knows the silences of the past."""

    async def list_between(
        self, start: datetime, end: datetime, *, labels: Labels | None = None, limit: int
    ) -> Sequence[Silence]:
        """Return the silences that held at some time from `start` to `end`, the latest first.

        With `labels`, those that match them.
        """
        ...


def build_timeline(
    alert: Alert,
    *,
    journal: Iterable[JournalEntry],
    sent: Iterable[DeliveryRecord],
    silences: Iterable[Silence],
    now: datetime,
) -> list[Step]:
    """Return the steps of the occurrence that `alert` is, oldest first.

    `sent` may hold what was sent about other occurrences: what is older than this one is left out,
    and so is what is much younger than its end. `silences` may hold such as match other alerts.
    """
    until = None if alert.ends_at is None else alert.ends_at + _AFTERMATH
    steps = [
        *_frame(alert),
        *(step for each in silences for step in _silence(alert, each, now)),
        *(Step(each.at, each.action, each.actor, each.via.value, each.text) for each in journal),
        *(
            _tell(each)
            for each in sent
            if each.created_at >= alert.starts_at and (until is None or each.created_at <= until)
        ),
    ]
    return sorted(steps, key=lambda step: step.at)


def _frame(alert: Alert) -> Iterator[Step]:
    begin = "happened" if alert.is_event else "fired"
    yield Step(alert.starts_at, begin, via=Via.MONITOR.value)
    if alert.ends_at is not None:
        yield Step(alert.ends_at, "ended", via=Via.MONITOR.value)


def _silence(alert: Alert, silence: Silence, now: datetime) -> Iterator[Step]:
    """Yield when a silence began and ceased to hold the occurrence back."""
    ends_at = alert.starts_at if alert.is_event else alert.ends_at or now
    begins_at = max(silence.starts_at, alert.starts_at)
    is_held = begins_at <= min(ends_at, now) and begins_at < silence.ends_at
    if not is_held or not match_all(silence.matchers, alert.labels):
        return
    text = f"until {silence.ends_at:%Y-%m-%d %H:%M} UTC"
    if silence.comment:
        text = f"{text}: {silence.comment}"
    yield Step(begins_at, "silenced", actor=silence.created_by, text=text)
    if silence.ends_at <= ends_at:
        yield Step(silence.ends_at, "unsilenced", actor=silence.ended_by)


def _tell(record: DeliveryRecord) -> Step:
    return Step(
        record.sent_at or record.created_at,
        "notified",
        actor=record.receiver,
        via=record.integration,
        text=record.last_error or record.title,
        notification_id=str(record.id),
        status=record.status.value,
    )
