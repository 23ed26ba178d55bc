"""`/health` and `/metrics`, and the faults of the demonstration."""

import hmac
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from resumatch.backend.errors import ApiError
from resumatch.backend.faults import Faults, FaultState
from resumatch.backend.health import HealthChecker
from resumatch.backend.metrics import Metrics


def build_router(
    *, health: HealthChecker, metrics: Metrics, metrics_token: str, version: str
) -> APIRouter:
    """Build what the monitoring reads."""
    router = APIRouter(include_in_schema=False)

    @router.get("/health")
    async def health_check() -> JSONResponse:
        found = await health.check()
        return JSONResponse(
            found.as_json(version),
            status_code=HTTPStatus.OK if found.is_healthy else HTTPStatus.SERVICE_UNAVAILABLE,
            headers={"Cache-Control": "no-store"},
        )

    @router.get("/metrics")
    async def scrape(request: Request) -> Response:
        given = request.headers.get("authorization", "").encode()
        if metrics_token and not hmac.compare_digest(given, f"Bearer {metrics_token}".encode()):
            raise ApiError(HTTPStatus.UNAUTHORIZED, "not_signed_in", "A token is needed here.")
        return metrics.render(request)

    _ = health_check, scrape
    return router


def build_faults_router(*, faults: Faults) -> APIRouter:
    """Build the switches of the demonstration; only added where it runs."""
    router = APIRouter(include_in_schema=False)

    @router.post("/demo/faults")
    async def set_faults(state: FaultState) -> FaultState:
        faults.state = state
        return state

    @router.get("/demo/faults")
    async def show_faults() -> FaultState:
        return faults.state

    _ = set_faults, show_faults
    return router
