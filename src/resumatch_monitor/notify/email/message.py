"""A notification as an e-mail: text for terminals, HTML for the rest, the chart inside."""

from collections.abc import Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.notify.addresses import bare_address, to_header
from resumatch_monitor.notify.context import ActionLinks, ActionUrls
from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS, Diagnosis
from resumatch_monitor.notify.notification import Notification, NotificationKind
from resumatch_monitor.notify.text import is_actionable, render_text
from resumatch_monitor.notify.wording import (
    AlertText,
    Links,
    clip,
    describe_alert,
    describe_dependents,
    format_moment,
    one_line,
    render_counts,
    render_notes,
    render_subject,
    render_title,
)

_MOST_ALERTS = 50
_MOST_LINES = 100
_MOST_SECTIONS = 30
_LONGEST_PREVIEW = 140
_RESOLVED_COLOUR = "#1f7a45"
_NOTICE_COLOUR = "#4a5668"
_COLOURS = {"critical": "#b3261e", "warning": "#8a5a00", "info": "#1f5fa8"}
_MANY_RECIPIENTS = "email"


@dataclass(frozen=True, slots=True)
class _Fact:
    name: str
    text: str
    url: str


@dataclass(frozen=True, slots=True)
class _Listed:
    """An alert in the mail."""

    text: AlertText
    tone: str
    todo: str
    facts: Sequence[_Fact]
    urls: ActionUrls


@dataclass(frozen=True, slots=True)
class _Section:
    title: str
    lines: Sequence[str]
    hidden: int


class EmailRenderer:
    """Renders messages from one sender."""

    def __init__(self, *, sender: str, links: Links, actions: ActionLinks) -> None:
        self._sender: Address = to_header(sender)
        self._links = links
        self._actions = actions
        folder = Path(__file__).parent / "templates"
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(
        self, notification: Notification, recipients: Sequence[str], diagnosis: Diagnosis
    ) -> EmailMessage:
        """Render `notification` for `recipients`."""
        domain = self._sender.domain or "localhost"
        message = EmailMessage(policy=SMTP)
        message["Subject"] = render_subject(notification)
        message["From"] = self._sender
        message["To"] = tuple(to_header(each) for each in recipients)
        message["Date"] = notification.created_at
        message["Message-ID"] = f"<{notification.id}@{domain}>"
        if notification.thread_id != notification.id:
            first = f"<{notification.thread_id}@{domain}>"
            message["In-Reply-To"] = first
            message["References"] = first
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message["X-Alert-Group"] = notification.dedup_key
        recipient = bare_address(recipients[0]) if len(recipients) == 1 else _MANY_RECIPIENTS
        message.set_content(
            render_text(
                notification,
                diagnosis,
                self._links,
                actions=self._actions,
                recipient=recipient,
                most_alerts=_MOST_ALERTS,
            )
        )
        cid = f"chart.{notification.id}@{domain}"
        values = self._describe(notification, diagnosis, recipient) | {"chart_cid": cid}
        html = self._environment.get_template("message.html").render(values)
        message.add_alternative(html, subtype="html")
        if diagnosis.chart is not None:
            _attach(message, diagnosis.chart.png, cid)
        return message

    def _describe(
        self, notification: Notification, diagnosis: Diagnosis, recipient: str
    ) -> dict[str, Any]:
        notice = notification.notice
        # A notice that sums alerts up names them in its own words.
        listed = () if notice else notification.alerts[:_MOST_ALERTS]
        hidden_count = len(notification.alerts) - len(listed) + notification.truncated_count
        alerts = [
            self._list(alert, notification, diagnosis if not position else NO_DIAGNOSIS, recipient)
            for position, alert in enumerate(listed)
        ]
        return {
            "subject": render_subject(notification),
            "title": render_title(notification),
            "state": "NOTICE" if notice else notification.kind.value.upper(),
            "counts": self._count(notification),
            "preview": _render_preview(notification, alerts),
            "notes": render_notes(notification),
            "alerts": alerts,
            "chart": diagnosis.chart,
            "dependents": describe_dependents(notification),
            "hidden_count": 0 if notice else hidden_count,
            "colour": _choose_colour(notification),
            "notice_text": notice.text if notice else "",
            "notice_url": self._links.to(notice.path) if notice else "",
            "sections": _list_sections(notification),
            "sent_at": format_moment(notification.created_at),
            "receiver": notification.receiver,
            "url": self._links.to_alerts,
        }

    def _list(
        self, alert: Alert, notification: Notification, diagnosis: Diagnosis, recipient: str
    ) -> _Listed:
        text = describe_alert(alert, notification, self._links)
        is_over = text.state == "RESOLVED"
        return _Listed(
            text=text,
            tone=_RESOLVED_COLOUR if is_over else _COLOURS.get(alert.severity, _COLOURS["warning"]),
            todo="\n".join(filter(None, [diagnosis.todo, text.todo])),
            facts=[
                _Fact(fact.name, fact.text, self._links.to(fact.path)) for fact in diagnosis.facts
            ],
            urls=self._actions.urls(alert, recipient) if is_actionable(alert) else ActionUrls(),
        )

    def _count(self, notification: Notification) -> str:
        if notification.notice is not None:
            return notification.notice.severity
        severity = one_line(notification.severity)
        return f"{severity} · {render_counts(notification)}"


def _attach(message: EmailMessage, png: bytes, cid: str) -> None:
    """Put the chart beside the HTML that shows it."""
    html = message.get_body(("html",))
    if isinstance(html, MIMEPart):
        html.add_related(
            png, "image", "png", cid=f"<{cid}>", filename="chart.png", disposition="inline"
        )


def _render_preview(notification: Notification, alerts: Sequence[_Listed]) -> str:
    """Return the line that a phone shows below the subject."""
    if notification.notice is not None:
        return clip(one_line(notification.notice.text), _LONGEST_PREVIEW)
    return clip(one_line(next((each.text.summary for each in alerts), "")), _LONGEST_PREVIEW)


def _list_sections(notification: Notification) -> list[_Section]:
    if notification.notice is None:
        return []
    return [
        _Section(each.title, each.lines[:_MOST_LINES], max(len(each.lines) - _MOST_LINES, 0))
        for each in notification.notice.sections[:_MOST_SECTIONS]
    ]


def _choose_colour(notification: Notification) -> str:
    if notification.kind is NotificationKind.RESOLVED:
        return _RESOLVED_COLOUR
    if notification.notice is not None and notification.severity == "info":
        return _NOTICE_COLOUR
    return _COLOURS.get(notification.severity, _COLOURS["warning"])
