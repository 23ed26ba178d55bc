"""A notification as a Slack message, inside Block Kit's limits."""

from typing import Any

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.notify.context import ActionLinks
from resumatch_monitor.notify.diagnosis import Diagnosis
from resumatch_monitor.notify.notification import Notice, Notification, NotificationKind
from resumatch_monitor.notify.slack.blocks import (
    LONGEST_PART,
    Blocks,
    actions,
    context,
    escape,
    fields,
    link,
    part,
    section,
)
from resumatch_monitor.notify.wording import (
    AlertText,
    Links,
    clip,
    describe_alert,
    describe_dependents,
    describe_group,
    render_counts,
    render_notes,
    render_subject,
)

_MOST_ALERTS = 8
_MOST_WITH_BUTTONS = 3
_LONGEST_SECTION = 1400
_LONGEST_NOTICE = 2900
_RESERVE = 1500
_RECIPIENT = "slack"
_COLOURS = {"critical": "#d13438", "warning": "#e8a317", "info": "#2f7fd1"}
_RESOLVED_COLOUR = "#2e9e5b"


def render_message(
    notification: Notification, diagnosis: Diagnosis, links: Links, action_links: ActionLinks
) -> dict[str, Any]:
    """Render the JSON that an incoming webhook takes."""
    subject = escape(render_subject(notification))
    blocks = Blocks(reserve=_RESERVE)
    if notification.notice is not None:
        _add_notice(blocks, notification, notification.notice)
        shown = 0
    else:
        shown = _add_alerts(blocks, notification, diagnosis, links, action_links)
    blocks.release()
    dependents = describe_dependents(notification)
    if dependents:
        blocks.add(context(f"*Drags along:* {part('; '.join(dependents))}"))
    blocks.add(context(_render_footer(notification, links, shown)))
    # The same for a group's firing and resolved messages.
    blocks.blocks[0]["block_id"] = notification.dedup_key
    return {
        "text": subject,
        "attachments": [
            {"color": _choose_colour(notification), "fallback": subject, "blocks": blocks.blocks}
        ],
    }


def _add_alerts(
    blocks: Blocks,
    notification: Notification,
    diagnosis: Diagnosis,
    links: Links,
    action_links: ActionLinks,
) -> int:
    """Add alerts as long as there is room, and what is known of them; return how many."""
    notes = [part(note) for note in render_notes(notification)]
    shown = 0
    for alert in notification.alerts[:_MOST_ALERTS]:
        text = describe_alert(alert, notification, links)
        added = [section(_render_alert(text, notes if not shown else []))]
        if not shown:
            added += _render_diagnosis(diagnosis, links)
        if shown < _MOST_WITH_BUTTONS and alert.status is AlertStatus.FIRING:
            added += _render_buttons(alert, text, action_links)
        if not blocks.add(*added) and not blocks.add(added[0]):
            break
        shown += 1
    return shown


def _add_notice(blocks: Blocks, notification: Notification, notice: Notice) -> None:
    lines = [f"*{part(notice.title)}*", *map(part, render_notes(notification))]
    lines += _clip_lines(notice.text.splitlines())
    blocks.add(section("\n".join(lines)))
    for each in notice.sections:
        listed = [f"• {line}" for line in _clip_lines(each.lines)]
        is_room = blocks.add(section("\n".join([f"*{part(each.title)}*", *listed])))
        if not is_room:
            blocks.release()
            blocks.add(context("There is more than a message holds; the monitor's pages show it."))
            break


def _clip_lines(lines: list[str] | tuple[str, ...]) -> list[str]:
    """Return as many lines, as markup, as a section has room for, saying how many are left out."""
    kept: list[str] = []
    length = LONGEST_PART
    for line in map(part, lines):
        length += len(line) + 3
        if length > _LONGEST_NOTICE:
            kept.append(f"and {len(lines) - len(kept)} more")
            break
        kept.append(line)
    return kept


def _render_alert(text: AlertText, notes: list[str]) -> str:
    title = link(text.url, text.name, bold=True)
    lines = [
        *(f"*{note}*" for note in notes),
        f"{title} {part(text.state)} ({part(text.severity)})",
        part(text.summary),
        part(text.description) if text.description != text.summary else "",
        _fact("Value", text.value),
        _fact("Since", text.since),
        _fact("Until", text.ended),
        _fact("Where", text.where),
        _fact("What to do", text.todo),
        link(text.runbook_url, "Runbook") if text.runbook_url else "",
        link(text.source_url, "Source") if text.source_url else "",
    ]
    kept: list[str] = []
    for line in filter(None, lines):
        # Whole lines only: half a link or half an escape would show as rubbish.
        if sum(map(len, kept)) + len(kept) + len(line) <= _LONGEST_SECTION:
            kept.append(line)
    return "\n".join(kept)


def _render_diagnosis(diagnosis: Diagnosis, links: Links) -> list[dict[str, Any]]:
    pairs = [
        (fact.name, link(links.to(fact.path), fact.text) if fact.path else part(fact.text))
        for fact in diagnosis.facts
    ]
    if diagnosis.sparkline:
        pairs.append(("Lately", f"`{part(diagnosis.sparkline)}`"))
    blocks = [fields(pairs)] if pairs else []
    if diagnosis.todo:
        blocks.append(section(f"*What to do first:* {part(diagnosis.todo)}"))
    return blocks


def _render_buttons(
    alert: Alert, text: AlertText, action_links: ActionLinks
) -> list[dict[str, Any]]:
    if alert.is_event:
        return actions([("Open", text.url)])
    urls = action_links.urls(alert, _RECIPIENT)
    return actions(
        [
            ("Acknowledge", urls.acknowledge),
            ("Snooze 1 h", urls.snooze),
            ("Silence", urls.silence),
            ("Resolve", urls.resolve),
            ("Open", text.url),
        ]
    )


def _render_footer(notification: Notification, links: Links, shown: int) -> str:
    counts = render_counts(notification)
    parts = [counts] if counts else []
    group = describe_group(notification)
    if notification.kind is NotificationKind.RESOLVED and group:
        parts.append(f"Resolved: {part(clip(group, 200))}")
    hidden = len(notification.alerts) - shown + notification.truncated_count
    if hidden > 0 and notification.notice is None:
        parts.append(f"{hidden} more not shown")
    page = links.to(notification.notice.path) if notification.notice else ""
    if page or links.to_alerts:
        parts.append(link(page or links.to_alerts, "ResuMatch Monitor"))
    return " · ".join(parts) or "ResuMatch Monitor"


def _choose_colour(notification: Notification) -> str:
    if notification.kind is NotificationKind.RESOLVED:
        return _RESOLVED_COLOUR
    return _COLOURS.get(notification.severity, _COLOURS["warning"])


def _fact(name: str, value: str) -> str:
    return f"*{name}:* {part(value)}" if value else ""
