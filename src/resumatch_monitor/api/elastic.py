"""Elasticsearch's bulk API under `/es/`, and the small questions that its clients ask first."""

import secrets
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from resumatch_monitor.api.bodies import BodyBudgetError, BodyReader
from resumatch_monitor.api.errors import ApiError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.logs.bulk import BulkError, BulkItem, identified_lines, parse_bulk
from resumatch_monitor.logs.formats import documents
from resumatch_monitor.logs.receiver import LogReceiver

# Every client since 7.14 refuses a server that does not send it, whatever else it says.
_PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
_VERSION = "8.19.0"
_SHARDS = {"total": 1, "successful": 1, "failed": 0}


def build_router(*, receiver: LogReceiver, bodies: BodyReader, guard: Guard) -> APIRouter:
    """Return the routes that take records in, for editors."""
    router = APIRouter(prefix="/es", dependencies=[Depends(guard.editor)])

    async def take(request: Request, index: str) -> Response:
        try:
            async with bodies.read(request) as body:
                items = parse_bulk(body, index=index)
                lines = identified_lines(items)
                if lines:
                    await receiver.take(
                        lines,
                        format_name=documents.IDENTIFIED,
                        hints={"source": "elastic", "index": index},
                    )
        except BulkError as error:
            return _refuse(HTTPStatus.BAD_REQUEST, "illegal_argument_exception", str(error))
        except SpoolFullError as error:
            message = f"nothing can be taken: {error}"
            return _refuse(HTTPStatus.TOO_MANY_REQUESTS, "es_rejected_execution_exception", message)
        except BodyBudgetError as error:
            return _refuse(
                HTTPStatus.TOO_MANY_REQUESTS, "circuit_breaking_exception", error.message
            )
        except ApiError as error:
            return _refuse(error.status, "illegal_argument_exception", error.message)
        return _answer(
            {
                "took": 1,
                "errors": any(item.reason for item in items),
                "items": [_render_item(item) for item in items],
            }
        )

    @router.api_route("/_bulk", methods=["POST", "PUT"])
    async def bulk(request: Request) -> Response:
        return await take(request, "")

    @router.api_route("/{index}/_bulk", methods=["POST", "PUT"])
    async def bulk_into(request: Request, index: str) -> Response:
        return await take(request, index)

    return router


def _render_item(item: BulkItem) -> dict[str, Any]:
    if item.reason:
        return {
            item.action: {
                "_index": item.index,
                "_id": item.record_id or None,
                "status": HTTPStatus.BAD_REQUEST,
                "error": {"type": "document_parsing_exception", "reason": item.reason},
            }
        }
    return {
        item.action: {
            "_index": item.index,
            "_id": item.record_id or secrets.token_urlsafe(15),
            "_version": 1,
            "result": "created",
            "_shards": _SHARDS,
            "_seq_no": 0,
            "_primary_term": 1,
            "status": HTTPStatus.CREATED,
        }
    }


def _answer(body: Any, status: int = HTTPStatus.OK) -> Response:
    return Response(
        orjson.dumps(body), status_code=status, media_type="application/json", headers=_PRODUCT
    )


def _refuse(status: int, kind: str, reason: str) -> Response:
    error = {"type": kind, "reason": reason}
    return _answer({"error": {**error, "root_cause": [error]}, "status": int(status)}, status)
