"""The words that every channel uses: titles, values, times, where, and what to do first."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertStatus
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.notify.notification import Notification

_RUNBOOK_NAMES = ("runbook_url", "runbook", "action")
_LONGEST_SUBJECT = 150
MOST_DEPENDENTS = 10
"""Alerts that are dragged along and that a message names; the others are counted."""


@dataclass(frozen=True, slots=True)
class AlertText:
    """What a message says about one alert; empty where there is nothing to say.

    Attributes:
        state: `FIRING`, `RESOLVED`, or `NEW` for an event.
        where: The labels that tell this alert from its siblings.
        todo: What to do first, as text.
        runbook_url: Where it is written what to do.
        url: The alert's page.
        source_url: The page of what raised it.
    """

    name: str
    severity: str
    state: str
    summary: str
    description: str
    value: str
    since: str
    ended: str
    where: str
    todo: str
    runbook_url: str
    url: str
    source_url: str


class Links:
    """Turns paths of the monitor into addresses that work in a message."""

    def __init__(self, external_url: str) -> None:
        self.base = external_url.rstrip("/")

    def to(self, path: str) -> str:
        """Return the address of `path`; empty if nobody said where the monitor is reached.

        What is an address already, as the origin of a pushed alert is, stays what it is.
        """
        if path.startswith(("http://", "https://")):
            return path
        if not self.base or not path:
            return ""
        return f"{self.base}/{path.lstrip('/')}"

    def to_alert(self, alert: Alert) -> str:
        """Return the address of the alert's page."""
        return self.to(f"/alerts/{quote(alert.fingerprint)}")

    @property
    def to_alerts(self) -> str:
        """The address of the list of alerts."""
        return self.to("/alerts")


def render_subject(notification: Notification) -> str:
    """Render for example `[FIRING:1] DatabaseConnectionFailed (critical)`."""
    drill = "[DRILL] " if notification.is_drill else ""
    if notification.notice is not None:
        return clip(one_line(f"{drill}{notification.notice.title}"), _LONGEST_SUBJECT)
    severities = _distinct(alert.severity for alert in _leading(notification))
    title = render_title(notification)
    firing_count = notification.firing_count
    head = f"[FIRING:{firing_count}]" if firing_count else "[RESOLVED]"
    if notification.acknowledged_by:
        head = "[ACKNOWLEDGED]"
    # The gravest comes first in a notification, and says how fast to look.
    return clip(one_line(f"{drill}{head} {title} ({severities[0]})"), _LONGEST_SUBJECT)


def render_title(notification: Notification) -> str:
    """Render for example `DatabaseConnectionFailed and 2 more`."""
    if notification.notice is not None:
        return one_line(notification.notice.title)
    names = _distinct(alert.name for alert in _leading(notification))
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return one_line(f"{names[0]}{more}")


def render_counts(notification: Notification) -> str:
    """Render for example `1 firing, 2 resolved`."""
    parts = [
        f"{count} {word}"
        for count, word in (
            (notification.firing_count, "firing"),
            (notification.resolved_count, "resolved"),
        )
        if count
    ]
    text = ", ".join(parts)
    return f"{text} (a reminder: nothing changed)" if notification.is_repeat else text


def render_notes(notification: Notification) -> list[str]:
    """Render what there is to know before anything else, a line each: a drill, an escalation."""
    notes = [
        "DRILL: nothing is wrong; the way of an alert is being tried."
        if notification.is_drill
        else "",
        f"Escalated: {_after_colon(notification.escalation)}" if notification.escalation else "",
        notification.mute_note,
    ]
    return [one_line(note) for note in notes if note]


def describe_group(notification: Notification) -> str:
    """Return what the alerts of the group share, for example `alertname=Slow, job=api`."""
    return ", ".join(f"{name}={one_line(value)}" for name, value in notification.group_labels.pairs)


def describe_dependents(
    notification: Notification, *, most: int = MOST_DEPENDENTS
) -> tuple[str, ...]:
    """Name the alerts that are not told since these drag them along; the rest is counted."""
    lines = [
        f"{one_line(each.name)}{_where(each, notification)}"
        for each in notification.dependents[:most]
    ]
    hidden = len(notification.dependents) - len(lines)
    return (*lines, *([f"and {hidden} more"] if hidden else []))


def describe_alert(alert: Alert, notification: Notification, links: Links) -> AlertText:
    """Put what there is to say about `alert` into words."""
    annotations = alert.annotations
    runbook = next((annotations[name] for name in _RUNBOOK_NAMES if annotations.get(name)), "")
    is_url = is_web_url(runbook)
    return AlertText(
        name=one_line(alert.name),
        severity=one_line(alert.severity),
        state=_describe_state(alert),
        summary=annotations.get("summary", "").strip(),
        description=annotations.get("description", "").strip(),
        value="" if alert.value is None else format_value(alert.value),
        since=_describe_since(alert, notification.created_at),
        ended=_describe_end(alert),
        where=", ".join(
            f"{name}={one_line(value)}"
            for name, value in notification.labels_of(alert).pairs
            if name not in (ALERT_NAME, SEVERITY)
        ),
        todo="" if is_url else runbook.strip(),
        runbook_url=runbook.strip() if is_url else "",
        url=link_page(alert, notification, links),
        source_url="" if notification.is_drill else links.to(alert.generator_path),
    )


def link_page(alert: Alert, notification: Notification, links: Links) -> str:
    """Return the address of an alert's page; a drill's alert has none but the drill's."""
    return links.to(alert.generator_path) if notification.is_drill else links.to_alert(alert)


def format_value(value: float) -> str:
    """Render a number for people: four significant digits, or whole with separators."""
    if math.isnan(value) or math.isinf(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e15 else f"{value:.4g}"
    return f"{value:.4g}"


def format_moment(moment: datetime) -> str:
    """Render for example `2026-11-23 12:49:13 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def is_web_url(text: str) -> bool:
    """Tell whether `text` is an address that a message may link to."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and " " not in text.strip()


def one_line(text: str) -> str:
    """Put `text` on one line without control characters, as titles and headers need it."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def clip(text: str, longest: int) -> str:
    """Cut `text` to `longest` characters, showing that it was cut."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _where(alert: Alert, notification: Notification) -> str:
    labels = {
        name: value
        for name, value in notification.labels_of(alert).pairs
        if name not in (ALERT_NAME, SEVERITY) and name not in notification.external_labels
    }
    where = ", ".join(f"{name}={one_line(value)}" for name, value in labels.items())
    return f" ({where})" if where else ""


def _after_colon(text: str) -> str:
    """Return `text` without a leading `escalated:`, which the line begins with already."""
    head, colon, rest = text.partition(":")
    return rest.strip() if colon and head.strip().lower() == "escalated" else text.strip()


def _leading(notification: Notification) -> list[Alert]:
    """Return the alerts that the title is about: those that fire, or all if none does."""
    firing = [alert for alert in notification.alerts if alert.status is AlertStatus.FIRING]
    return firing or list(notification.alerts)


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(texts))


def _describe_state(alert: Alert) -> str:
    if alert.is_event:
        return "NEW"
    return alert.status.value.upper()


def _describe_since(alert: Alert, now: datetime) -> str:
    moment = format_moment(alert.starts_at)
    lasted = now - alert.starts_at
    if alert.is_event or alert.ends_at is not None or lasted < timedelta(seconds=1):
        return moment
    return f"{moment} ({_round_duration(lasted)})"


def _describe_end(alert: Alert) -> str:
    if alert.ends_at is None:
        return ""
    lasted = _round_duration(alert.ends_at - alert.starts_at)
    return f"{format_moment(alert.ends_at)} (after {lasted})"


def _round_duration(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    if seconds >= 3600:
        seconds -= seconds % 60
    return format_duration(timedelta(seconds=seconds))
