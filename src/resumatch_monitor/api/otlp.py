"""OTLP over HTTP, in protobuf and in JSON."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Protocol

import orjson
from fastapi import APIRouter, Depends, Request, Response

from resumatch_monitor.api.bodies import BodyBudgetError, BodyReader
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.metrics.otlp.problems import MalformedOtlpError
from resumatch_monitor.metrics.otlp.receiver import PartialSuccess
from resumatch_monitor.metrics.samples import StoreFullError

_PROTOBUF = "application/x-protobuf"
_JSON = "application/json"
_RETRY_AFTER = {"Retry-After": "10"}
# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_INVALID_ARGUMENT = 3
_RESOURCE_EXHAUSTED = 8
_UNAVAILABLE = 14


class Receiver(Protocol):
    """Stores what a request of one signal holds."""

    async def take(self, body: bytes, *, is_json: bool) -> PartialSuccess:
        """Store a request and tell what is refused; durable when it returns.

        Raises:
            MalformedOtlpError: If it is none; nothing is stored.
            StoreFullError: If nothing can be stored at the moment.
            SpoolFullError: If too much waits to be digested.
        """
        ...


def build_router(
    *, metrics: Receiver, traces: Receiver, logs: Receiver, bodies: BodyReader, guard: Guard
) -> APIRouter:
    """Return the routes `/v1/metrics`, `/v1/traces` and `/v1/logs`, for editors.

    Exporters send again what is answered with 429 or 503 and drop what is answered with any other
    error. Answers are in the form of the request.
    """
    router = APIRouter(dependencies=[Depends(guard.editor)])

    @router.post("/v1/metrics")
    async def export_metrics(request: Request) -> Response:
        return await export(request, metrics, "rejectedDataPoints")

    @router.post("/v1/traces")
    async def export_traces(request: Request) -> Response:
        return await export(request, traces, "rejectedSpans")

    @router.post("/v1/logs")
    async def export_logs(request: Request) -> Response:
        return await export(request, logs, "rejectedLogRecords")

    async def export(request: Request, receiver: Receiver, rejected_name: str) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_json = media_type == _JSON
        if media_type not in (_JSON, _PROTOBUF):
            return _refuse(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                _INVALID_ARGUMENT,
                f"the content type {media_type[:100]!r} is not supported; send {_PROTOBUF}",
                {},
                is_json=False,
            )
        try:
            async with bodies.read(request) as body:
                partial = await receiver.take(body, is_json=is_json)
        except (MalformedOtlpError, StoreFullError, SpoolFullError, ApiError) as error:
            return _refuse(*_describe(error), is_json=is_json)
        return _answer(partial, rejected_name, is_json=is_json)

    return router


def _answer(partial: PartialSuccess, rejected_name: str, *, is_json: bool) -> Response:
    """Render an `Export…ServiceResponse`: `partial_success`, unless nothing is to be said."""
    if is_json:
        # Protobuf's JSON has whole numbers of 64 bits as texts, and leaves out what is 0.
        said: dict[str, str] = {}
        if partial.message and partial.rejected:
            said[rejected_name] = str(partial.rejected)
        if partial.message:
            said["errorMessage"] = partial.message
        return Response(orjson.dumps({"partialSuccess": said} if said else {}), media_type=_JSON)
    inner = b""
    if partial.message and partial.rejected:
        inner += b"\x08" + _varint(partial.rejected)
    if partial.message:
        text = partial.message.encode()
        inner += b"\x12" + _varint(len(text)) + text
    return Response(b"\x0a" + _varint(len(inner)) + inner if inner else b"", media_type=_PROTOBUF)


def _describe(
    error: MalformedOtlpError | StoreFullError | SpoolFullError | ApiError,
) -> tuple[int, int, str, Mapping[str, str]]:
    """Return the status, the code of `google.rpc`, the message and the headers of an error."""
    if isinstance(error, StoreFullError):
        message = f"nothing can be stored: {error}"
        return HTTPStatus.SERVICE_UNAVAILABLE, _UNAVAILABLE, message, _RETRY_AFTER
    if isinstance(error, SpoolFullError):
        message = f"nothing can be taken: {error}"
        return HTTPStatus.TOO_MANY_REQUESTS, _RESOURCE_EXHAUSTED, message, _RETRY_AFTER
    if isinstance(error, MalformedOtlpError):
        return HTTPStatus.BAD_REQUEST, _INVALID_ARGUMENT, str(error), {}
    if isinstance(error, BodyBudgetError):
        status = HTTPStatus.TOO_MANY_REQUESTS
        return status, _RESOURCE_EXHAUSTED, error.message, error.headers
    return error.status, _INVALID_ARGUMENT, error.message, error.headers


def _refuse(
    status: int, code: int, message: str, headers: Mapping[str, str], *, is_json: bool
) -> Response:
    """Render a `google.rpc.Status`."""
    if is_json:
        body = orjson.dumps({"code": code, "message": message})
    else:
        text = message.encode()[:1000].decode(errors="ignore").encode()
        body = bytes((0x08, code, 0x12)) + _varint(len(text)) + text
    media_type = _JSON if is_json else _PROTOBUF
    return Response(body, status_code=status, media_type=media_type, headers=dict(headers))


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)
