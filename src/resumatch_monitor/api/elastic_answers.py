"""Answers as Elasticsearch's clients want them, refusals and crashes among them."""

import logging
import re
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from resumatch_monitor.api.bodies import BodyBudgetError
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.kit.errors import StorageUnavailableError
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.logs.bulk import BulkError

logger = logging.getLogger(__name__)

# Every client since 7.14 refuses a server that does not send it, whatever else it says.
_PRODUCT = "X-Elastic-Product"
_VENDORED = re.compile(r"application/vnd\.elasticsearch\+json; ?compatible-with=[789]")
_ILLEGAL = "illegal_argument_exception"
_KINDS: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "security_exception",
    HTTPStatus.FORBIDDEN: "security_exception",
    HTTPStatus.NOT_FOUND: "resource_not_found_exception",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "content_too_long_exception",
    HTTPStatus.TOO_MANY_REQUESTS: "es_rejected_execution_exception",
    HTTPStatus.SERVICE_UNAVAILABLE: "cluster_block_exception",
    HTTPStatus.INTERNAL_SERVER_ERROR: "exception",
}


class ElasticRoute(APIRoute):
    """A route of which everything, also a refusal of the guard, is answered in that form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                response = await handle(request)
            except (
                ApiError,
                BulkError,
                HTTPException,
                RequestValidationError,
                SpoolFullError,
                StorageUnavailableError,
            ) as error:
                response = refuse(*_describe(error))
            except Exception:
                logger.exception("Request %s %s failed", request.method, request.url.path)
                response = refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "the monitor failed to answer")
            response.headers[_PRODUCT] = "Elasticsearch"
            wanted = _VENDORED.search(request.headers.get("accept", ""))
            if wanted and response.media_type == "application/json":
                response.headers["Content-Type"] = wanted[0]
            return response

        return answer


def render_json(body: Any, status: int = HTTPStatus.OK) -> Response:
    """Return a body of JSON."""
    return Response(orjson.dumps(body), status_code=status, media_type="application/json")


def refuse(
    status: int, reason: str, headers: Mapping[str, str] | None = None, kind: str = ""
) -> Response:
    """Return an error as clients read it; `kind` is one of Elasticsearch's names."""
    error = {"type": kind or _KINDS.get(status, _ILLEGAL), "reason": reason}
    body = {"error": {**error, "root_cause": [error]}, "status": int(status)}
    response = render_json(body, status)
    response.headers.update(headers or {})
    return response


def _describe(error: Exception) -> tuple[int, str, Mapping[str, str]]:
    match error:
        case BodyBudgetError():
            return HTTPStatus.TOO_MANY_REQUESTS, error.message, error.headers
        case ApiError():
            return error.status, error.message, error.headers
        case HTTPException():
            return error.status_code, str(error.detail), error.headers or {}
        case SpoolFullError():
            return HTTPStatus.TOO_MANY_REQUESTS, f"nothing can be taken: {error}", {}
        case StorageUnavailableError():
            return HTTPStatus.SERVICE_UNAVAILABLE, f"nothing can be changed: {error}", {}
        case RequestValidationError():
            places = (".".join(str(part) for part in each["loc"]) for each in error.errors())
            return HTTPStatus.BAD_REQUEST, f"not valid: {', '.join(places)}", {}
        case _:
            return HTTPStatus.BAD_REQUEST, str(error), {}
