"""A notification as an e-mail: text for terminals, HTML for the rest."""

from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from resumatch_monitor.notify.addresses import to_header
from resumatch_monitor.notify.notification import Notification, NotificationKind
from resumatch_monitor.notify.wording import (
    Links,
    describe_alert,
    format_moment,
    render_counts,
    render_subject,
)

_MOST_ALERTS = 50
_RESOLVED_COLOUR = "#1f7a45"
_COLOURS = {"critical": "#b3261e", "warning": "#8a5a00", "info": "#1f5fa8"}


class EmailRenderer:
    """Renders messages from one sender."""

    def __init__(self, *, sender: str, links: Links) -> None:
        self._sender: Address = to_header(sender)
        self._links = links
        folder = Path(__file__).parent / "templates"
        self._environment = Environment(
            loader=FileSystemLoader(folder),
            autoescape=select_autoescape(["html"]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, notification: Notification, recipients: Sequence[str]) -> EmailMessage:
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
        values = self._describe(notification)
        message.set_content(self._environment.get_template("message.txt").render(values))
        html = self._environment.get_template("message.html").render(values)
        message.add_alternative(html, subtype="html")
        return message

    def _describe(self, notification: Notification) -> dict[str, object]:
        listed = notification.alerts[:_MOST_ALERTS]
        hidden_count = len(notification.alerts) - len(listed) + notification.truncated_count
        return {
            "subject": render_subject(notification),
            "counts": render_counts(notification),
            "alerts": [describe_alert(alert, notification, self._links) for alert in listed],
            "hidden_count": hidden_count,
            "colour": _choose_colour(notification),
            "colours": {**_COLOURS, "RESOLVED": _RESOLVED_COLOUR},
            "sent_at": format_moment(notification.created_at),
            "receiver": notification.receiver,
            "url": self._links.to_alerts,
        }


def _choose_colour(notification: Notification) -> str:
    if notification.kind is NotificationKind.RESOLVED:
        return _RESOLVED_COLOUR
    return _COLOURS.get(notification.severity, _COLOURS["warning"])
