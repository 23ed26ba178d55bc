"""How facts are said, and what to do first about them."""

from datetime import datetime, timedelta

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.diagnosis.sources import IssueFacts, ProbeFacts, Release
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.notify.diagnosis import Fact
from resumatch_monitor.notify.wording import clip, format_value, one_line
from resumatch_monitor.promql.condition import Condition

_LONGEST_TITLE = 160
_SUSPICIOUS = timedelta(hours=1)
"""A release that came no longer before is the first to be looked at."""
_WORDS = {
    ">": "above",
    ">=": "at or above",
    "<": "below",
    "<=": "at or below",
    "==": "when it is",
    "!=": "unless it is",
}
_RUNBOOK_NAMES = ("runbook_url", "runbook", "action")
_ANYTHING = "Look at the alert's page: since when it fires, and how often it did before."
_GENERAL = {
    AlertSource.RULE: "Look at the chart: when did it begin, and what else changed then?",
    AlertSource.ISSUE: "Look at the issue's latest event: where it was raised, in which release.",
    AlertSource.PERFORMANCE: "Look at the slowest request's trace: which call, and from where.",
    AlertSource.PROBE: "Ask the address by hand, and look at the log of what answers there.",
    AlertSource.HEARTBEAT: "Look at the job's own log, and at whether its scheduler runs.",
    AlertSource.LOG: "Look at the records themselves: which service, since when, of which trace.",
    AlertSource.MONITOR: "Look at the monitor's own log and at its machine.",
}


def describe_threshold(condition: Condition | None) -> list[Fact]:
    """Say when the expression fires, for example `fires above 0.05`."""
    if condition is None or condition.threshold is None:
        return []
    word = _WORDS.get(condition.operator, condition.operator)
    return [Fact("Threshold", f"fires {word} {format_value(condition.threshold)}")]


def describe_probe(probe: ProbeFacts | None) -> list[Fact]:
    """Say what the probe last saw."""
    if probe is None or not probe.message:
        return []
    name = "Last answer" if probe.is_success else "Failing"
    return [Fact(name, clip(one_line(f"{probe.target}: {probe.message}"), 300), probe.path)]


def describe_issue(issue: IssueFacts | None) -> list[Fact]:
    """Say how often the alert's own issue was met."""
    if issue is None:
        return []
    events = _count(issue.event_count, "event")
    users = f", {_count(issue.user_count, 'user')}" if issue.user_count else ""
    facts = [Fact("So far", f"{events}{users}")]
    if issue.release:
        facts.append(Fact("In release", clip(one_line(issue.release), 100)))
    return facts


def describe_new_issue(issue: IssueFacts | None, alert: Alert) -> list[Fact]:
    """Say which issue began at about the same time."""
    if issue is None:
        return []
    when = _relate(issue.first_seen_at, alert.starts_at)
    title = clip(one_line(issue.title), _LONGEST_TITLE)
    events = _count(issue.event_count, "event")
    return [Fact("New issue", f"{title} ({events}, first {when})", f"/issues/{issue.id}")]


def describe_release(release: Release | None, alert: Alert) -> list[Fact]:
    """Say which release came last, and when."""
    if release is None:
        return []
    when = _relate(release.first_seen_at, alert.starts_at)
    text = (
        f"{clip(one_line(release.version), 100)} of {one_line(release.project)}, first seen {when}"
    )
    return [Fact("Last release", text, release.path)]


def choose_todo(
    alert: Alert,
    *,
    release: Release | None,
    issue: IssueFacts | None,
    probe: ProbeFacts | None,
) -> str:
    """Say what to do first, from what is most likely to be the cause."""
    if release is not None:
        lead = alert.starts_at - release.first_seen_at
        if timedelta(0) <= lead <= _SUSPICIOUS:
            return (
                f"Release {clip(one_line(release.version), 100)} came {_round(lead)} before this"
                " began: compare, and roll it back if in doubt."
            )
    if issue is not None:
        return f"Look at {issue.short_id}: {clip(one_line(issue.title), _LONGEST_TITLE)}."
    if any(alert.annotations.get(name) for name in _RUNBOOK_NAMES):
        return ""
    if probe is not None and not probe.is_success:
        return f"Ask {probe.target} by hand, and look at the log of what answers there."
    return _GENERAL.get(alert.source, _ANYTHING)


def _relate(moment: datetime, begin: datetime) -> str:
    """Return for example `4m before it began`."""
    gap = begin - moment
    if abs(gap) < timedelta(seconds=1):
        return "as it began"
    return f"{_round(abs(gap))} {'before' if gap > timedelta(0) else 'after'} it began"


def _round(duration: timedelta) -> str:
    seconds = round(duration.total_seconds())
    for unit in (86400, 3600, 60):
        if seconds >= 10 * unit:
            seconds -= seconds % unit
            break
    return format_duration(timedelta(seconds=seconds))


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"
