"""Stops reading a body that grows too large."""

from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ORDINARY_MAX_BYTES = 256 * 1024
_UPLOAD_PATH = "/upload-resume"
# The multipart form around the file.
_ENVELOPE_BYTES = 16 * 1024


class BodyLimitMiddleware:
    """Counts what arrives, because a Content-Length may be missing or a lie."""

    def __init__(self, app: ASGIApp, *, upload_max_bytes: int) -> None:
        self._app = app
        self._upload_max_bytes = upload_max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        left = (
            self._upload_max_bytes + _ENVELOPE_BYTES
            if scope["path"] == _UPLOAD_PATH
            else _ORDINARY_MAX_BYTES
        )

        async def receive_limited() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request is too large."
                )
            return message

        await self._app(scope, receive_limited, send)
