"""A notification as an event of PagerDuty's Events API v2, inside its limits.

https://developer.pagerduty.com/docs/events-api-v2-overview
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.notify.diagnosis import Diagnosis
from resumatch_monitor.notify.notification import Notification, NotificationKind
from resumatch_monitor.notify.wording import (
    AlertText,
    Links,
    clip,
    describe_alert,
    is_web_url,
    link_page,
    one_line,
    render_counts,
    render_subject,
)

LARGEST_EVENT_BYTES = 512_000
_LONGEST_SUMMARY = 1024
_LONGEST_TEXT = 2000
_LONGEST_FIELD = 255
_LONGEST_URL = 2048
_MOST_ALERTS = 40
_MOST_LABELS = 40
_CLIENT = "ResuMatch Monitor"
_SEVERITIES = {
    "critical": "critical",
    "page": "critical",
    "error": "error",
    "warning": "warning",
    "info": "info",
}
_PAGING_SEVERITIES = ("critical", "error")
_SOURCE_LABELS = ("instance", "probe", "host", "service", "job", "project")
_COMPONENT_LABELS = ("service", "component", "job", "probe", "project")
_IMAGE_ANNOTATION = "image_url"


def is_change(notification: Notification) -> bool:
    """Tell whether it is told as a change, beside incidents, instead of opening one."""
    notice = notification.notice
    return notice is not None and notice.severity not in _PAGING_SEVERITIES


def render_event(notification: Notification, diagnosis: Diagnosis, links: Links) -> dict[str, Any]:
    """Render what `/v2/enqueue` takes, without the routing key."""
    event: dict[str, Any] = {"dedup_key": notification.dedup_key}
    if notification.kind is NotificationKind.RESOLVED:
        return {"event_action": "resolve", **event}
    event |= {"event_action": "trigger", "client": _CLIENT, "payload": {}}
    event["payload"] = {
        "summary": _summarise(notification),
        "source": _choose(notification, _SOURCE_LABELS) or links.base or _CLIENT,
        "severity": _SEVERITIES.get(notification.severity, "error"),
        "timestamp": isoformat(_find_start(notification)),
        "component": _choose(notification, _COMPONENT_LABELS),
        "group": clip(one_line(notification.receiver), _LONGEST_FIELD),
        "class": clip(one_line(_find_class(notification)), _LONGEST_FIELD),
        "custom_details": _render_details(notification, diagnosis, links, _MOST_ALERTS),
    }
    alerts = notification.alerts
    page = link_page(alerts[0], notification, links) if alerts else links.to_alerts
    if page:
        event["client_url"] = page
    event["links"] = _render_links(notification, diagnosis, links)
    event["images"] = _render_images(notification, page)
    return _shrink(event, notification, diagnosis, links)


def render_acknowledgement(notification: Notification) -> dict[str, Any]:
    """Render what says that somebody has taken the incident, without the routing key."""
    return {"event_action": "acknowledge", "dedup_key": notification.dedup_key}


def render_change(notification: Notification, links: Links) -> dict[str, Any]:
    """Render what `/v2/change/enqueue` takes of a notice, without the routing key."""
    notice = notification.notice
    title = render_subject(notification)
    details: dict[str, str] = {}
    if notice is not None:
        details = {"text": clip(notice.text, _LONGEST_TEXT)} if notice.text else {}
        details |= {
            clip(each.title, _LONGEST_FIELD): clip("\n".join(each.lines), _LONGEST_TEXT)
            for each in notice.sections[:_MOST_ALERTS]
        }
    change: dict[str, Any] = {
        "payload": {
            "summary": clip(title, _LONGEST_SUMMARY),
            "timestamp": isoformat(notification.created_at),
            "source": links.base or _CLIENT,
            "custom_details": details,
        }
    }
    page = links.to(notice.path) if notice is not None else ""
    if page and len(page) <= _LONGEST_URL:
        change["links"] = [{"href": page, "text": _CLIENT}]
    return change


def _summarise(notification: Notification) -> str:
    """Return what a phone reads out: what is wrong, before anything else."""
    drill = "[DRILL] " if notification.is_drill else ""
    if notification.notice is not None:
        return clip(render_subject(notification), _LONGEST_SUMMARY)
    first = _firing(notification)[0]
    summary = one_line(first.annotations.get("summary", ""))
    more = notification.firing_count - 1
    name = one_line(first.name)
    text = f"{name}: {summary}" if summary else name
    if more > 0:
        text = f"{clip(text, _LONGEST_SUMMARY - 60)} (and {more} more)"
    return clip(f"{drill}{text}", _LONGEST_SUMMARY) or _CLIENT


def _render_details(
    notification: Notification, diagnosis: Diagnosis, links: Links, most_alerts: int
) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if notification.is_drill:
        details["drill"] = "nothing is wrong: the way of an alert is being tried"
    if notification.escalation:
        details["escalation"] = clip(notification.escalation, _LONGEST_TEXT)
    if diagnosis.todo:
        details["what to do first"] = clip(diagnosis.todo, _LONGEST_TEXT)
    details |= {
        clip(fact.name, _LONGEST_FIELD): clip(fact.text, _LONGEST_TEXT)
        for fact in diagnosis.facts[:_MOST_LABELS]
    }
    if diagnosis.sparkline:
        details["chart"] = diagnosis.sparkline
    if notification.notice is not None:
        details["text"] = clip(notification.notice.text, _LONGEST_TEXT)
        for section in notification.notice.sections[:_MOST_ALERTS]:
            name = clip(section.title, _LONGEST_FIELD)
            details[name] = clip("\n".join(section.lines), _LONGEST_TEXT)
        return details
    details["counts"] = render_counts(notification)
    texts = [
        describe_alert(alert, notification, links) for alert in notification.alerts[:most_alerts]
    ]
    for status in (AlertStatus.FIRING, AlertStatus.RESOLVED):
        details[status.value] = [
            _render_alert(text, alert)
            for text, alert in zip(texts, notification.alerts, strict=False)
            if alert.status is status
        ]
    hidden = notification.firing_count + notification.resolved_count - len(texts)
    if hidden > 0:
        details["not listed"] = hidden
    if notification.dependents:
        details["drags along"] = [
            clip(one_line(each.name), _LONGEST_FIELD)
            for each in notification.dependents[:most_alerts]
        ]
    return details


def _render_alert(text: AlertText, alert: Alert) -> dict[str, Any]:
    facts = {
        "summary": text.summary,
        "description": text.description,
        "value": text.value,
        "since": text.since,
        "until": text.ended,
        "what to do": text.todo,
    }
    labels = dict(list(alert.labels.pairs)[:_MOST_LABELS])
    return {
        **{name: clip(value, _LONGEST_TEXT) for name, value in facts.items() if value},
        "labels": {
            clip(name, _LONGEST_FIELD): clip(value, _LONGEST_FIELD)
            for name, value in labels.items()
        },
    }


def _render_links(
    notification: Notification, diagnosis: Diagnosis, links: Links
) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for alert in _firing(notification)[:1]:
        text = describe_alert(alert, notification, links)
        found |= {text.runbook_url: "Runbook", text.url: "Alert", text.source_url: "Source"}
    for fact in diagnosis.facts:
        found.setdefault(links.to(fact.path), clip(fact.name, _LONGEST_FIELD))
    return [
        {"href": url, "text": text}
        for url, text in found.items()
        if url and len(url) <= _LONGEST_URL
    ]


def _render_images(notification: Notification, page: str) -> list[dict[str, str]]:
    """Render the pictures that alerts bring: PagerDuty fetches them, so they must be public."""
    addresses = dict.fromkeys(
        alert.annotations.get(_IMAGE_ANNOTATION, "").strip() for alert in notification.alerts
    )
    return [
        {"src": url, "alt": "chart", **({"href": page} if page else {})}
        for url in list(addresses)[:3]
        if url.startswith("https://") and is_web_url(url) and len(url) <= _LONGEST_URL
    ]


def _shrink(
    event: dict[str, Any], notification: Notification, diagnosis: Diagnosis, links: Links
) -> dict[str, Any]:
    """List fewer alerts until the event is small enough, the routing key yet to come."""
    most_alerts = _MOST_ALERTS
    while most_alerts and len(orjson.dumps(event)) > LARGEST_EVENT_BYTES - 200:
        most_alerts //= 2
        event["payload"]["custom_details"] = _render_details(
            notification, diagnosis, links, most_alerts
        )
    return event


def _firing(notification: Notification) -> Sequence[Alert]:
    firing = [each for each in notification.alerts if each.status is AlertStatus.FIRING]
    return firing or notification.alerts


def _find_start(notification: Notification) -> datetime:
    return min((each.starts_at for each in _firing(notification)), default=notification.created_at)


def _find_class(notification: Notification) -> str:
    if notification.notice is not None:
        return "notice"
    return _firing(notification)[0].name


def _choose(notification: Notification, names: Sequence[str]) -> str:
    labels: Mapping[str, str] = notification.common_labels
    found = next((labels[name] for name in names if labels.get(name)), "")
    return clip(one_line(found), _LONGEST_FIELD)
