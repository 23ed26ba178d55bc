"""A notification as a Slack message, inside Block Kit's limits."""

from typing import Any

from resumatch_monitor.notify.notification import Notification, NotificationKind
from resumatch_monitor.notify.wording import (
    AlertText,
    Links,
    clip,
    describe_alert,
    render_counts,
    render_subject,
)

# https://docs.slack.dev/reference/block-kit/blocks/section-block: 3,000 characters a text.
# All of a message's blocks together are refused beyond about 13,200.
_MOST_ALERTS = 8
_LONGEST_SECTION = 1400
_LONGEST_PART = 500
_LONGEST_URL = 1000
_COLOURS = {"critical": "#d13438", "warning": "#e8a317", "info": "#2f7fd1"}
_RESOLVED_COLOUR = "#2e9e5b"


def render_message(notification: Notification, links: Links) -> dict[str, Any]:
    """Render the JSON that an incoming webhook takes."""
    subject = escape(render_subject(notification))
    blocks: list[dict[str, Any]] = [
        _section(_render_alert(describe_alert(alert, notification, links)))
        for alert in notification.alerts[:_MOST_ALERTS]
    ]
    if notification.notice is not None:
        blocks.insert(0, _section(_part(notification.notice.text or notification.notice.title)))
    # The same for a group's firing and resolved messages.
    blocks[0]["block_id"] = notification.dedup_key
    blocks.append(_context(_render_footer(notification, links)))
    return {
        "text": subject,
        "attachments": [
            {"color": _choose_colour(notification), "fallback": subject, "blocks": blocks}
        ],
    }


def escape(text: str) -> str:
    """Escape what Slack reads as markup, mentions of a whole channel among it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _render_alert(text: AlertText) -> str:
    title = f"*{_part(text.name)}* {_part(text.state)} ({_part(text.severity)})"
    lines = [
        _link(text.url, text.name, bold=True) + f" {_part(text.state)} ({_part(text.severity)})"
        if text.url
        else title,
        _part(text.summary),
        _part(text.description) if text.description != text.summary else "",
        _fact("Value", text.value),
        _fact("Since", text.since),
        _fact("Until", text.ended),
        _fact("Where", text.where),
        _fact("What to do", text.todo),
        _link(text.runbook_url, "Runbook") if text.runbook_url else "",
        _link(text.source_url, "Source") if text.source_url else "",
    ]
    kept: list[str] = []
    for line in filter(None, lines):
        # Whole lines only: half a link or half an escape would show as rubbish.
        if sum(map(len, kept)) + len(kept) + len(line) <= _LONGEST_SECTION:
            kept.append(line)
    return "\n".join(kept)


def _render_footer(notification: Notification, links: Links) -> str:
    parts = [render_counts(notification)]
    hidden = max(len(notification.alerts) - _MOST_ALERTS, 0) + notification.truncated_count
    if hidden:
        parts.append(f"{hidden} more not shown")
    if links.to_alerts:
        parts.append(_link(links.to_alerts, "ResuMatch Monitor"))
    return " · ".join(parts)


def _choose_colour(notification: Notification) -> str:
    if notification.kind is NotificationKind.RESOLVED:
        return _RESOLVED_COLOUR
    return _COLOURS.get(notification.severity, _COLOURS["warning"])


def _fact(name: str, value: str) -> str:
    return f"*{name}:* {_part(value)}" if value else ""


def _link(url: str, text: str, *, bold: bool = False) -> str:
    if len(url) > _LONGEST_URL:
        return _part(text)
    link = f"<{escape(url).replace('|', '%7C')}|{_part(text).replace('|', '¦')}>"
    return f"*{link}*" if bold else link


def _part(text: str) -> str:
    return escape(clip(text, _LONGEST_PART))


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": text}]}
