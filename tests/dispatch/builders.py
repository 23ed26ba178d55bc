"""Builders of alerts and what handles them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.grouping.group import Group
from resumatch_monitor.dispatch.handling.handling import Handling, HandlingSource
from resumatch_monitor.dispatch.muting.intervals import build_intervals
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind, Muter, Muters
from resumatch_monitor.dispatch.muting.times import IntervalClock, QuietHours, RouteTimes
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.occurrences.flapping import Flapping
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, OccurrenceId
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.dispatch.routing.route import GroupId, Timing
from resumatch_monitor.dispatch.store import DispatchStore
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import NO_LABELS, Labels
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import Attempt, Integration, IntegrationId, Receipt
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def make_alert(
    name: str = "DatabaseConnectionFailed",
    *,
    severity: str = "critical",
    starts_at: datetime = START,
    ends_at: datetime | None = None,
    is_event: bool = False,
    value: float | None = None,
    annotations: dict[str, str] | None = None,
    **labels: str,
) -> Alert:
    return Alert(
        labels=Labels.of({"alertname": name, "severity": severity, **labels}),
        annotations={"summary": "Database connection failed"}
        if annotations is None
        else annotations,
        starts_at=starts_at,
        ends_at=ends_at,
        source=AlertSource.ISSUE if is_event else AlertSource.RULE,
        generator_path="/explore?expr=up",
        is_event=is_event,
        value=value,
    )


def resolve(alert: Alert, at: datetime) -> Alert:
    return replace(alert, ends_at=at)


def make_occurrence(alert: Alert, received_at: datetime = START) -> Occurrence:
    return Occurrence(alert, received_at, alert.starts_at)


def make_group(
    *, wait: float = 0, interval: float = 60, repeat: float = 3600, key: str = "{}:{}"
) -> Group:
    timing = Timing(timedelta(seconds=wait), timedelta(seconds=interval), timedelta(seconds=repeat))
    return Group(GroupId("default", key), labels=Labels(), timing=timing)


class Recorder:
    """A notifier that remembers; it fails as often as `failures` says."""

    def __init__(self, failures: Sequence[Exception | None] = ()) -> None:
        self.destination = "somewhere/…"
        self.sent: list[Notification] = []
        self.keys: list[str] = []
        self.attempts: list[Attempt] = []
        self.failures: list[Any] = list(failures)
        self.heard = asyncio.Event()

    async def notify(self, notification: Notification, attempt: Attempt) -> Receipt:
        self.attempts.append(attempt)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.sent.append(notification)
        self.keys.append(attempt.key)
        self.heard.set()
        return Receipt("ok")


def make_integration(
    recorder: Recorder | None = None,
    *,
    receiver: str = "default",
    kind: str = "webhook",
    index: int = 0,
    send_resolved: bool = True,
) -> Integration:
    return Integration(
        IntegrationId(receiver, kind, index),
        recorder or Recorder(),
        send_resolved=send_resolved,
        keeps_incidents=kind == "pagerduty",
    )


def make_dispatcher(
    database: Database,
    clock: FakeClock,
    ids: Ids,
    *,
    config: dict[str, Any] | None = None,
    integrations: Sequence[Integration] | None = None,
    store: DispatchStore | None = None,
    on_outbox_change: Callable[[], None] = lambda: None,
    external_labels: Labels = NO_LABELS,
    muter: Muter | None = None,
    handlings: HandlingSource | None = None,
    telemetry: Telemetry | None = None,
    firing: FiringAlerts | None = None,
) -> Dispatcher:
    alerting = AlertingConfig.model_validate(config or {})
    return Dispatcher(
        store=store or SqlAlerts(database),
        route=build_route(alerting),
        integrations=[make_integration()] if integrations is None else integrations,
        on_outbox_change=on_outbox_change,
        clock=clock,
        ids=ids,
        telemetry=telemetry or Telemetry(),
        external_labels=external_labels,
        firing=firing,
        muter=Muters((*([muter] if muter else []), make_quiet_hours(alerting))),
        handlings=handlings,
        route_times=RouteTimes(IntervalClock(build_intervals(alerting.time_intervals))),
        max_messages_per_hour=alerting.max_messages_per_hour,
        flapping=Flapping(window=alerting.flapping.window, changes=alerting.flapping.changes),
    )


def make_quiet_hours(alerting: AlertingConfig) -> QuietHours:
    intervals = IntervalClock(build_intervals(alerting.time_intervals))
    return QuietHours(alerting.quiet_hours, intervals)


class Silencer:
    """Mutes what a test wants muted."""

    def __init__(self, kind: MuteKind = MuteKind.SILENCED) -> None:
        self.kind = kind
        self.names: set[str] = set()

    def find(self, alert: Alert, now: datetime) -> Mute | None:
        del now
        if alert.name in self.names or alert.labels.value("instance") in self.names:
            return Mute(self.kind, "s1", "silenced by ada: planned")
        return None


class Handled:
    """What people made of alerts, in memory."""

    def __init__(self) -> None:
        self.by_id: dict[OccurrenceId, Handling] = {}

    def find(self, occurrence_id: OccurrenceId) -> Handling | None:
        return self.by_id.get(occurrence_id)

    def change(self, alert: Alert, **changes: Any) -> None:
        occurrence_id = OccurrenceId(alert.fingerprint, alert.starts_at)
        handling = self.by_id.get(occurrence_id, Handling(occurrence_id))
        self.by_id[occurrence_id] = replace(handling, **changes)
