"""Errors that the API answers with: `{"error": {"code", "message", "request_id"}}`."""

from collections.abc import Mapping
from http import HTTPStatus

import sentry_sdk
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from structlog.stdlib import get_logger

from resumatch.backend.database import DatabaseUnavailableError
from resumatch.backend.middleware import REQUEST_ID, route_of

logger = get_logger(__name__)


class ApiError(Exception):
    """An answer that is not the one asked for: a status, a code and a sentence."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})


def install_error_handlers(app: FastAPI) -> None:
    """Give every error the one form; what went wrong inside stays inside."""

    async def on_api_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ApiError)
        return _render(request, error.status, error.code, error.message, error.headers)

    async def on_http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return _render(request, error.status_code, code, str(error.detail), error.headers)

    async def on_invalid_request(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        # FastAPI's own answer repeats the input: the password, for one.
        problems = [
            f"{'.'.join(str(part) for part in problem['loc'][1:]) or 'body'}: {problem['msg']}"
            for problem in error.errors()
        ]
        return _render(
            request, HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", "; ".join(problems[:20])
        )

    async def on_database_unavailable(request: Request, error: Exception) -> JSONResponse:
        sentry_sdk.capture_exception(error)
        logger.error("database_unavailable", error_type=type(error.__cause__).__name__)
        return _render(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unavailable",
            "ResuMatch cannot reach its database. Please try again in a moment.",
            {"Retry-After": "5"},
        )

    async def on_crash(request: Request, error: Exception) -> JSONResponse:
        logger.error(
            "request_failed",
            exc_info=error,
            request_id=request_id_of(request),
            method=request.method,
            path=route_of(request.scope),
        )
        return _render(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal_error",
            "Something went wrong on our side. We have been told, with this request's id.",
            # Crashes are answered outside every middleware, the one that adds it included.
            {"X-Request-ID": request_id_of(request)},
        )

    app.add_exception_handler(ApiError, on_api_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid_request)
    app.add_exception_handler(DatabaseUnavailableError, on_database_unavailable)
    app.add_exception_handler(Exception, on_crash)


def request_id_of(request: Request) -> str:
    return str(request.scope.get(REQUEST_ID, ""))


def _render(
    request: Request, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    request_id = request_id_of(request)
    return JSONResponse(
        {"error": {"code": code, "message": message, "request_id": request_id}},
        status_code=status,
        headers=dict(headers or {}),
    )
