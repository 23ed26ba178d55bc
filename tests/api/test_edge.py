import httpx
import pytest
from fastapi import APIRouter

from resumatch_monitor.api.edge import build_app
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry

pytestmark = pytest.mark.anyio


async def test_requests_are_counted_by_route_and_not_by_path() -> None:
    router = APIRouter(prefix="/things")

    @router.get("/{thing}")
    async def read_thing(thing: str) -> str:
        return thing

    telemetry = Telemetry()
    app = build_app(routers=[router], ids=RandomIds(), telemetry=telemetry)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://monitor.test") as client:
        await client.get("/things/1")
        await client.get("/things/2")
        await client.request("BREW", "/coffee")

    def count(method: str, route: str, status: str) -> float | None:
        return telemetry.registry.get_sample_value(
            "resumatch_monitor_http_requests_total",
            {"method": method, "route": route, "status": status},
        )

    assert count("GET", "/things/{thing}", "200") == 2
    assert count("OTHER", "unmatched", "404") == 1
