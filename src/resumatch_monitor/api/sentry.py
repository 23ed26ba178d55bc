"""Sentry's ingest endpoints, as its SDKs in servers and browsers use them."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from resumatch_monitor.api.bodies import BodyBudgetError, BodyReader
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.sentry.addresses import anonymise_address
from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.intake import Intake, Receipt
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.projects import parse_auth_header
from resumatch_monitor.sentry.refusals import (
    IntakeError,
    ItemTooLargeError,
    MalformedError,
    UnknownProjectError,
    WrongKeyError,
)

logger = logging.getLogger(__name__)

_RATE_LIMITS = "X-Sentry-Rate-Limits"
_CORS_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Encoding, Content-Type, X-Sentry-Auth, sentry-trace, baggage"
    ),
    "Access-Control-Expose-Headers": f"{_RATE_LIMITS}, X-Sentry-Error, Retry-After",
    "Access-Control-Max-Age": "3600",
    # A page under `require-corp` could not read the answer otherwise.
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_STATUS_OF: Mapping[type[IntakeError], HTTPStatus] = {
    MalformedError: HTTPStatus.BAD_REQUEST,
    WrongKeyError: HTTPStatus.FORBIDDEN,
    UnknownProjectError: HTTPStatus.NOT_FOUND,
    ItemTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}


@dataclass(frozen=True, slots=True)
class _Sent:
    """What came for a project."""

    project: ProjectConfig
    body: bytes
    is_authenticated: bool
    client_address: str


_Take = Callable[[_Sent], Awaitable[Receipt]]


def build_router(*, intake: Intake, bodies: BodyReader, metrics: DoorMetrics) -> APIRouter:
    """Return the routes under `/api/{project}/`, each with and without its trailing slash.

    No SDK sends again what was refused, so overload is answered as Sentry answers it: 200 with
    a rate limit that makes the SDK pause.
    """
    router = APIRouter(include_in_schema=False)
    door = _Door(intake, bodies, metrics)

    @router.post("/api/{project_id}/envelope/")
    @router.post("/api/{project_id}/envelope")
    async def post_envelope(request: Request, project_id: str) -> Response:
        return await door.answer(request, project_id, door.take_envelope)

    @router.post("/api/{project_id}/store/")
    @router.post("/api/{project_id}/store")
    async def post_event(request: Request, project_id: str) -> Response:
        return await door.answer(request, project_id, door.take_event)

    @router.options("/api/{project_id}/envelope/")
    @router.options("/api/{project_id}/envelope")
    @router.options("/api/{project_id}/store/")
    @router.options("/api/{project_id}/store")
    async def allow_origin(project_id: str) -> Response:
        del project_id
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=_CORS_HEADERS)

    return router


class _Door:
    """Turns what the intake says into the answers that SDKs understand."""

    def __init__(self, intake: Intake, bodies: BodyReader, metrics: DoorMetrics) -> None:
        self._intake = intake
        self._bodies = bodies
        self._rejected = metrics.rejected

    async def take_envelope(self, sent: _Sent) -> Receipt:
        return await self._intake.take_envelope(
            sent.project,
            sent.body,
            is_authenticated=sent.is_authenticated,
            client_address=sent.client_address,
        )

    async def take_event(self, sent: _Sent) -> Receipt:
        if not sent.is_authenticated:
            self._intake.check_key(sent.project, None)
        return await self._intake.take_event(
            sent.project, sent.body, client_address=sent.client_address
        )

    async def answer(self, request: Request, project_id: str, take: _Take) -> Response:
        try:
            receipt = await self._take(request, project_id, take)
        except SpoolFullError as error:
            return _render_overload(str(error.reason))
        except BodyBudgetError as error:
            self._rejected.labels("errors", error.code).inc()
            return _render_overload(error.code)
        except IntakeError as error:
            self._rejected.labels("errors", error.reason).inc()
            return _render_refusal(_STATUS_OF[type(error)], error.reason, str(error))
        except ApiError as error:
            self._rejected.labels("errors", error.code).inc()
            return _render_refusal(error.status, error.code, error.message, error.headers)
        except Exception:
            logger.exception("An envelope for project %.20s could not be taken", project_id)
            return _render_refusal(500, "internal_error", "The monitor failed to take this.")
        content = {} if receipt.event_id is None else {"id": receipt.event_id}
        return JSONResponse(content, headers=_CORS_HEADERS)

    async def _take(self, request: Request, project_id: str, take: _Take) -> Receipt:
        project = self._intake.find_project(project_id)
        key = _find_key(request)
        if key is not None:
            self._intake.check_key(project, key)
        async with self._bodies.read(request) as body:
            address = request.client.host if request.client is not None else ""
            return await take(_Sent(project, body, key is not None, anonymise_address(address)))


def _find_key(request: Request) -> str | None:
    for name in ("x-sentry-auth", "authorization"):
        key = parse_auth_header(request.headers.get(name, ""))
        if key is not None:
            return key
    return request.query_params.get("sentry_key")


def _render_refusal(
    status: int, reason: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse(
        {"detail": message, "causes": [reason]},
        status_code=status,
        headers={**_CORS_HEADERS, "X-Sentry-Error": reason, **(headers or {})},
    )


def _render_overload(reason: str) -> Response:
    return JSONResponse(
        {"detail": "Nothing was taken; send again later.", "causes": [reason]},
        headers={**_CORS_HEADERS, _RATE_LIMITS: "60::organization", "X-Sentry-Error": reason},
    )
