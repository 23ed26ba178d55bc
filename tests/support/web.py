"""An application around routers, and a client that talks to it in the process."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from fastapi import APIRouter

from resumatch_monitor.accounts.model import Principal, Role
from resumatch_monitor.api.edge import build_app
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.server import build_server
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.telemetry import Telemetry

ALICE = "alice-admin-token"
BOB = "bob-editor-token"
CHARLIE = "charlie-viewer-token"


class FixedTokens:
    """Knows Alice (admin), Bob (editor) and Charlie (viewer) by their bearer tokens."""

    def __init__(self) -> None:
        self._principals = {
            ALICE: Principal("alice@example.org", Role.ADMIN, 1),
            BOB: Principal("bob@example.org", Role.EDITOR, 2),
            CHARLIE: Principal("charlie@example.org", Role.VIEWER, 3),
        }

    async def authenticate_session(self, token: str) -> Principal | None:
        return self._principals.get(token)

    async def authenticate_bearer(self, token: str) -> Principal | None:
        return self._principals.get(token)


def make_guard() -> Guard:
    """Return a guard that knows the three."""
    return Guard(FixedTokens(), is_secure=False)


@asynccontextmanager
async def serve(
    *routers: APIRouter, token: str | None = ALICE
) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield a client of an application with `routers`, signed in with `token`."""
    app = build_app(routers=routers, ids=RandomIds(), telemetry=Telemetry())
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app, raise_app_exceptions=False),
        base_url="http://monitor.test",
        headers=headers,
    ) as client:
        yield client


@asynccontextmanager
async def listen(*routers: APIRouter, token: str = ALICE) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield a client of an application on a real port: answers come piece by piece."""
    app = build_app(routers=routers, ids=RandomIds(), telemetry=Telemetry())
    server = build_server(app, host="127.0.0.1", port=0)
    stop = asyncio.Event()
    await server.listen()
    serving = asyncio.create_task(server.serve_until(stop))
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}",
            headers={"Authorization": f"Bearer {token}"},
        ) as client:
            yield client
    finally:
        stop.set()
        await serving
