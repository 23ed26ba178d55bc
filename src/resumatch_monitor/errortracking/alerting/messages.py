"""Alerts about issues, as the one way of all alerts takes them."""

from datetime import datetime

from resumatch_monitor.alerts.alert import ALERT_NAME, SEVERITY, Alert, AlertSource
from resumatch_monitor.errortracking.alerting.storm import Storm
from resumatch_monitor.errortracking.store import FINDING_RULE, AlertKind, OpenAlert, PendingAlert
from resumatch_monitor.metrics.labels import Labels

_NAMES = {
    AlertKind.NEW: "NewIssue",
    AlertKind.REGRESSED: "IssueRegressed",
    AlertKind.ESCALATED: "IssueEscalating",
    AlertKind.EVENTS: "IssueEvents",
    AlertKind.USERS: "IssueUsers",
    AlertKind.PROJECT_EVENTS: "ProjectEvents",
}
_VERBS = {
    AlertKind.NEW: "New issue",
    AlertKind.REGRESSED: "Resolved issue is back",
    AlertKind.ESCALATED: "Archived issue escalates",
}
_UNNAMED = frozenset({"", "new", "regressed", "escalating"})
"""The default rules, by which nobody needs to route."""
_LONGEST_SUMMARY = 300
_LONGEST_DESCRIPTION = 800


def make_alert(pending: PendingAlert, severity: str) -> Alert:
    """Return the alert that a rule over issues gives.

    Args:
        pending: What is to be told.
        severity: Where the rule says none.
    """
    issue, kind = pending.issue, pending.kind
    labels = {
        ALERT_NAME: _NAMES[kind],
        SEVERITY: pending.severity or severity,
        "project": issue.project_slug,
    }
    if kind is not AlertKind.PROJECT_EVENTS:
        labels["issue"] = issue.short_id
    if pending.rule not in _UNNAMED:
        labels["rule"] = pending.rule
    if not pending.lasts and kind is not AlertKind.NEW:
        # Each time it is told, so each is an alert of its own.
        labels["occurrence"] = str(pending.occurrence)
    where = f" in {issue.culprit}" if issue.culprit else ""
    release = pending.release or issue.last_release
    in_release = f" (release {release})" if release else ""
    remark = f" {pending.remark}." if pending.remark else ""
    return Alert(
        labels=Labels.of(labels),
        annotations={
            "summary": _summarise(pending)[:_LONGEST_SUMMARY],
            "description": (f"{issue.short_id}: {issue.title[:500]}{where}{in_release}.{remark}")[
                :_LONGEST_DESCRIPTION
            ],
        },
        starts_at=pending.at,
        source=AlertSource.ISSUE,
        generator_path=_path_of(pending),
        is_event=not pending.lasts,
        value=None if pending.value is None else float(pending.value),
    )


def _summarise(pending: PendingAlert) -> str:
    issue = pending.issue
    if pending.kind is AlertKind.PROJECT_EVENTS:
        return f"{pending.value} events of {issue.project_slug}, at last {issue.title}"
    if pending.kind.is_counting:
        what = "users" if pending.kind is AlertKind.USERS else "events"
        return f"{pending.value} {what}: {issue.title}"
    # Of what came back people ask first in which release.
    is_back = pending.kind is AlertKind.REGRESSED and pending.release
    where = f" in {pending.release}" if is_back else ""
    return f"{_VERBS[pending.kind]}{where}: {issue.title}"


def _path_of(pending: PendingAlert) -> str:
    if pending.kind is AlertKind.PROJECT_EVENTS:
        return f"/issues?project={pending.issue.project_id}"
    return f"/issues/{pending.issue.id}"


def make_storm_alert(storm: Storm, *, ended_at: datetime | None = None) -> Alert:
    """Return the alert that tells of a storm, or of its end."""
    opened_at = storm.opened_at
    assert opened_at is not None
    counts: list[str] = []
    if storm.new_count:
        counts.append(f"{storm.new_count} new issue{'s' * (storm.new_count != 1)}")
    if storm.back_count:
        counts.append(f"{storm.back_count} that came back")
    summary = f"{' and '.join(counts)} since {opened_at:%H:%M} UTC in {storm.project_slug}"
    short_id, title, _ = storm.worst
    releases = sorted(storm.releases.items(), key=lambda each: -each[1])
    in_release = f", mostly in release {releases[0][0]}" if releases else ""
    return Alert(
        labels=Labels.of(
            {
                ALERT_NAME: "IssueStorm",
                SEVERITY: storm.severity,
                "project": storm.project_slug,
            }
        ),
        annotations={
            "summary": f"{summary}{in_release}"[:_LONGEST_SUMMARY],
            "description": f"{summary}{in_release}. The worst: {short_id}, {title}."[
                :_LONGEST_DESCRIPTION
            ],
        },
        starts_at=opened_at,
        ends_at=ended_at,
        source=AlertSource.ISSUE,
        generator_path=f"/issues?project={storm.project_id}&sort=first_seen",
        value=float(storm.new_count + storm.back_count),
    )


def make_end(alert: OpenAlert) -> Alert:
    """Return the alert that tells that another one is over."""
    return Alert(
        labels=Labels.of(alert.labels),
        annotations=alert.annotations,
        starts_at=alert.started_at,
        ends_at=alert.ended_at,
        source=AlertSource.PERFORMANCE if alert.rule == FINDING_RULE else AlertSource.ISSUE,
        generator_path=(
            f"/issues/{alert.issue_id}" if alert.issue_id else f"/issues?project={alert.project_id}"
        ),
    )
