"""Loki's push API."""

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.logs.formats.loki import LOKI
from resumatch_monitor.logs.loki_push import PushError, read_json_push, read_protobuf_push
from resumatch_monitor.logs.receiver import LogReceiver

_PROTOBUF = "application/x-protobuf"
_RETRY_AFTER = {"Retry-After": "10"}
_LARGEST_PARSED_AT_ONCE = 256 * 1024


def build_router(
    *, receiver: LogReceiver, bodies: BodyReader, packed_bodies: BodyReader, guard: Guard
) -> APIRouter:
    """Return the route `/loki/api/v1/push`, for editors.

    Args:
        receiver: Keeps what is pushed.
        bodies: Reads JSON.
        packed_bodies: Reads snappy, also where no `Content-Encoding` names it.
        guard: Lets editors through.
    """
    router = APIRouter(prefix="/loki/api/v1", dependencies=[Depends(guard.editor)])

    @router.post("/push")
    async def push(request: Request) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        is_protobuf = media_type == _PROTOBUF
        read = read_protobuf_push if is_protobuf else read_json_push
        try:
            async with (packed_bodies if is_protobuf else bodies).read(request) as body:
                is_large = len(body) > _LARGEST_PARSED_AT_ONCE
                lines = await asyncio.to_thread(read, body) if is_large else read(body)
                await receiver.take(lines, format_name=LOKI, hints={"source": LOKI})
        except PushError as error:
            return PlainTextResponse(str(error), HTTPStatus.BAD_REQUEST)
        except SpoolFullError as error:
            message = f"nothing can be taken: {error}"
            return PlainTextResponse(message, HTTPStatus.TOO_MANY_REQUESTS, _RETRY_AFTER)
        except ApiError as error:
            return PlainTextResponse(error.message, error.status, error.headers)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router
