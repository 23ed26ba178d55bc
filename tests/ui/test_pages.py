import re
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from resumatch_monitor.accounts.model import Role
from resumatch_monitor.accounts.service import Accounts
from resumatch_monitor.api.guard import Guard, refuse_foreign_origin
from resumatch_monitor.storage.sql.accounts import SqlAccountStore
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.ui.bundle import Bundle
from resumatch_monitor.ui.pages import PageGuard, build_router
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import serve

pytestmark = pytest.mark.anyio

PASSWORD = "correct horse battery"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
INDEX = '<!doctype html><html data-theme=""><link rel="stylesheet" href="/assets/a-1.css"></html>'


def build_dist(folder: Path) -> Path:
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(INDEX)
    (folder / "assets" / "a-1.css").write_text("body { color: red }" * 100)
    return folder


@pytest.fixture
async def client(
    database: Database, clock: FakeClock, ids: SequentialIds, tmp_path: Path
) -> AsyncGenerator[httpx.AsyncClient]:
    accounts = Accounts(
        store=SqlAccountStore(database),
        clock=clock,
        ids=ids,
        session_lifetime=timedelta(days=1),
    )
    await accounts.add_user(
        email="alice@example.org", name="Alice", role=Role.ADMIN, password=PASSWORD
    )
    guard = Guard(accounts, is_secure=False)

    async def is_signed_in(request: httpx.Request) -> bool:
        return await guard.identify(request) is not None  # pyright: ignore[reportArgumentType]

    router = build_router(
        accounts=accounts,
        bundle=Bundle(build_dist(tmp_path / "dist")),
        guard=PageGuard(
            cookie_name=guard.cookie_name,
            is_secure=False,
            is_signed_in=is_signed_in,  # pyright: ignore[reportArgumentType]
            refuse_foreign_origin=refuse_foreign_origin,
        ),
    )
    async with serve(router, token=None) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, **fields: str) -> httpx.Response:
    data = {"email": "alice@example.org", "password": PASSWORD, **fields}
    return await client.post("/login", data=data, headers=SAME_ORIGIN)


async def test_a_stranger_is_led_to_the_sign_in_page_and_back(client: httpx.AsyncClient) -> None:
    first = await client.get("/issues?status=resolved")
    page = await client.get(first.headers["location"])
    target = re.search(r'name="next" value="([^"]*)"', page.text)
    assert target is not None
    signed_in = await sign_in(client, next=target[1])
    ui = await client.get("/issues")

    assert first.status_code == 303
    assert signed_in.headers["location"] == "/issues?status=resolved"
    assert "httponly" in signed_in.headers["set-cookie"].lower()
    assert ui.text.startswith("<!doctype html>")


async def test_a_wrong_password_is_told_on_the_page(client: httpx.AsyncClient) -> None:
    response = await sign_in(client, password="a wrong password")

    assert response.status_code == 401
    assert "password is wrong" in response.text
    assert "a wrong password" not in response.text
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/x\r\ny", "x"]
)
async def test_signing_in_leads_nowhere_else(client: httpx.AsyncClient, target: str) -> None:
    assert (await sign_in(client, next=target)).headers["location"] == "/"


async def test_a_form_of_another_site_is_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/login",
        data={"email": "alice@example.org", "password": PASSWORD},
        headers={"Sec-Fetch-Site": "cross-site"},
    )

    assert response.status_code == 403


async def test_signing_out_ends_it(client: httpx.AsyncClient) -> None:
    await sign_in(client)
    await client.post("/logout", headers=SAME_ORIGIN)

    assert (await client.get("/")).headers["location"] == "/login"


async def test_the_theme_is_rendered_from_the_cookie(client: httpx.AsyncClient) -> None:
    await sign_in(client)
    client.cookies.set("theme", "dark")
    assert 'data-theme="dark"' in (await client.get("/")).text
    client.cookies.set("theme", '"><script>')
    assert 'data-theme=""' in (await client.get("/")).text


async def test_files_are_compressed_and_kept_for_ever(client: httpx.AsyncClient) -> None:
    response = await client.get("/assets/a-1.css", headers={"Accept-Encoding": "gzip, br"})
    again = await client.get("/assets/a-1.css", headers={"If-None-Match": response.headers["etag"]})

    assert response.headers["content-encoding"] == "br"
    assert "immutable" in response.headers["cache-control"]
    assert again.status_code == 304
    assert (await client.get("/assets/none.css")).status_code == 404
    assert (await client.get("/assets/../index.html")).status_code in {303, 404}


async def test_the_policy_allows_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    policy = (await client.get("/login")).headers["content-security-policy"]

    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy


async def test_a_program_gets_no_page(client: httpx.AsyncClient) -> None:
    response = await client.get("/api/monitor/nothing")

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


async def test_an_absent_build_says_what_is_missing(tmp_path: Path) -> None:
    assert not Bundle(tmp_path / "none").is_built
