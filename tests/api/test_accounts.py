from datetime import timedelta

import httpx
import pytest
from fastapi import APIRouter

from resumatch_monitor.accounts.service import Accounts
from resumatch_monitor.api.accounts import build_router
from resumatch_monitor.storage.sql.accounts import SqlAccountStore
from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import ALICE, BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

DANA = {
    "email": "dana@example.org",
    "name": "Dana",
    "role": "editor",
    "password": "a long enough password",
}


@pytest.fixture
def router(database: Database, clock: FakeClock, ids: SequentialIds) -> APIRouter:
    accounts = Accounts(
        store=SqlAccountStore(database),
        clock=clock,
        ids=ids,
        session_lifetime=timedelta(days=1),
    )
    return build_router(accounts=accounts, guard=make_guard())


def error_code(response: httpx.Response) -> str:
    return response.json()["error"]["code"]


async def test_tells_who_one_is(router: APIRouter) -> None:
    async with serve(router, token=CHARLIE) as client:
        me = (await client.get("/api/monitor/me")).json()

    assert (me["name"], me["role"]) == ("charlie@example.org", "viewer")


async def test_a_stranger_is_asked_to_sign_in(router: APIRouter) -> None:
    async with serve(router, token=None) as client:
        response = await client.get("/api/monitor/me")

    assert response.status_code == 401
    assert error_code(response) == "not_signed_in"
    assert response.json()["error"]["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize("token", [BOB, CHARLIE])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "users"),
        ("POST", "users"),
        ("PATCH", "users/1"),
        ("GET", "tokens"),
        ("POST", "tokens"),
        ("DELETE", "tokens/1"),
    ],
)
async def test_only_an_admin_manages(router: APIRouter, token: str, method: str, path: str) -> None:
    async with serve(router, token=token) as client:
        response = await client.request(method, f"/api/monitor/{path}", json={})

    assert response.status_code == 403


async def test_an_admin_adds_changes_and_lists_users(router: APIRouter) -> None:
    async with serve(router) as client:
        added = await client.post("/api/monitor/users", json=DANA)
        again = await client.post("/api/monitor/users", json=DANA)
        await client.post("/api/monitor/users", json={**DANA, "email": "e@x.org", "role": "admin"})
        path = f"/api/monitor/users/{added.json()['id']}"
        changed = await client.patch(path, json={"role": "viewer", "disabled": True})
        listed = (await client.get("/api/monitor/users")).json()

    assert added.status_code == 201
    assert again.status_code == 409
    assert changed.json()["role"] == "viewer"
    assert [user["email"] for user in listed["items"]] == ["dana@example.org", "e@x.org"]
    assert listed["items"][0]["disabled_at"] is not None
    assert "password" not in str(listed)


async def test_a_short_password_is_explained(router: APIRouter) -> None:
    async with serve(router) as client:
        response = await client.post("/api/monitor/users", json={**DANA, "password": "short"})

    assert response.status_code == 400
    assert "at least 10 characters" in response.json()["error"]["message"]


async def test_no_answer_repeats_a_password(router: APIRouter) -> None:
    async with serve(router) as client:
        response = await client.post("/api/monitor/users", json={**DANA, "role": "king"})

    assert response.status_code == 422
    assert DANA["password"] not in response.text


async def test_a_tokens_secret_is_shown_once(router: APIRouter) -> None:
    async with serve(router) as client:
        made = await client.post("/api/monitor/tokens", json={"name": "ci", "role": "viewer"})
        listed = await client.get("/api/monitor/tokens")
        deleted = await client.delete(f"/api/monitor/tokens/{made.json()['id']}")

    assert made.json()["token"].startswith("rmm_")
    assert made.json()["token"] not in listed.text
    assert deleted.status_code == 204


async def test_a_cookie_from_another_site_changes_nothing(router: APIRouter) -> None:
    async with serve(router, token=None) as client:
        client.cookies.set(make_guard().cookie_name, ALICE)
        foreign = await client.post(
            "/api/monitor/tokens",
            json={"name": "x", "role": "admin"},
            headers={"Sec-Fetch-Site": "cross-site"},
        )
        unknown = await client.post("/api/monitor/tokens", json={"name": "x", "role": "admin"})
        own = await client.post(
            "/api/monitor/tokens",
            json={"name": "x", "role": "admin"},
            headers={"Sec-Fetch-Site": "same-origin"},
        )

    assert (foreign.status_code, unknown.status_code, own.status_code) == (403, 403, 201)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PATCH", "users/99999999999999999999"), ("DELETE", "tokens/99999999999999999999")],
)
async def test_a_number_that_no_table_can_hold_is_refused(
    router: APIRouter, method: str, path: str
) -> None:
    async with serve(router, token=ALICE) as client:
        response = await client.request(method, f"/api/monitor/{path}", json={})

    assert response.status_code == 422
