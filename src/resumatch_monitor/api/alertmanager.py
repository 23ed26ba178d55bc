"""Alertmanager's API, version 2, as Prometheus, amtool and Grafana use it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Protocol

import orjson
from fastapi import APIRouter, Depends, Request, Response

from resumatch_monitor import __version__
from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.alertmanager_json import (
    MalformedError,
    parse_alerts,
    parse_silence,
    render_alert,
    render_silence,
)
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard, Principal
from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind
from resumatch_monitor.dispatch.muting.silence import InvalidSilenceError, SilenceNotFoundError
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.occurrences.pushed import PushedAlert, TooManyAlertsError
from resumatch_monitor.dispatch.routing.route import Route, find_groups
from resumatch_monitor.kit.clock import Clock, isoformat
from resumatch_monitor.kit.regex import Regex, RegexError
from resumatch_monitor.metrics.labels import Labels, Matcher

_VERSION = "0.25.0"
"""The Alertmanager whose answers these are; clients decide by it what they may ask."""

_MOST_ALERTS = 20_000
_MOST_FILTERS = 32
_YIELD_AFTER = 200
_RETRY_AFTER_SECONDS = 30
# Silences and inhibitions have lists of their own; somebody at work on an alert does not hide it.
_NOT_MUTING = (
    MuteKind.SILENCED,
    MuteKind.INHIBITED,
    MuteKind.DEPENDENT,
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


def build_router(
    *, sources: AlertmanagerSources, bodies: BodyReader, guard: Guard, clock: Clock
) -> APIRouter:
    """Return the routes under `/api/v2`: reading for viewers, changing for editors.

    As Alertmanager does, errors of a request are answered with a JSON text.
    """
    router = APIRouter(prefix="/api/v2", dependencies=[Depends(guard.viewer)])
    reading, writing = _Reading(sources, clock), _Writing(sources, bodies, clock)

    @router.get("/status")
    async def get_status() -> Response:
        return _answer(reading.status())

    @router.get("/receivers")
    async def get_receivers() -> Response:
        return _answer([{"name": name} for name in sources.receivers])

    @router.get("/alerts")
    async def get_alerts(request: Request) -> Response:
        return await _explain(reading.alerts(request))

    @router.get("/alerts/groups")
    async def get_groups(request: Request) -> Response:
        return await _explain(reading.groups(request))

    @router.post("/alerts", dependencies=[Depends(guard.editor)])
    async def post_alerts(request: Request) -> Response:
        return await _explain(writing.push(request))

    @router.get("/silences")
    async def get_silences(request: Request) -> Response:
        return await _explain(reading.silences(request))

    @router.post("/silences")
    async def post_silences(
        request: Request, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> Response:
        return await _explain(writing.silence(request, principal))

    @router.get("/silence/{silence_id}")
    async def get_silence(silence_id: str) -> Response:
        return await _explain(reading.silence(silence_id))

    @router.delete("/silence/{silence_id}")
    async def delete_silence(
        silence_id: str, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> Response:
        return await _explain(writing.expire(silence_id, principal))

    return router


class _Reading:
    """Answers what is asked."""

    def __init__(self, sources: AlertmanagerSources, clock: Clock) -> None:
        self._sources = sources
        self._clock = clock

    def status(self) -> dict[str, Any]:
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

    async def alerts(self, request: Request) -> Response:
        selection = _Selection.parse(request)
        found: list[dict[str, Any]] = []
        async for alert, rendered in self._select(selection):
            if selection.has_receiver(self._receivers(alert)):
                found.append(rendered)
        found.sort(key=lambda each: each["fingerprint"])
        return _answer(found)

    async def groups(self, request: Request) -> Response:
        selection = _Selection.parse(request)
        groups: dict[tuple[str, str], tuple[str, Labels, list[dict[str, Any]]]] = {}
        async for alert, rendered in self._select(selection):
            for group_id, route in find_groups(self._sources.route, alert.labels).items():
                if not selection.has_receiver([group_id.receiver]):
                    continue
                labels = route.group_labels(alert.labels)
                key = (repr(labels), group_id.receiver)
                groups.setdefault(key, (group_id.receiver, labels, []))[2].append(rendered)
        ordered = [groups[key] for key in sorted(groups)]
        return _answer(
            [
                {
                    "receiver": {"name": receiver},
                    "labels": dict(labels),
                    "alerts": sorted(alerts, key=lambda each: each["fingerprint"]),
                }
                for receiver, labels, alerts in ordered
            ]
        )

    async def silences(self, request: Request) -> Response:
        wanted = _parse_filters(request)
        now = self._clock.now()
        return _answer(
            [
                render_silence(each, now)
                for each in self._sources.silences.list_silences()
                if all(matcher in each.matchers for matcher in wanted)
            ]
        )

    async def silence(self, silence_id: str) -> Response:
        silence = self._sources.silences.get(silence_id)
        return _answer(render_silence(silence, self._clock.now()))

    async def _select(
        self, selection: "_Selection"
    ) -> AsyncGenerator[tuple[Alert, dict[str, Any]]]:
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
        if mute is not None and mute.kind is MuteKind.DEPENDENT:
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


class _Writing:
    """Carries out what is asked for."""

    def __init__(self, sources: AlertmanagerSources, bodies: BodyReader, clock: Clock) -> None:
        self._sources = sources
        self._bodies = bodies
        self._clock = clock

    async def push(self, request: Request) -> Response:
        async with self._bodies.read(request) as body:
            alerts, problems = parse_alerts(body)
        try:
            problems.extend(await self._sources.pushed.take(alerts))
        except TooManyAlertsError as error:
            response = _complain(HTTPStatus.TOO_MANY_REQUESTS, str(error))
            response.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
            return response
        if problems:
            # Those that are valid were taken all the same, as by Alertmanager.
            return _complain(HTTPStatus.BAD_REQUEST, "; ".join(problems[:20]))
        return Response(status_code=HTTPStatus.OK)

    async def silence(self, request: Request, principal: Principal) -> Response:
        async with self._bodies.read(request) as body:
            draft = parse_silence(body, author=principal.name)
        silence = await self._sources.silences.set(draft)
        return _answer({"silenceID": silence.id})

    async def expire(self, silence_id: str, principal: Principal) -> Response:
        await self._sources.silences.expire(silence_id, by=principal.name)
        return Response(status_code=HTTPStatus.OK)


@dataclass(frozen=True, slots=True)
class _Selection:
    """Which alerts are asked for."""

    matchers: tuple[Matcher, ...]
    receiver: Regex | None
    is_active: bool
    is_silenced: bool
    is_inhibited: bool
    is_muted: bool

    @classmethod
    def parse(cls, request: Request) -> "_Selection":
        """Read the parameters.

        Raises:
            MalformedError: If a filter is no matcher or the receiver no regular expression.
        """
        pattern = request.query_params.get("receiver")
        try:
            receiver = None if pattern is None else Regex(pattern)
        except RegexError as error:
            raise MalformedError(f"failed to parse receiver param: {error}") from error
        flags = {
            name: request.query_params.get(name, "true").lower() not in ("false", "0", "f")
            for name in ("active", "silenced", "inhibited", "muted")
        }
        return cls(
            _parse_filters(request),
            receiver,
            flags["active"],
            flags["silenced"],
            flags["inhibited"],
            flags["muted"],
        )

    def has_state(self, status: dict[str, Any]) -> bool:
        """Tell whether alerts with this status are asked for."""
        if status["state"] == "active":
            return self.is_active
        return (
            (self.is_silenced or not status["silencedBy"])
            and (self.is_inhibited or not status["inhibitedBy"])
            and (self.is_muted or not status["mutedBy"])
        )

    def has_receiver(self, names: Iterable[str]) -> bool:
        """Tell whether one of the receivers is asked for."""
        return self.receiver is None or any(self.receiver.matches(name) for name in names)


def _parse_filters(request: Request) -> tuple[Matcher, ...]:
    texts = request.query_params.getlist("filter")
    if len(texts) > _MOST_FILTERS:
        raise MalformedError(f"there may be at most {_MOST_FILTERS} filters")
    try:
        return tuple(matcher for text in texts for matcher in parse_matchers(text))
    except ValueError as error:
        raise MalformedError(str(error)) from error


async def _explain(answer: Awaitable[Response]) -> Response:
    """Return the answer, or what is wrong with the question."""
    try:
        return await answer
    except (MalformedError, InvalidSilenceError) as error:
        return _complain(HTTPStatus.BAD_REQUEST, str(error))
    except SilenceNotFoundError as error:
        return _complain(HTTPStatus.NOT_FOUND, str(error))
    except ApiError as error:
        response = _complain(error.status, error.message)
        response.headers.update(error.headers)
        return response


def _complain(status: int, text: str) -> Response:
    return Response(orjson.dumps(text), status_code=status, media_type="application/json")


def _answer(content: Any) -> Response:
    return Response(
        orjson.dumps(content),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
