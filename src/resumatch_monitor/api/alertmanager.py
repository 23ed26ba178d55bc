"""Alertmanager's API, version 2, as Prometheus, amtool and Grafana use it."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from resumatch_monitor.api.alertmanager_json import (
    MalformedError,
    parse_alerts,
    parse_silence,
)
from resumatch_monitor.api.alertmanager_reading import AlertmanagerSources, Reading
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard, Principal
from resumatch_monitor.dispatch.muting.silence import InvalidSilenceError, SilenceNotFoundError
from resumatch_monitor.dispatch.occurrences.pushed import TooManyAlertsError
from resumatch_monitor.kit.clock import Clock

_RETRY_AFTER_SECONDS = 30


def build_router(
    *, sources: AlertmanagerSources, bodies: BodyReader, guard: Guard, clock: Clock
) -> APIRouter:
    """Return the routes under `/api/v2`: reading for viewers, changing for editors.

    As Alertmanager does, errors of a request are answered with a JSON text.
    """
    router = APIRouter(prefix="/api/v2", dependencies=[Depends(guard.viewer)])
    reading, writing = Reading(sources, clock), _Writing(sources, bodies, clock)

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


async def _explain(answer: Awaitable[Any]) -> Response:
    """Return the answer, or what is wrong with the question."""
    try:
        content = await answer
    except (MalformedError, InvalidSilenceError) as error:
        return _complain(HTTPStatus.BAD_REQUEST, str(error))
    except SilenceNotFoundError as error:
        return _complain(HTTPStatus.NOT_FOUND, str(error))
    except ApiError as error:
        response = _complain(error.status, error.message)
        response.headers.update(error.headers)
        return response
    return content if isinstance(content, Response) else _answer(content)


def _complain(status: int, text: str) -> Response:
    return Response(orjson.dumps(text), status_code=status, media_type="application/json")


def _answer(content: Any) -> Response:
    return Response(
        orjson.dumps(content),
        media_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
