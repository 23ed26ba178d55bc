"""A notification as text that reads well in a terminal."""

import textwrap
from collections.abc import Iterable, Sequence

from resumatch_monitor.alerts.alert import Alert, AlertStatus
from resumatch_monitor.notify.context import ActionLinks, ActionUrls
from resumatch_monitor.notify.diagnosis import Diagnosis
from resumatch_monitor.notify.notification import Notice, Notification
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
)

_WIDTH = 78
_MOST_LINES = 200
_LONGEST_TEXT = 4000

Pair = tuple[str, str]


def render_text(
    notification: Notification,
    diagnosis: Diagnosis,
    links: Links,
    *,
    actions: ActionLinks | None = None,
    recipient: str = "",
    most_alerts: int = 50,
) -> str:
    """Render the whole message, its subject first.

    Args:
        notification: What is said.
        diagnosis: What is known of the first alert.
        links: Where people reach the monitor.
        actions: Makes the links of one click; without it there are none.
        recipient: Who follows them.
        most_alerts: How many alerts are listed.
    """
    lines = [render_subject(notification)]
    if notification.notice is None:
        lines.append(render_counts(notification))
    lines += [f"\n{_wrap(note)}" for note in render_notes(notification)]
    if notification.notice is not None:
        lines += _render_notice(notification.notice, links)
    # A notice that sums alerts up names them in its own words.
    listed = () if notification.notice is not None else notification.alerts[:most_alerts]
    for position, alert in enumerate(listed):
        is_first = position == 0
        urls = ActionUrls()
        if actions is not None and is_actionable(alert):
            urls = actions.urls(alert, recipient)
        text = describe_alert(alert, notification, links)
        lines += _render_alert(text, diagnosis if is_first else Diagnosis(), urls, links)
    dependents = describe_dependents(notification)
    if dependents:
        lines += ["\nDrags along, and therefore not told on their own", *_list(dependents)]
    hidden = len(notification.alerts[most_alerts:]) + notification.truncated_count
    if hidden > 0 and notification.notice is None:
        lines.append(f"\n{hidden} more are not listed here.")
    lines += _render_signature(notification, links)
    return "\n".join(lines) + "\n"


def is_actionable(alert: Alert) -> bool:
    """Tell whether there is something to acknowledge: an event is over when it is told."""
    return alert.status is AlertStatus.FIRING and not alert.is_event


def _render_notice(notice: Notice, links: Links) -> list[str]:
    lines = [f"\n{_wrap(clip(notice.text, _LONGEST_TEXT))}"] if notice.text else []
    for section in notice.sections:
        lines += [f"\n{one_line(section.title)}", *_list(section.lines)]
    if links.to(notice.path):
        lines.append(f"\n{links.to(notice.path)}")
    return lines


def _render_alert(
    text: AlertText, diagnosis: Diagnosis, urls: ActionUrls, links: Links
) -> list[str]:
    lines = ["", f"{text.state}: {text.name} ({text.severity})"]
    lines += [_wrap(each) for each in dict.fromkeys((text.summary, text.description)) if each]
    lines.append("")
    lines += _table(
        [
            ("Value", text.value),
            *((one_line(fact.name), one_line(fact.text)) for fact in diagnosis.facts),
            ("Lately", diagnosis.sparkline),
            ("Since", text.since),
            ("Until", text.ended),
            ("Where", text.where),
        ]
    )
    todo = "\n".join(filter(None, [diagnosis.todo, text.todo]))
    if todo:
        lines += ["\n  What to do first", textwrap.indent(_wrap(todo, _WIDTH - 4), " " * 4), ""]
    lines += _table(
        [
            ("Runbook", text.runbook_url),
            ("Look", text.url),
            ("Source", text.source_url),
            *((one_line(fact.name), links.to(fact.path)) for fact in diagnosis.facts),
            ("Acknowledge", urls.acknowledge),
            ("Snooze 1 h", urls.snooze),
            ("Silence", urls.silence),
            ("Resolve", urls.resolve),
        ],
        wrap=False,
    )
    return lines


def _render_signature(notification: Notification, links: Links) -> list[str]:
    sent_at = format_moment(notification.created_at)
    # A signature's separator, which mail programs know.
    lines = ["\n-- ", f"ResuMatch Monitor, {sent_at}, to the receiver {notification.receiver}"]
    return [*lines, links.to_alerts] if links.to_alerts else lines


def _table(pairs: Iterable[Pair], *, wrap: bool = True) -> list[str]:
    kept = [(name, text) for name, text in pairs if text]
    width = max((len(name) for name, _ in kept), default=0)
    lines: list[str] = []
    for name, text in kept:
        head = f"  {name.ljust(width)}  "
        body = _wrap(text, max(_WIDTH - len(head), 30)) if wrap else text
        first, *rest = body.splitlines() or [""]
        lines.append(f"{head}{first}")
        lines += [" " * len(head) + each for each in rest]
    return lines


def _list(items: Sequence[str]) -> list[str]:
    lines = [
        textwrap.indent(_wrap(one_line(item), _WIDTH - 4), " " * 4).replace("    ", "  - ", 1)
        for item in items[:_MOST_LINES]
    ]
    hidden = len(items) - len(lines)
    return [*lines, *([f"  and {hidden} more"] if hidden else [])]


def _wrap(text: str, width: int = _WIDTH) -> str:
    """Break lines at blanks; an address stays whole, or nobody could follow it."""
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
        for line in clip(text, _LONGEST_TEXT).splitlines()
    )
