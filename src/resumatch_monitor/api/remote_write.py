"""Prometheus' remote write, version 1.0, as a receiver."""

from http import HTTPStatus
from typing import Protocol

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.metrics.receiver import RefusedError
from resumatch_monitor.metrics.remote_write import MalformedWriteError
from resumatch_monitor.metrics.samples import StoreFullError

_MEDIA_TYPE = "application/x-protobuf"
_MESSAGE = "prometheus.WriteRequest"
_RETRY_AFTER_SECONDS = 10


class Receiver(Protocol):
    """Stores what a request holds."""

    async def take(self, body: bytes) -> None:
        """Store an unpacked `WriteRequest`; durable when it returns.

        Raises:
            MalformedWriteError: If it is none.
            RefusedError: If parts of it cannot be stored; everything else is.
            StoreFullError: If nothing can be stored at the moment.
        """
        ...


def build_router(*, receiver: Receiver, bodies: BodyReader, guard: Guard) -> APIRouter:
    """Return the route `/api/v1/write`, for editors.

    A sender drops what is answered with 4xx and repeats what is answered with 5xx until it is
    taken, and so what can never be stored is always a 4xx. Answers are plain text: senders log
    them.

    Args:
        receiver: Stores the requests.
        bodies: Reads snappy, also where no `Content-Encoding` names it.
        guard: Lets editors through.
    """
    router = APIRouter(prefix="/api/v1", dependencies=[Depends(guard.editor)])

    @router.post("/write")
    async def write(request: Request) -> Response:
        problem = _find_unsupported(request.headers.get("content-type", ""))
        if problem:
            return _refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, problem)
        try:
            async with bodies.read(request) as body:
                await receiver.take(body)
        except (MalformedWriteError, RefusedError) as error:
            return _refuse(HTTPStatus.BAD_REQUEST, str(error))
        except StoreFullError as error:
            response = _refuse(HTTPStatus.SERVICE_UNAVAILABLE, f"nothing can be stored: {error}")
            response.headers["Retry-After"] = str(_RETRY_AFTER_SECONDS)
            return response
        except ApiError as error:
            response = _refuse(error.status, error.message)
            response.headers.update(error.headers)
            return response
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


def _find_unsupported(content_type: str) -> str:
    """Return what is wrong with a content type; nothing, also if there is none."""
    media_type, *parameters = (part.strip() for part in content_type.split(";"))
    if media_type.lower() not in ("", _MEDIA_TYPE):
        return f"the content type {content_type[:100]!r} is not supported; send {_MEDIA_TYPE}"
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "proto" and value.strip().strip('"') != _MESSAGE:
            return f"the message {value[:100]!r} is not supported; send {_MESSAGE} (version 1.0)"
    return ""


def _refuse(status: int, message: str) -> PlainTextResponse:
    return PlainTextResponse(" ".join(message.split()) + "\n", status_code=status)
