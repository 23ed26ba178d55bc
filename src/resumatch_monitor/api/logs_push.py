"""Doors for records as lines of JSON: by whoever can post, and by Vercel's log drains."""

import asyncio
from http import HTTPStatus

import orjson
from fastapi import APIRouter, Depends, Request, Response

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError, render_error
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.logs.formats.documents import PLAIN
from resumatch_monitor.logs.formats.vercel import VERCEL
from resumatch_monitor.logs.lines import LinesError, split_records
from resumatch_monitor.logs.receiver import LogReceiver
from resumatch_monitor.logs.vercel_drains import VercelDrain, VercelDrains

_SOURCE = "http"
_LONGEST_HINT = 200
_LARGEST_PARSED_AT_ONCE = 256 * 1024
_VERIFY = "x-vercel-verify"
_SIGNATURE = "x-vercel-signature"


def build_router(*, receiver: LogReceiver, bodies: BodyReader, guard: Guard) -> APIRouter:
    """Return the route that takes lines, for editors."""
    router = APIRouter(dependencies=[Depends(guard.editor)])

    @router.post("/api/monitor/logs/ingest")
    async def ingest(request: Request) -> Response:
        hints = {"source": _SOURCE}
        for name in ("service", "environment", "release", "host"):
            value = request.query_params.get(name, "")
            if len(value) > _LONGEST_HINT:
                raise BadRequestError(f"{name} has at most {_LONGEST_HINT} characters.")
            hints[name] = value
        async with bodies.read(request) as body:
            lines = await _split(body)
            await _keep(receiver, lines, format_name=PLAIN, hints=hints)
        return Response(orjson.dumps({"records": len(lines)}), media_type="application/json")

    return router


def build_drains(*, receiver: LogReceiver, drains: VercelDrains, bodies: BodyReader) -> APIRouter:
    """Return the route of Vercel's drains, which whoever has signed with a drain's secret may use.

    Vercel believes that an address is its owner's once it answers with a code, whatever it is
    asked.
    """
    router = APIRouter()

    def find(project: str) -> VercelDrain:
        drain = drains.find(project)
        if drain is None:
            raise NotFoundError("The configuration (logs.vercel) has no drain of that project.")
        return drain

    @router.api_route("/api/{project}/drain/vercel", methods=["GET", "HEAD"])
    async def verify(request: Request, project: str) -> Response:
        return _show_code(Response(), request, find(project))

    @router.post("/api/{project}/drain/vercel")
    async def drain(request: Request, project: str) -> Response:
        drain = find(project)
        try:
            await take(request, drain)
            response = Response()
        except ApiError as error:
            response = render_error(request, error.status, error.code, error.message, error.headers)
        return _show_code(response, request, drain)

    async def take(request: Request, drain: VercelDrain) -> None:
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            # It is the body as it came that is signed.
            raise ApiError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_encoding", "Send it unpacked."
            )
        async with bodies.read(request) as body:
            if not drain.has_signed(body, request.headers.get(_SIGNATURE, "")):
                raise ApiError(
                    HTTPStatus.FORBIDDEN,
                    "bad_signature",
                    f"{_SIGNATURE} is not that of the drain's secret (logs.vercel) and this body.",
                )
            lines = await _split(body)
            for number, line in enumerate(lines):
                if not _is_object(line):
                    raise BadRequestError(f"Record {number + 1} is no JSON object.")
            await _keep(
                receiver,
                lines,
                format_name=VERCEL,
                hints={"source": VERCEL},
                project_id=drain.project_id,
            )

    return router


async def _split(body: bytes) -> list[bytes]:
    try:
        is_large = len(body) > _LARGEST_PARSED_AT_ONCE
        return await asyncio.to_thread(split_records, body) if is_large else split_records(body)
    except LinesError as error:
        raise BadRequestError(f"{error}.", code="bad_records") from error


async def _keep(
    receiver: LogReceiver,
    lines: list[bytes],
    *,
    format_name: str,
    hints: dict[str, str],
    project_id: int = 0,
) -> None:
    try:
        await receiver.take(lines, format_name=format_name, hints=hints, project_id=project_id)
    except SpoolFullError as error:
        raise ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "overload",
            f"Nothing can be taken: {error}.",
            headers={"Retry-After": "10"},
        ) from error


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _show_code(response: Response, request: Request, drain: VercelDrain) -> Response:
    code = drain.verification_code or request.headers.get(_VERIFY, "")
    if code:
        response.headers[_VERIFY] = code
    return response
