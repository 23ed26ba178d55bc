"""Sentry's ingest endpoints, as its SDKs in servers and browsers use them."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from resumatch_monitor.api.bodies import BodyBudgetError, BodyReader
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.lanes import Handler
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.sentry.intake import Intake, Receipt
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.projects import Project, parse_auth_header
from resumatch_monitor.sentry.quotas import render_limits
from resumatch_monitor.sentry.refusals import (
    CategoriesFullError,
    DisabledKeyError,
    IntakeError,
    ItemTooLargeError,
    MalformedError,
    UnknownProjectError,
    WrongKeyError,
)
from resumatch_monitor.sentry.screening import Sender

logger = logging.getLogger(__name__)

_RATE_LIMITS = "X-Sentry-Rate-Limits"
_CORS_HEADERS = {
    # With `no-store`, Chromium holds a `keepalive` request for unfinished until its answer was
    # read, which SDKs do not do, and after 64 KiB of them sends no more for the page.
    "Cache-Control": "no-cache",
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Authorization, Content-Encoding, Content-Type, X-Sentry-Auth, X-Requested-With, Origin,"
        " Accept, sentry-trace, baggage, traceparent"
    ),
    "Access-Control-Expose-Headers": f"{_RATE_LIMITS}, X-Sentry-Error, Retry-After",
    "Access-Control-Max-Age": "3600",
    # A page under `require-corp` could not read the answer otherwise.
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_STATUS_OF: Mapping[type[IntakeError], HTTPStatus] = {
    MalformedError: HTTPStatus.BAD_REQUEST,
    WrongKeyError: HTTPStatus.FORBIDDEN,
    DisabledKeyError: HTTPStatus.FORBIDDEN,
    UnknownProjectError: HTTPStatus.NOT_FOUND,
    ItemTooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
}
_NATIVE = (
    "Crash dumps of native programs (minidumps, Unreal Engine, consoles) are not taken; errors"
    " sent as envelopes are."
)

_Take = Callable[[Sender, bytes], Awaitable[Receipt]]


def build_router(*, intake: Intake, bodies: BodyReader, metrics: DoorMetrics) -> APIRouter:
    """Return the routes under `/api/{project}/`, each with and without its trailing slash.

    No SDK sends again what was refused, so overload is answered as Sentry answers it: 200 with
    a rate limit that makes the SDK pause.
    """
    router = APIRouter(include_in_schema=False)
    door = _Door(intake, bodies, metrics)
    _add_ingest_routes(router, door, intake)
    _add_refusals(router)
    _add_preflights(router)
    return router


def build_lanes(
    *, intake: Intake, bodies: BodyReader, metrics: DoorMetrics
) -> Mapping[str, Handler]:
    """Return the handlers of the routes that events come by, by how their paths end."""
    door = _Door(intake, bodies, metrics)

    def post_envelope(request: Request, project_id: str) -> Awaitable[Response]:
        return door.answer(request, project_id, intake.take_envelope, needs_key=False)

    def post_event(request: Request, project_id: str) -> Awaitable[Response]:
        return door.answer(request, project_id, intake.take_event)

    return {"envelope": post_envelope, "store": post_event}


def _add_ingest_routes(router: APIRouter, door: "_Door", intake: Intake) -> None:
    @router.post("/api/{project_id}/envelope/")
    @router.post("/api/{project_id}/envelope")
    async def post_envelope(request: Request, project_id: str) -> Response:
        return await door.answer(request, project_id, intake.take_envelope, needs_key=False)

    @router.post("/api/{project_id}/store/")
    @router.post("/api/{project_id}/store")
    async def post_event(request: Request, project_id: str) -> Response:
        return await door.answer(request, project_id, intake.take_event)

    @router.post("/api/{project_id}/security/")
    @router.post("/api/{project_id}/security")
    async def post_report(request: Request, project_id: str) -> Response:
        async def take(sender: Sender, body: bytes) -> Receipt:
            return await intake.take_reports(
                sender,
                body,
                release=request.query_params.get("sentry_release", ""),
                environment=request.query_params.get("sentry_environment", ""),
            )

        return await door.answer(request, project_id, take)

    @router.get("/api/{project_id}/cron/{slug}/{key}/")
    @router.get("/api/{project_id}/cron/{slug}/{key}")
    @router.post("/api/{project_id}/cron/{slug}/{key}/")
    @router.post("/api/{project_id}/cron/{slug}/{key}")
    async def check_in(request: Request, project_id: str, slug: str, key: str) -> Response:
        async def take(sender: Sender, body: bytes) -> Receipt:
            return await intake.take_check_in(sender, slug, request.query_params, body)

        return await door.answer(request, project_id, take, key=key)

    @router.post("/tunnel/")
    @router.post("/tunnel")
    async def post_tunnelled(request: Request) -> Response:
        return await door.answer_tunnelled(request)


def _add_refusals(router: APIRouter) -> None:
    @router.post("/api/{project_id}/minidump/")
    @router.post("/api/{project_id}/minidump")
    @router.post("/api/{project_id}/playstation/")
    @router.post("/api/{project_id}/playstation")
    async def refuse_minidump(project_id: str) -> Response:
        del project_id
        return _render_refusal(HTTPStatus.BAD_REQUEST, "unsupported", _NATIVE)

    @router.post("/api/{project_id}/unreal/{key}/")
    @router.post("/api/{project_id}/unreal/{key}")
    async def refuse_unreal(project_id: str, key: str) -> Response:
        del project_id, key
        return _render_refusal(HTTPStatus.BAD_REQUEST, "unsupported", _NATIVE)


def _add_preflights(router: APIRouter) -> None:
    @router.options("/api/{project_id}/envelope/")
    @router.options("/api/{project_id}/envelope")
    @router.options("/api/{project_id}/store/")
    @router.options("/api/{project_id}/store")
    @router.options("/api/{project_id}/security/")
    @router.options("/api/{project_id}/security")
    @router.options("/tunnel/")
    @router.options("/tunnel")
    async def allow_origin() -> Response:
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=_CORS_HEADERS)


class _Door:
    """Turns what the intake says into the answers that SDKs understand."""

    def __init__(self, intake: Intake, bodies: BodyReader, metrics: DoorMetrics) -> None:
        self._intake = intake
        self._bodies = bodies
        self._rejected = metrics.rejected

    async def answer(
        self,
        request: Request,
        project_id: str,
        take: _Take,
        *,
        needs_key: bool = True,
        key: str | None = None,
    ) -> Response:
        async def receive() -> Receipt:
            project = self._intake.find_project(project_id)
            try:
                sender = self._identify(request, project, key or _find_key(request), needs_key)
                async with self._bodies.read(request) as body:
                    return await take(sender, body)
            except (WrongKeyError, DisabledKeyError, ApiError) as error:
                # What an item is refused for, the intake has counted by itself.
                if not isinstance(error, BodyBudgetError):
                    self._intake.refuse(project, _reason_of(error))
                raise

        return await self._render(receive())

    async def answer_tunnelled(self, request: Request) -> Response:
        async def receive() -> Receipt:
            async with self._bodies.read(request) as body:
                return await self._intake.take_tunnelled(
                    body, address=_find_address(request), user_agent=_find_user_agent(request)
                )

        return await self._render(receive())

    def _identify(
        self, request: Request, project: Project, key: str | None, needs_key: bool
    ) -> Sender:
        is_named = key is not None or needs_key
        return Sender(
            project=project,
            key=self._intake.check_key(project, key) if is_named else None,
            address=_find_address(request),
            user_agent=_find_user_agent(request),
        )

    async def _render(self, receiving: Awaitable[Receipt]) -> Response:
        try:
            receipt = await receiving
        except SpoolFullError as error:
            categories = error.categories if isinstance(error, CategoriesFullError) else ()
            return _render_overload(str(error.reason), categories)
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
            logger.exception("What an SDK sent could not be taken")
            return _render_refusal(500, "internal_error", "The monitor failed to take this.")
        content = {} if receipt.event_id is None else {"id": receipt.event_id}
        limits = render_limits(receipt.limits)
        headers = {**_CORS_HEADERS, _RATE_LIMITS: limits} if limits else _CORS_HEADERS
        return JSONResponse(content, headers=headers)


def _reason_of(error: IntakeError | ApiError) -> str:
    return error.reason if isinstance(error, IntakeError) else error.code


def _find_key(request: Request) -> str | None:
    for name in ("x-sentry-auth", "authorization"):
        key = parse_auth_header(request.headers.get(name, ""))
        if key is not None:
            return key
    return request.query_params.get("sentry_key")


def _find_address(request: Request) -> str:
    """Return where a request came from; the server believes a proxy's word if it is trusted."""
    return request.client.host if request.client is not None else ""


def _find_user_agent(request: Request) -> str:
    return request.headers.get("user-agent", "")[:1_000]


def _render_refusal(
    status: int, reason: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    return JSONResponse(
        {"detail": message, "causes": [reason]},
        status_code=status,
        headers={**_CORS_HEADERS, "X-Sentry-Error": reason, **(headers or {})},
    )


def _render_overload(reason: str, categories: Sequence[str] = ()) -> Response:
    what = "Nothing" if not categories else f"Nothing of {', '.join(categories)}"
    limits = f"60:{';'.join(categories)}:organization"
    return JSONResponse(
        {"detail": f"{what} was taken; send again later.", "causes": [reason]},
        headers={**_CORS_HEADERS, _RATE_LIMITS: limits, "X-Sentry-Error": reason},
    )
