"""Whether the monitor itself is well, and its own metrics."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client.exposition import choose_encoder

from resumatch_monitor import __version__
from resumatch_monitor.kit.clock import Clock, isoformat
from resumatch_monitor.kit.telemetry import Telemetry

_CHECK_TIMEOUT_SECONDS = 2.0

HealthCheck = Callable[[], Awaitable[str]]
"""Returns an empty text when all is well, otherwise what is wrong."""


def build_router(
    *,
    is_ready: Callable[[], bool],
    checks: Mapping[str, HealthCheck],
    clock: Clock,
    telemetry: Telemetry,
) -> APIRouter:
    """Return `/-/healthy`, `/-/ready`, `/health` and `/metrics`, open to everybody."""
    router = APIRouter()

    async def read_healthy() -> Response:
        return PlainTextResponse("ResuMatch Monitor is healthy.\n")

    async def read_ready() -> Response:
        if is_ready():
            return PlainTextResponse("ResuMatch Monitor is ready.\n")
        return PlainTextResponse(
            "ResuMatch Monitor is starting or stopping.\n", HTTPStatus.SERVICE_UNAVAILABLE
        )

    async def read_health() -> Response:
        names = list(checks)
        problems = await asyncio.gather(*(_run_check(checks[name]) for name in names))
        is_healthy = is_ready() and not any(problems)
        body: dict[str, Any] = {
            "status": "healthy" if is_healthy else "unhealthy",
            "timestamp": isoformat(clock.now()),
            "version": __version__,
            "checks": {
                name: problem or "ok" for name, problem in zip(names, problems, strict=True)
            },
        }
        status = HTTPStatus.OK if is_healthy else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse(body, status, headers={"Cache-Control": "no-store"})

    async def read_metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        content = await asyncio.to_thread(encode, telemetry.registry)
        return Response(content, headers={"Content-Type": content_type})

    for path, handler in (
        ("/-/healthy", read_healthy),
        ("/-/ready", read_ready),
        ("/health", read_health),
        ("/metrics", read_metrics),
    ):
        router.add_api_route(path, handler, methods=["GET", "HEAD"], response_model=None)
    return router


async def _run_check(check: HealthCheck) -> str:
    try:
        async with asyncio.timeout(_CHECK_TIMEOUT_SECONDS):
            return await check()
    except TimeoutError:
        return f"no answer within {_CHECK_TIMEOUT_SECONDS:g} s"
    except Exception as error:  # noqa: BLE001 - whatever it is, the check has failed
        return f"failed: {type(error).__name__}"
