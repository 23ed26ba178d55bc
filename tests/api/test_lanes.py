from http import HTTPStatus

import httpx
import pytest
from fastapi import APIRouter, Request, Response

from resumatch_monitor.api.edge import build_app
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry

pytestmark = pytest.mark.anyio

_ROUTES = ("/api/{project_id}/envelope/", "/api/{project_id}/envelope")


def build_client(telemetry: Telemetry) -> httpx.AsyncClient:
    """Return a client of an application with a lane and a router for everything."""
    router = APIRouter()

    @router.api_route("/{path:path}", methods=["GET", "POST", "OPTIONS"])
    async def take_the_rest(path: str) -> Response:
        return Response(f"the rest: {path}")

    async def take_envelope(request: Request, project: str) -> Response:
        return Response(f"{project}: {(await request.body()).decode()}")

    app = build_app(
        routers=[router],
        ids=RandomIds(),
        telemetry=telemetry,
        lanes={"envelope": take_envelope},
        is_ready=lambda: False,
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://monitor.test")


async def test_a_lane_answers_for_its_path_with_and_without_its_slash() -> None:
    telemetry = Telemetry()
    async with build_client(telemetry) as client:
        answers = [
            await client.post(f"/api/7/envelope{end}?sentry_key=a", content=b"x")
            for end in ("/", "")
        ]

    assert [answer.text for answer in answers] == ["7: x", "7: x"]
    # As everything else that is answered.
    assert all("x-request-id" in answer.headers for answer in answers)
    assert answers[0].headers["cache-control"] == "no-store"
    for route in _ROUTES:
        labels = {"method": "POST", "route": route, "status": str(HTTPStatus.OK.value)}
        name = "resumatch_monitor_http_requests_total"
        assert telemetry.registry.get_sample_value(name, labels) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/7/envelope/"),
        ("OPTIONS", "/api/7/envelope/"),
        ("POST", "/api/7/envelope//"),
        ("POST", "/api//envelope/"),
        ("POST", "/api/7/8/envelope/"),
        ("POST", "/app/7/envelope/"),
        ("POST", "/envelope/"),
        ("POST", "/api/7/store/"),
    ],
)
async def test_everything_else_is_left_to_the_router(method: str, path: str) -> None:
    async with build_client(Telemetry()) as client:
        answer = await client.request(method, path, content=b"x" if method == "POST" else None)

    assert answer.text == f"the rest: {path[1:]}"
