"""The first page: is everything all right, what is firing, what changed."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from resumatch_monitor.alerts.alert import Alert, AlertSource, AlertStatus
from resumatch_monitor.api.alerts_render import render_alert
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.probes import render_probe
from resumatch_monitor.dispatch.reading import AlertReader, AlertRecord, DeliveryReader, Transition
from resumatch_monitor.errortracking.issues import Change
from resumatch_monitor.errortracking.present import present_issue
from resumatch_monitor.errortracking.store import IssueOverview
from resumatch_monitor.kit.clock import Clock, isoformat
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.probes.outage import ProbeStatus
from resumatch_monitor.probes.reader import OutageChange, ProbeReader, ProbeView

_MOST_FIRING = 10
_MOST_PROBES = 20
_MOST_ISSUES = 8
_MOST_CHANGES = 20
_MOST_TRANSITIONS = 100
_MOST_ISSUE_CHANGES = 100
_MOST_NEW_ISSUES = 6
_MOST_NAMES = 3
_CHANGES_WINDOW = timedelta(days=1)
_SEVERITY_ORDER = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of what needs attention."""

    firing_alerts: int
    firing_critical: int
    firing_warning: int
    pending: int
    unresolved_issues: int
    probes_down: int
    targets_down: int
    failed_deliveries: int

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class OverviewSources:
    """Where the overview gets what it shows.

    Attributes:
        count_open: How many alerts, by severity, fire and are neither in hand nor held back.
        pending: Alerts whose condition has not held for long enough.
        receivers: Who hears of an alert with these labels.
        has_channel: Whether any alert can reach anybody outside the monitor's pages.
        count_targets_down: How many scrape targets and collectors do not answer.
        started_at: When the monitor started.
    """

    alerts: AlertReader
    deliveries: DeliveryReader
    issues: IssueOverview
    probes: ProbeReader
    count_open: Callable[[], Awaitable[Mapping[str, int]]]
    pending: Callable[[], Sequence[Alert]]
    receivers: Callable[[Labels], Sequence[str]]
    has_channel: Callable[[], bool]
    count_targets_down: Callable[[], int]
    started_at: datetime


def build_router(*, sources: OverviewSources, clock: Clock, guard: Guard) -> APIRouter:
    """Return `/api/monitor/overview` and `/api/monitor/nav`."""
    router = APIRouter(prefix="/api/monitor", dependencies=[Depends(guard.viewer)])

    @router.get("/overview")
    async def read_overview(request: Request) -> Response:
        now = clock.now()
        content = await _build_overview(sources, now)
        etag = _build_etag(content)
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        body = orjson.dumps({**content, "generated_at": isoformat(now)})
        return Response(body, media_type="application/json", headers=headers)

    @router.get("/nav")
    async def read_nav() -> dict[str, int]:
        unresolved, firing, still_open, down = await asyncio.gather(
            sources.issues.count_unresolved(),
            sources.alerts.count_firing(),
            sources.count_open(),
            sources.probes.count_down(),
        )
        return {
            "unresolved_issues": unresolved,
            "firing_alerts": sum(firing.values()),
            "firing_critical": firing.get("critical", 0),
            "open_alerts": sum(still_open.values()),
            "open_critical": still_open.get("critical", 0),
            "probes_down": down,
        }

    return router


def _build_etag(content: Mapping[str, Any]) -> str:
    # What moves with the clock alone is left out, or no two answers would be alike.
    probes = [
        {
            **probe,
            "beats": [(beat["state"], beat["duration_seconds"]) for beat in probe["beats"]],
            "outage": probe["outage"] and {**probe["outage"], "duration_seconds": None},
        }
        for probe in content["probes"]
    ]
    essence = orjson.dumps({**content, "probes": probes})
    return f'"{hashlib.blake2b(essence, digest_size=12).hexdigest()}"'


async def _build_overview(sources: OverviewSources, now: datetime) -> dict[str, Any]:
    since = now - _CHANGES_WINDOW
    firing_counts, firing, failed, unresolved, issues, probes = await asyncio.gather(
        sources.alerts.count_firing(),
        sources.alerts.list_alerts(status=AlertStatus.FIRING, severity=None, after=None, limit=200),
        sources.deliveries.count_failed(since),
        sources.issues.count_unresolved(),
        sources.issues.newest_unresolved(_MOST_ISSUES, now),
        sources.probes.list_probes(),
    )
    transitions, issue_changes, outage_changes = await asyncio.gather(
        sources.alerts.list_transitions(since, limit=_MOST_TRANSITIONS),
        sources.issues.changes_since(since, _MOST_ISSUE_CHANGES),
        sources.probes.find_changes(since, _MOST_CHANGES),
    )
    counts = Counts(
        firing_alerts=sum(firing_counts.values()),
        firing_critical=firing_counts.get("critical", 0),
        firing_warning=_count_warnings(firing_counts),
        pending=len(sources.pending()),
        unresolved_issues=unresolved,
        probes_down=sum(probe.status is ProbeStatus.DOWN for probe in probes),
        targets_down=sources.count_targets_down(),
        failed_deliveries=failed,
    )
    firing = sorted(firing, key=_urgency)
    degraded = sum(probe.status is ProbeStatus.DEGRADED for probe in probes)
    names = [record.alert.name for record in firing if record.alert.severity != "info"]
    status, sentence = judge(counts, degraded, names)
    changes = [
        *(_render_transition(each) for each in transitions if _is_news(each)),
        *_render_issue_changes(issue_changes),
        *map(_render_outage_change, outage_changes),
        _render_start(sources.started_at),
    ]
    changes.sort(key=lambda change: change["at"], reverse=True)
    return {
        "status": status,
        "sentence": sentence,
        "has_channel": sources.has_channel(),
        "counts": counts.as_dict(),
        "firing": [
            render_alert(record, receivers=sources.receivers(record.alert.labels))
            for record in firing[:_MOST_FIRING]
        ],
        "probes": [render_probe(probe, now) for probe in _worst_first(probes)[:_MOST_PROBES]],
        "issues": [present_issue(issue, now) for issue in issues],
        "changes": changes[:_MOST_CHANGES],
    }


def judge(counts: Counts, degraded_probes: int, firing_names: Sequence[str]) -> tuple[str, str]:
    """Return the overall status and one sentence that says why.

    Args:
        counts: What needs attention.
        degraded_probes: How many probes answer slowly or not every time.
        firing_names: Names of the alerts that fire, the most urgent first.
    """
    sentences = [
        *_tell_firing(counts, firing_names),
        _enumerate(
            (counts.probes_down, "monitor", " down"),
            (degraded_probes, "monitor", " degraded"),
            (counts.targets_down, "target", " not answering"),
            (counts.failed_deliveries, "notification", " not delivered"),
        ),
    ]
    sentence = " ".join(f"{each}." for each in sentences if each)
    if not sentence:
        return "ok", "No alert is firing, and whatever is watched answers."
    is_down = counts.firing_critical > 0 or counts.probes_down > 0
    return ("down" if is_down else "degraded"), sentence


def _tell_firing(counts: Counts, names: Sequence[str]) -> list[str]:
    what = _enumerate(
        (counts.firing_critical, "critical alert", ""), (counts.firing_warning, "warning", "")
    )
    if not what:
        return []
    unique = list(dict.fromkeys(names))
    more = f" and {len(unique) - _MOST_NAMES} more" if len(unique) > _MOST_NAMES else ""
    shown = ", ".join(unique[:_MOST_NAMES])
    return [f"{what} firing{f': {shown}{more}' if shown else ''}"]


def _enumerate(*counted: tuple[int, str, str]) -> str:
    """Return "2 monitors down, 1 target not answering" without what there is none of."""
    return ", ".join(
        f"{number} {noun}{'' if number == 1 else 's'}{state}"
        for number, noun, state in counted
        if number
    )


def _count_warnings(counts: Mapping[str, int]) -> int:
    return sum(
        number for severity, number in counts.items() if severity not in {"critical", "info"}
    )


def _urgency(record: AlertRecord) -> tuple[int, float]:
    alert = record.alert
    return _SEVERITY_ORDER.get(alert.severity, 1), -alert.starts_at.timestamp()


def _worst_first(probes: Sequence[ProbeView]) -> list[ProbeView]:
    order = {ProbeStatus.DOWN: 0, ProbeStatus.DEGRADED: 1}
    return sorted(probes, key=lambda probe: order.get(probe.status, 2))


def _is_news(transition: Transition) -> bool:
    # What an issue or a probe raised is told as that issue's or that outage's own change.
    return transition.alert.source is AlertSource.RULE


def _render_transition(transition: Transition) -> dict[str, Any]:
    alert = transition.alert
    is_firing = transition.status is AlertStatus.FIRING
    return {
        "at": isoformat(transition.at),
        "kind": "alert_firing" if is_firing else "alert_resolved",
        "title": alert.annotations.get("summary") or alert.name,
        "severity": alert.severity if is_firing else "ok",
        "path": f"/alerts/{alert.fingerprint}",
    }


def _render_issue_changes(changes: Sequence[Change]) -> list[dict[str, Any]]:
    # A release that brings fifty new issues must not hide the outage that it brought as well.
    new = [change for change in changes if change.kind == "issue_new"]
    folded = new[_MOST_NEW_ISSUES:] if len(new) > _MOST_NEW_ISSUES + 1 else []
    shown = [_render_issue_change(each) for each in changes if each not in folded]
    if folded:
        more = len(folded)
        at_least = "at least " if len(changes) >= _MOST_ISSUE_CHANGES else ""
        summary = {"title": f"{at_least}{more} more before", "path": "/issues?sort=first_seen"}
        shown.append({**_render_issue_change(folded[0]), "severity": "info", **summary})
    return shown


def _render_issue_change(change: Change) -> dict[str, Any]:
    return {
        "at": isoformat(change.at),
        "kind": change.kind,
        "title": change.title,
        "severity": change.severity,
        "path": change.path,
    }


def _render_outage_change(change: OutageChange) -> dict[str, Any]:
    return {
        "at": isoformat(change.at),
        "kind": "outage_opened" if change.is_opening else "outage_closed",
        "title": f"{change.probe_name} is {'down' if change.is_opening else 'up again'}",
        "severity": "critical" if change.is_opening else "ok",
        "path": f"/monitors/{change.outage.probe_id}",
    }


def _render_start(started_at: datetime) -> dict[str, Any]:
    return {
        "at": isoformat(started_at),
        "kind": "monitor_started",
        "title": "ResuMatch Monitor",
        "severity": "info",
        "path": "/targets",
    }
