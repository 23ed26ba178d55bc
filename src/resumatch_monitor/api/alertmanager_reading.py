"""What Alertmanager's API answers from, and its answers."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from fastapi import Request

from resumatch_monitor import __version__
from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.alertmanager_json import MalformedError, render_alert, render_silence
from resumatch_monitor.api.alertmanager_selection import Selection, parse_filters
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.occurrences.pushed import PushedAlert
from resumatch_monitor.dispatch.routing.route import Route, find_groups
from resumatch_monitor.kit.clock import Clock, isoformat
from resumatch_monitor.metrics.labels import Labels

_VERSION = "0.25.0"
"""The Alertmanager whose answers these are; clients decide by it what they may ask."""

_MOST_ALERTS = 20_000
_YIELD_AFTER = 200
# What depends on another alert, or waits for it to fire.
_DEPENDENT = (MuteKind.DEPENDENT, MuteKind.WAITING)
# Silences and inhibitions have lists of their own; somebody at work on an alert does not hide it.
_NOT_MUTING = (
    MuteKind.SILENCED,
    MuteKind.INHIBITED,
    *_DEPENDENT,
    MuteKind.ACKNOWLEDGED,
)


class Pushed(Protocol):
    """Takes alerts of others."""

    async def take(self, pushed: Sequence[PushedAlert]) -> list[str]:
        """Take alerts; return what is wrong with those that are not taken."""
        ...

    def expires_at(self, fingerprint: str) -> datetime | None:
        """Return when a pushed alert ends unless it is pushed again."""
        ...


@dataclass(frozen=True, slots=True)
class AlertmanagerSources:
    """What the API is served from.

    Attributes:
        route: The routing tree.
        receivers: The names of all receivers.
        mute_of: What holds an alert back.
        inhibitors_of: The fingerprints of the alerts that inhibit one with these labels.
        config: The configuration in Alertmanager's words.
        to_url: Turns a path of the monitor into an address.
        resolve_timeout: After which a pushed alert ends that does not say when it does.
    """

    firing: FiringAlerts
    silences: Silences
    pushed: Pushed
    route: Route
    receivers: Sequence[str]
    mute_of: Callable[[Alert, datetime], Mute | None]
    inhibitors_of: Callable[[Labels], Sequence[str]]
    config: Callable[[], str]
    to_url: Callable[[str], str]
    resolve_timeout: timedelta
    started_at: datetime


class Reading:
    """Answers what is asked."""

    def __init__(self, sources: AlertmanagerSources, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock

    def status(self) -> dict[str, Any]:
        """Return what clients want to know of an Alertmanager."""
        return {
            "cluster": {"name": "", "status": "disabled", "peers": []},
            "config": {"original": self._sources.config()},
            "uptime": isoformat(self._sources.started_at),
            "versionInfo": {
                "version": _VERSION,
                "revision": f"resumatch-monitor-{__version__}",
                "branch": "",
                "buildUser": "",
                "buildDate": "",
                "goVersion": "",
            },
        }

    async def alerts(self, request: Request) -> list[dict[str, Any]]:
        """Return the alerts that are asked for."""
        selection = Selection.parse(request)
        found: list[dict[str, Any]] = []
        async for alert, rendered in self._select(selection):
            if selection.has_receiver(self._receivers(alert)):
                found.append(rendered)
        found.sort(key=lambda each: each["fingerprint"])
        return found

    async def groups(self, request: Request) -> list[dict[str, Any]]:
        """Return them by the groups in which they are told."""
        selection = Selection.parse(request)
        groups: dict[tuple[str, str], tuple[str, Labels, list[dict[str, Any]]]] = {}
        async for alert, rendered in self._select(selection):
            for group_id, route in find_groups(self._sources.route, alert.labels).items():
                if not selection.has_receiver([group_id.receiver]):
                    continue
                labels = route.group_labels(alert.labels)
                key = (repr(labels), group_id.receiver)
                groups.setdefault(key, (group_id.receiver, labels, []))[2].append(rendered)
        ordered = [groups[key] for key in sorted(groups)]
        return [
            {
                "receiver": {"name": receiver},
                "labels": dict(labels),
                "alerts": sorted(alerts, key=lambda each: each["fingerprint"]),
            }
            for receiver, labels, alerts in ordered
        ]

    async def silences(self, request: Request) -> list[dict[str, Any]]:
        """Return the silences with all the matchers that are asked for."""
        wanted = parse_filters(request)
        now = self._clock.now()
        return [
            render_silence(each, now)
            for each in self._sources.silences.list_silences()
            if all(matcher in each.matchers for matcher in wanted)
        ]

    async def silence(self, silence_id: str) -> dict[str, Any]:
        """Return a silence.

        Raises:
            SilenceNotFoundError: If there is none with that id.
        """
        silence = self._sources.silences.get(silence_id)
        return render_silence(silence, self._clock.now())

    async def _select(self, selection: Selection) -> AsyncGenerator[tuple[Alert, dict[str, Any]]]:
        now = self._clock.now()
        count = 0
        for number, alert in enumerate(list(self._sources.firing.find(selection.matchers))):
            if number % _YIELD_AFTER == _YIELD_AFTER - 1:
                await asyncio.sleep(0)
            rendered = self._render(alert, now)
            if not selection.has_state(rendered["status"]):
                continue
            count += 1
            if count > _MOST_ALERTS:
                raise MalformedError(f"more than {_MOST_ALERTS} alerts match; narrow the filter")
            yield alert, rendered

    def _render(self, alert: Alert, now: datetime) -> dict[str, Any]:
        sources = self._sources
        expires_at = sources.pushed.expires_at(alert.fingerprint)
        mute = sources.mute_of(alert, now)
        inhibited_by = list(sources.inhibitors_of(alert.labels))
        if mute is not None and mute.kind in _DEPENDENT:
            inhibited_by.append(mute.by)
        path = alert.generator_path or f"/alerts/{alert.fingerprint}"
        return render_alert(
            alert,
            generator_url=sources.to_url(path),
            receivers=self._receivers(alert),
            ends_at=expires_at or now + sources.resolve_timeout,
            updated_at=now if expires_at is None else min(now, expires_at),
            silenced_by=[each.id for each in sources.silences.silences_of(alert.labels)],
            inhibited_by=inhibited_by,
            muted_by=[mute.by] if mute is not None and mute.kind not in _NOT_MUTING else [],
        )

    def _receivers(self, alert: Alert) -> list[str]:
        groups = find_groups(self._sources.route, alert.labels)
        return list(dict.fromkeys(group_id.receiver for group_id in groups))
