"""What Elasticsearch's clients ask or arrange before they send, under `/es/`.

The monitor needs no templates, policies and pipelines of theirs: they are accepted without effect.
"""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import PlainTextResponse

from resumatch_monitor.api.elastic_answers import ElasticRoute, refuse, render_json
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.kit.clock import Clock

_NAME = "resumatch-monitor"
# What it answers is what this version of Elasticsearch does; no client asks for a later one.
_VERSION = "8.19.0"
_ARRANGED = (
    "/_index_template/{name}",
    "/_component_template/{name}",
    "/_template/{name}",
    "/_data_stream/{name}",
    "/_ilm/policy/{name}",
    "/_ingest/pipeline/{name}",
)
_READ = ["GET", "HEAD"]


def build_router(*, guard: Guard, clock: Clock) -> APIRouter:
    """Return the routes; looking is for viewers, arranging for editors."""
    router = APIRouter(prefix="/es", route_class=ElasticRoute)
    _add_questions(router, guard, clock)
    _add_arrangements(router, guard)
    return router


def build_rest(*, guard: Guard) -> APIRouter:
    """Return what answers everything else under `/es/`; it must be asked last."""
    router = APIRouter(prefix="/es", dependencies=[Depends(guard.viewer)], route_class=ElasticRoute)

    @router.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "DELETE"])
    async def refuse_rest(path: str) -> Response:
        return refuse(HTTPStatus.NOT_FOUND, f"there is no /{path[:200]} here")

    return router


def _add_questions(router: APIRouter, guard: Guard, clock: Clock) -> None:
    viewer = [Depends(guard.viewer)]

    @router.api_route("/", methods=_READ, dependencies=viewer)
    @router.api_route("", methods=_READ, dependencies=viewer)
    async def introduce() -> Response:
        return render_json(
            {
                "name": _NAME,
                "cluster_name": _NAME,
                "cluster_uuid": _NAME,
                "version": {
                    "number": _VERSION,
                    "build_flavor": "default",
                    "build_type": "tar",
                    "build_hash": "unknown",
                    "build_date": "2025-01-01T00:00:00.000Z",
                    "build_snapshot": False,
                    "lucene_version": "9.12.2",
                    "minimum_wire_compatibility_version": "7.17.0",
                    "minimum_index_compatibility_version": "7.0.0",
                },
                "tagline": "You Know, for Search",
            }
        )

    @router.api_route("/_cluster/health", methods=_READ, dependencies=viewer)
    async def cluster_health() -> Response:
        return render_json(_health())

    @router.api_route("/_cat/health", methods=_READ, dependencies=viewer)
    async def cat_health(request: Request) -> Response:
        now = clock.now()
        row = {
            "epoch": str(int(now.timestamp())),
            "timestamp": f"{now:%H:%M:%S}",
            "cluster": _NAME,
            "status": "green",
        }
        if request.query_params.get("format") == "json":
            return render_json([row])
        return PlainTextResponse(" ".join(row.values()) + "\n")

    @router.get("/_license", dependencies=viewer)
    async def license_() -> Response:
        return render_json({"license": _license()})

    @router.get("/_xpack", dependencies=viewer)
    async def xpack() -> Response:
        features = {name: {"available": True, "enabled": True} for name in ("data_streams", "ilm")}
        return render_json({"build": {}, "license": _license(), "features": features})


def _add_arrangements(router: APIRouter, guard: Guard) -> None:
    editor, viewer = [Depends(guard.editor)], [Depends(guard.viewer)]

    async def accept(name: str) -> Response:
        del name
        return render_json({"acknowledged": True})

    async def find_none(name: str) -> Response:
        return refuse(HTTPStatus.NOT_FOUND, f"{name[:200]} is not kept here, and not needed")

    for path in _ARRANGED:
        router.add_api_route(path, accept, methods=["PUT", "POST"], dependencies=editor)
        router.add_api_route(path, find_none, methods=_READ, dependencies=viewer)

    @router.api_route("/_refresh", methods=["GET", "POST"], dependencies=editor)
    async def refresh_all() -> Response:
        return render_json(_SHARDS)

    @router.api_route("/{index}/_refresh", methods=["GET", "POST"], dependencies=editor)
    async def refresh(index: str) -> Response:
        del index
        return render_json(_SHARDS)

    @router.head("/{index}", dependencies=viewer)
    async def exists(index: str) -> Response:
        # Whatever is sent to finds its place.
        del index
        return render_json({})

    @router.put("/{index}", dependencies=editor)
    async def make(index: str) -> Response:
        return render_json(
            {"acknowledged": True, "shards_acknowledged": True, "index": index[:200]}
        )


_SHARDS = {"_shards": {"total": 1, "successful": 1, "failed": 0}}


def _license() -> dict[str, Any]:
    return {"uid": _NAME, "type": "basic", "mode": "basic", "status": "active"}


def _health() -> dict[str, Any]:
    return {
        "cluster_name": _NAME,
        "status": "green",
        "timed_out": False,
        "number_of_nodes": 1,
        "number_of_data_nodes": 1,
        "active_primary_shards": 1,
        "active_shards": 1,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": 0,
        "delayed_unassigned_shards": 0,
        "number_of_pending_tasks": 0,
        "number_of_in_flight_fetch": 0,
        "task_max_waiting_in_queue_millis": 0,
        "active_shards_percent_as_number": 100.0,
    }
