import base64

import httpx
import pytest
from fastapi import APIRouter, Depends

from resumatch_monitor.accounts.model import Principal, Role
from resumatch_monitor.api.guard import Guard
from tests.support.web import ALICE, make_guard, serve

pytestmark = pytest.mark.anyio


def basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


async def ask(method: str, headers: dict[str, str]) -> httpx.Response:
    guard = make_guard()
    router = APIRouter(dependencies=[Depends(guard.admin)])

    @router.api_route("/thing", methods=["GET", "POST"])
    async def thing() -> str:
        return "done"

    async with serve(router, token=None) as client:
        return await client.request(method, "/thing", headers=headers)


@pytest.mark.parametrize("user", ["promtool", ""])
async def test_a_token_may_come_as_the_password_of_any_user(user: str) -> None:
    answer = await ask("POST", basic(f"{user}:{ALICE}"))

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        basic("alice:wrong"),
        basic(ALICE),
        basic(f"{ALICE}:"),
        {"Authorization": "Basic"},
        {"Authorization": "Basic ???"},
        {"Authorization": "Basic /w=="},
        {"Authorization": f"Digest {ALICE}"},
    ],
)
async def test_anything_else_is_a_stranger(headers: dict[str, str]) -> None:
    answer = await ask("GET", headers)

    assert answer.status_code == 401
    # Browsers must not ask for a password that they would send with every site's requests.
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Sec-Fetch-Site": "cross-site"}, 403),
        ("POST", {"Origin": "http://elsewhere.test"}, 403),
        ("POST", {"Sec-Fetch-Site": "same-origin"}, 200),
        ("GET", {"Sec-Fetch-Site": "cross-site"}, 200),
    ],
)
async def test_a_password_that_a_browser_remembers_changes_nothing_for_other_sites(
    method: str, headers: dict[str, str], status: int
) -> None:
    answer = await ask(method, basic(f"x:{ALICE}") | headers)

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("role", "status"),
    [(Role.UPLOAD, 200), (Role.VIEWER, 403), (Role.EDITOR, 200), (Role.ADMIN, 200)],
)
async def test_builds_and_editors_upload_and_builds_read_nothing(role: Role, status: int) -> None:
    class OneToken:
        async def authenticate_session(self, token: str) -> Principal | None:
            return None

        async def authenticate_bearer(self, token: str) -> Principal | None:
            return Principal("token:ci", role)

    guard = Guard(OneToken(), is_secure=False)
    router = APIRouter()

    @router.post("/upload", dependencies=[Depends(guard.uploader)])
    async def upload() -> str:
        return "done"

    @router.get("/read", dependencies=[Depends(guard.viewer)])
    async def read() -> str:
        return "seen"

    async with serve(router, token="any") as client:
        assert (await client.post("/upload")).status_code == status
        assert (await client.get("/read")).status_code == (403 if role is Role.UPLOAD else 200)
