"""What happened to an occurrence in order: it fired, who was told, what people did, it ended."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.handling_actions import JournalEntry, Via
from resumatch_monitor.dispatch.reading import DeliveryRecord

_AFTERMATH = timedelta(hours=1)
"""After its end, for how long what is said of an alert is about that end."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened.

    Attributes:
        action: `fired`, `happened`, `notified`, `ended`, or what people did: `acknowledged`, …
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


def build_timeline(
    alert: Alert, journal: Iterable[JournalEntry], sent: Iterable[DeliveryRecord]
) -> list[Step]:
    """Return the steps of the occurrence that `alert` is, oldest first.

    `sent` may hold what was sent about other occurrences: what is older than this one is left out,
    and so is what is much younger than its end.
    """
    until = None if alert.ends_at is None else alert.ends_at + _AFTERMATH
    steps = [
        *_frame(alert),
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
