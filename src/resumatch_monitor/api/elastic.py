"""Elasticsearch's doors under `/es/` through which documents come in."""

import asyncio
import secrets
from collections.abc import Mapping
from http import HTTPStatus

import orjson
from fastapi import APIRouter, Depends, Request, Response

from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.elastic_answers import ElasticRoute
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.logs.bulk import (
    LONGEST_ID,
    BulkAction,
    BulkError,
    BulkRequest,
    find_document_fault,
    pack_document,
    pack_documents,
    parse_bulk,
)
from resumatch_monitor.logs.formats.elastic import ELASTIC
from resumatch_monitor.logs.receiver import LogReceiver

_LARGEST_PARSED_AT_ONCE = 1024 * 1024
_PATIENCE_SECONDS = 8.0
"""Less than what clients wait for an answer, which is 10 s with the official ones."""
_RSYSLOG_PATIENCE_SECONDS = 60.0
_CREATED = (
    b'"_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},'
    b'"_seq_no":0,"_primary_term":1'
)


def build_router(*, receiver: LogReceiver, bodies: BodyReader, guard: Guard) -> APIRouter:
    """Return the routes that take documents in, for editors.

    While there is no room, requests are held before they are refused: rsyslog loses what is
    answered with an error, and others send it again at once.
    """
    router = APIRouter(prefix="/es", dependencies=[Depends(guard.editor)], route_class=ElasticRoute)
    door = _Door(receiver, bodies)

    @router.api_route("/_bulk", methods=["POST", "PUT"])
    async def bulk(request: Request) -> Response:
        return await door.take_bulk(request, "")

    @router.api_route("/{index}/_bulk", methods=["POST", "PUT"])
    async def bulk_into(request: Request, index: str) -> Response:
        return await door.take_bulk(request, index)

    @router.post("/{index}/_doc")
    async def add(request: Request, index: str) -> Response:
        return await door.take_one(request, BulkAction("index", index, ""))

    @router.api_route("/{index}/_doc/{record_id}", methods=["POST", "PUT"])
    async def add_named(request: Request, index: str, record_id: str) -> Response:
        return await door.take_one(request, BulkAction("index", index, record_id))

    @router.api_route("/{index}/_create/{record_id}", methods=["POST", "PUT"])
    async def create(request: Request, index: str, record_id: str) -> Response:
        return await door.take_one(request, BulkAction("create", index, record_id))

    return router


class _Door:
    """What all routes do."""

    def __init__(self, receiver: LogReceiver, bodies: BodyReader) -> None:
        self._receiver = receiver
        self._bodies = bodies

    async def take_bulk(self, request: Request, index: str) -> Response:
        loop = asyncio.get_running_loop()
        began = loop.time()
        until = await self._wait(request)
        async with self._bodies.read(request) as body:
            if len(body) > _LARGEST_PARSED_AT_ONCE:
                bulk = await asyncio.to_thread(parse_bulk, body, index=index)
            else:
                bulk = parse_bulk(body, index=index)
            main_index, lines = pack_documents(bulk)
            if lines:
                await self._receiver.take(
                    lines, format_name=ELASTIC, hints=_hints(main_index), until=until
                )
        return Response(
            _render(bulk, took_ms=int((loop.time() - began) * 1000)),
            media_type="application/json",
        )

    async def take_one(self, request: Request, action: BulkAction) -> Response:
        if max(len(action.index), len(action.record_id)) > LONGEST_ID:
            raise BulkError(f"names of indexes and documents have at most {LONGEST_ID} characters")
        until = await self._wait(request)
        async with self._bodies.read(request) as body:
            fault = find_document_fault(body)
            if fault:
                raise BulkError(fault)
            # In one line, however it was written.
            document = b" ".join(body.splitlines())
            line = pack_document(document, record_id=action.record_id)
            await self._receiver.take(
                [line], format_name=ELASTIC, hints=_hints(action.index), until=until
            )
        return Response(
            b'{"_index":%b,"_id":%b,%b}'
            % (
                orjson.dumps(action.index),
                orjson.dumps(action.record_id or secrets.token_urlsafe(15)),
                _CREATED,
            ),
            status_code=HTTPStatus.CREATED,
            media_type="application/json",
        )

    async def _wait(self, request: Request) -> float:
        """Wait while there is no room; return until when there may be waited."""
        # rsyslog's omelasticsearch does not say its name, and waits for an answer for ever.
        is_patient = "user-agent" not in request.headers
        until = self._receiver.be_patient(
            _RSYSLOG_PATIENCE_SECONDS if is_patient else _PATIENCE_SECONDS
        )
        await self._receiver.wait_for_room(until)
        return until


def _hints(index: str) -> Mapping[str, str]:
    return {"source": "elastic", "index": index}


def _render(bulk: BulkRequest, *, took_ms: int) -> bytes:
    # Put together of few pieces: there are as many items as records.
    made_id = secrets.token_urlsafe(9).encode()
    known: dict[tuple[str, str], bytes] = {}
    items: list[bytes] = []
    for place, action in enumerate(bulk.actions):
        reason = bulk.refused.get(place)
        if reason is not None:
            items.append(_render_refused(action, reason))
            continue
        key = (action.verb, action.index)
        head = known.get(key)
        if head is None:
            head = b'{"%b":{"_index":%b,"_id":' % (
                action.verb.encode(),
                orjson.dumps(action.index),
            )
            known[key] = head
        record_id = (
            orjson.dumps(action.record_id) if action.record_id else b'"%b%d"' % (made_id, place)
        )
        items.append(b'%b%b,%b,"status":201}}' % (head, record_id, _CREATED))
    return b'{"took":%d,"errors":%b,"items":[%b]}' % (
        took_ms,
        b"true" if bulk.refused else b"false",
        b",".join(items),
    )


def _render_refused(action: BulkAction, reason: str) -> bytes:
    return orjson.dumps(
        {
            action.verb: {
                "_index": action.index,
                "_id": action.record_id or None,
                "status": HTTPStatus.BAD_REQUEST,
                "error": {"type": "document_parsing_exception", "reason": reason},
            }
        }
    )
