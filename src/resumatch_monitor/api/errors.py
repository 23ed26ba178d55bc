"""Errors that the API answers with, and the one place that renders them."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from resumatch_monitor.kit.errors import StorageUnavailableError

logger = logging.getLogger(__name__)

_INVALID_REQUEST = "invalid_request"
_LINKS_PATH = "/act/"
"""Begins the paths of the links in messages, which whoever has them may use."""


class ApiError(Exception):
    """An error with a status, a stable code for programs and a sentence for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Describe an error; `details` are for programs, beside code and message."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})
        self.details = dict(details or {})


class NotFoundError(ApiError):
    """There is no such thing."""

    def __init__(self, message: str) -> None:
        super().__init__(HTTPStatus.NOT_FOUND, "not_found", message)


class BadRequestError(ApiError):
    """The request cannot be understood or is not allowed as it is."""

    def __init__(self, message: str, *, code: str = "bad_request") -> None:
        super().__init__(HTTPStatus.BAD_REQUEST, code, message)


def render_error(
    request: Request,
    status: int,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
    details: Mapping[str, Any] | None = None,
) -> JSONResponse:
    """Render `{"error": {"code", "message", "request_id"}}`, and `details` beside them."""
    request_id = getattr(request.state, "request_id", "")
    return JSONResponse(
        {
            "error": {
                **(details or {}),
                "code": code,
                "message": message,
                "request_id": request_id,
            }
        },
        status_code=status,
        headers=dict(headers or {}),
    )


def _name_path(request: Request) -> str:
    """Return the path for the log; what is a key to something is left out."""
    path = request.url.path
    return _LINKS_PATH + "…" if path.startswith(_LINKS_PATH) else path


def install_error_handlers(app: FastAPI) -> None:
    """Make every error of `app` answer in the one form, never with a stack trace."""

    async def on_api_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return render_error(
            request, error.status, error.code, error.message, error.headers, error.details
        )

    async def on_http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        status = HTTPStatus(error.status_code)
        if status is HTTPStatus.UNPROCESSABLE_ENTITY:
            code = _INVALID_REQUEST
        else:
            code = status.phrase.lower().replace(" ", "_")
        return render_error(request, error.status_code, code, str(error.detail), error.headers)

    async def on_invalid_request(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        )
        return render_error(request, HTTPStatus.UNPROCESSABLE_ENTITY, _INVALID_REQUEST, problems)

    async def on_unavailable(request: Request, error: Exception) -> JSONResponse:
        logger.warning("Request %s %s: %s", request.method, _name_path(request), error)
        return render_error(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "storage_unavailable",
            f"Nothing can be changed at the moment: {error}.",
            {"Retry-After": "30"},
        )

    async def on_crash(request: Request, error: Exception) -> JSONResponse:
        logger.error("Request %s %s failed", request.method, _name_path(request), exc_info=error)
        return render_error(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal_error",
            "The monitor failed to answer; its own log has the details under this request id.",
        )

    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(StorageUnavailableError, on_unavailable)
    app.add_exception_handler(Exception, on_crash)
