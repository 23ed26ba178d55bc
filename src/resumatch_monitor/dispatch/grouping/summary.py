"""The one message that stands for many."""

from collections.abc import Sequence
from datetime import datetime

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert
from resumatch_monitor.dispatch.grouping.group import Decision, gravity
from resumatch_monitor.notify.notification import Notice, NoticeSection

_MOST_LINES = 50
_LONGEST_LINE = 300


def summarise(
    decisions: Sequence[Decision],
    *,
    limit: int,
    until: datetime | None,
    is_escalated: bool = False,
) -> Notice:
    """Put what some groups have to say into one notice.

    Args:
        decisions: What they have to say, at least one of them something.
        limit: How many messages the receiver gets in an hour.
        until: Until when there are only summaries; None if that is over.
        is_escalated: Whether some of it comes because nobody acknowledged it: it has to page.
    """
    told = sorted((each for decision in decisions for each in decision.told), key=gravity)
    firing = [each.alert for each in told if each.alert.ends_at is None]
    ended = [each.alert for each in told if each.alert.ends_at is not None]
    counts = [
        f"{len(alerts)} {word}"
        for alerts, word in ((firing, "firing"), (ended, "resolved"))
        if alerts
    ]
    why = f"More than {limit} messages within an hour are too many to read."
    if until is None:
        text = f"{why} This is what came after them; from now on, messages come one by one again."
    else:
        text = (
            f"{why} Until {until:%H:%M} UTC there are only summaries: of critical alerts every 5"
            " minutes at most, of everything else then."
        )
    if is_escalated:
        text += " Some of it was escalated: nobody has acknowledged it."
    severity = firing[0].severity if firing else "info"
    sections = [
        NoticeSection(title, _list(alerts))
        for title, alerts in (("Firing", firing), ("Resolved", ended))
        if alerts
    ]
    return Notice(
        title=f"{len(decisions)} messages in one: {', '.join(counts)}",
        text=text,
        sections=tuple(sections),
        severity="critical" if is_escalated else severity,
        path="/alerts",
    )


def _list(alerts: Sequence[Alert]) -> tuple[str, ...]:
    lines = [_describe(alert) for alert in alerts[:_MOST_LINES]]
    if len(alerts) > _MOST_LINES:
        lines.append(f"and {len(alerts) - _MOST_LINES} more")
    return tuple(lines)


def _describe(alert: Alert) -> str:
    parts = [
        f"{name}={value}"
        for name, value in alert.labels.pairs
        if name not in (ALERT_NAME, SEVERITY)
    ]
    line = " ".join([f"[{alert.severity}] {alert.name}", *parts])
    summary = " ".join(alert.annotations.get("summary", "").split())
    return (f"{line}: {summary}" if summary else line)[:_LONGEST_LINE]
