"""What Prometheus' API lets admins do with the store: delete, clean up, copy."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import TypeVar

from fastapi import APIRouter, Depends, Response

from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.prometheus_answer import Endpoint, render_data
from resumatch_monitor.api.prometheus_params import Params, PrometheusError
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.metrics.admin import StoreAdmin
from resumatch_monitor.metrics.samples import StoreFullError

_METHODS = ("POST", "PUT")
# Far beyond any data, and well inside what millisecond arithmetic in 64 bits holds.
_FURTHEST_MS = 1 << 58

ResultT = TypeVar("ResultT")


def build_router(*, admin: StoreAdmin | None, guard: Guard, clock: Clock) -> APIRouter:
    """Return the routes under `/api/v1/admin/tsdb`.

    Args:
        admin: The store; None where another server keeps the samples.
        guard: Lets admins through.
        clock: What the time is.
    """
    router = APIRouter(prefix="/api/v1/admin/tsdb", dependencies=[Depends(guard.admin)])
    endpoint = Endpoint(router, clock=clock)
    handlers = _AdminHandlers(admin)
    endpoint.add("/delete_series", handlers.delete_series, methods=_METHODS)
    endpoint.add("/clean_tombstones", handlers.clean_tombstones, methods=_METHODS)
    endpoint.add("/snapshot", handlers.snapshot, methods=_METHODS)
    return router


class _AdminHandlers:
    def __init__(self, admin: StoreAdmin | None) -> None:
        self._admin = admin

    async def delete_series(self, params: Params) -> Response:
        admin = self._demand()
        sets = params.matcher_sets(required=True)
        start_ms = params.time_ms("start", default_ms=-_FURTHEST_MS)
        end_ms = params.time_ms("end", default_ms=_FURTHEST_MS)
        if start_ms <= end_ms:
            for matchers in sets:
                await _unless_full(admin.delete_series(matchers, start_ms, end_ms))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def clean_tombstones(self, _: Params) -> Response:
        await _unless_full(self._demand().clean_tombstones())
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def snapshot(self, params: Params) -> bytes:
        # Read for its errors' sake: what is not sealed yet is always in the copy.
        params.flag("skip_head")
        return render_data({"name": await _unless_full(self._demand().snapshot())})

    def _demand(self) -> StoreAdmin:
        if self._admin is None:
            raise PrometheusError(
                HTTPStatus.NOT_IMPLEMENTED,
                "unavailable",
                "the samples are kept by another server: ask that one",
            )
        return self._admin


async def _unless_full(work: Awaitable[ResultT]) -> ResultT:
    try:
        return await work
    except StoreFullError as error:
        raise PrometheusError(HTTPStatus.SERVICE_UNAVAILABLE, "unavailable", str(error)) from error
