"""Projects that people make, seen at once by the door."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from resumatch_monitor.api import projects as projects_api
from resumatch_monitor.api.errors import install_error_handlers
from resumatch_monitor.api.guard import Guard, Principal, Role
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.sentry.categories import Category
from resumatch_monitor.sentry.outcomes import Outcome, OutcomeLedger
from resumatch_monitor.sentry.project_book import ProjectBook
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.quotas import Quotas
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outcomes import SqlOutcomeStore
from resumatch_monitor.storage.sql.projects import SqlProjectStore
from tests.support.clock import FakeClock
from tests.support.errors import KEY, PROJECT

pytestmark = pytest.mark.anyio

_URL = "/api/monitor/projects"
_ROLES = {"viewer": Role.VIEWER, "editor": Role.EDITOR, "admin": Role.ADMIN}


class RoleAuthenticator:
    """A token is the name of its role."""

    async def authenticate_session(self, token: str) -> Principal | None:
        return None

    async def authenticate_bearer(self, token: str) -> Principal | None:
        return Principal(token, _ROLES[token]) if token in _ROLES else None


@dataclass
class Stack:
    client: httpx.AsyncClient
    projects: Projects
    book: ProjectBook
    ledger: OutcomeLedger

    async def call(
        self, method: str, path: str = "", role: str = "editor", **over: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {role}"}
        return await self.client.request(method, _URL + path, headers=headers, **over)

    async def create(self, slug: str = "web", **over: Any) -> dict[str, Any]:
        answer = await self.call("POST", json={"slug": slug, **over})
        assert answer.status_code == 201, answer.text
        return answer.json()


def build_stack(database: Database, clock: FakeClock) -> Stack:
    projects = Projects([PROJECT])
    store = SqlOutcomeStore(database)
    ledger = OutcomeLedger(store, clock=clock)
    book = ProjectBook(
        projects=projects, store=SqlProjectStore(database), clock=clock, ids=RandomIds()
    )
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(
        projects_api.build_router(
            sources=projects_api.ProjectSources(
                book=book,
                quotas=Quotas(clock=clock),
                outcomes=store,
                ledger=ledger,
                clock=clock,
                external_url="https://monitor.example.org",
            ),
            guard=Guard(RoleAuthenticator(), is_secure=False),
        )
    )
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")
    return Stack(client, projects, book, ledger)


@pytest.fixture
async def stack(database: Database, clock: FakeClock) -> AsyncGenerator[Stack]:
    stack = build_stack(database, clock)
    await stack.book.load()
    async with stack.client:
        yield stack


async def test_a_project_is_made_and_may_send_at_once(stack: Stack) -> None:
    made = await stack.create("web", name="Web shop", platform="javascript.nextjs")

    project = stack.projects.find(str(made["id"]))
    assert project is not None
    assert made["dsn"] == f"https://{project.key}@monitor.example.org/{project.id}"
    assert (made["name"], made["platform"], made["is_provisioned"]) == (
        "Web shop",
        "javascript.nextjs",
        False,
    )
    assert project.id == PROJECT.id + 1
    assert [key["is_enabled"] for key in made["keys"]] == [True]
    assert (await stack.call("GET", f"/{project.id}", "viewer")).json() == made


async def test_what_was_made_is_there_after_a_restart(
    stack: Stack, database: Database, clock: FakeClock
) -> None:
    settings = {
        "filters": {"messages": ["*x*"]},
        "quotas": [{"category": "error", "limit": 7, "window": "1d"}],
        "scrubbing": {"patterns": [{"name": "id", "pattern": "ID-\\d+"}], "addresses": "drop"},
    }
    made = await stack.create(settings=settings)
    await stack.call("POST", f"/{made['id']}/keys", json={"rate_limit": {"limit": 5}})
    before = (await stack.call("GET", f"/{made['id']}")).json()

    again = build_stack(database, clock)
    assert again.projects.find(str(made["id"])) is None
    await again.book.load()

    assert (await again.call("GET", f"/{made['id']}")).json() == before
    assert before["settings"]["quotas"] == [{"limit": 7, "window": "1d", "category": "error"}]
    await again.client.aclose()


async def test_a_key_replaces_another(stack: Stack) -> None:
    made = await stack.create()
    path = f"/{made['id']}/keys"
    old = made["keys"][0]

    answer = await stack.call("POST", path, json={"name": "Browser"})
    new = answer.json()
    disabled = await stack.call("PATCH", f"{path}/{old['id']}", json={"is_enabled": False})

    assert (answer.status_code, new["name"], disabled.json()["is_enabled"]) == (
        201,
        "Browser",
        False,
    )
    project = stack.projects.find(str(made["id"]))
    assert project is not None
    assert project.key == new["public"] != old["public"]
    assert old["public"] in {key.public for key in project.keys}
    assert (await stack.call("DELETE", f"{path}/{old['id']}")).status_code == 204
    changed = stack.projects.find(str(made["id"]))
    assert changed is not None
    assert changed.find_key(old["public"]) is None


async def test_a_rate_limit_comes_and_goes(stack: Stack) -> None:
    made = await stack.create()
    path = f"/{made['id']}/keys/{made['keys'][0]['id']}"

    def change(**over: Any) -> Any:
        return stack.call("PATCH", path, json=over)

    limited = (await change(rate_limit={"limit": 5, "window": "1m"})).json()
    named = (await change(name="a")).json()
    free = (await change(rate_limit=None)).json()

    assert limited["rate_limit"] == {"limit": 5, "window": "1m"}
    assert (named["name"], named["rate_limit"]) == ("a", limited["rate_limit"])
    assert (free["name"], free["rate_limit"]) == ("a", None)


async def test_settings_are_replaced_and_bad_ones_refused(stack: Stack) -> None:
    made = await stack.create(settings={"filters": {"localhost": True}})

    good = await stack.call(
        "PATCH", f"/{made['id']}", json={"settings": {"filters": {"health_checks": False}}}
    )
    bad = [
        await stack.call("PATCH", f"/{made['id']}", json={"settings": settings})
        for settings in (
            {"scrubbing": {"patterns": [{"pattern": "("}]}},
            {"scrubbing": {"patterns": [{"pattern": "a*"}]}},
            {"scrubbing": {"addresses": "publish"}},
            {"quotas": [{"category": "nonsense", "limit": 1}]},
            {"quotas": [{"limit": -1}]},
            {"quotas": [{"limit": 1, "window": "90d"}]},
            {"quotas": [{"limit": 1}] * 21},
            {"filters": {"messages": [""]}},
            {"unknown": 1},
        )
    ]

    filters = good.json()["settings"]["filters"]
    assert (filters["localhost"], filters["health_checks"]) == (False, False)
    assert {answer.status_code for answer in bad} == {422}
    assert (await stack.call("GET", f"/{made['id']}")).json()["settings"]["filters"] == filters


async def test_projects_of_the_configuration_are_read_only(stack: Stack) -> None:
    shown = (await stack.call("GET", "/1", "viewer")).json()
    answers = [
        await stack.call("PATCH", "/1", json={"name": "x"}),
        await stack.call("DELETE", "/1", "admin"),
        await stack.call("POST", "/1/keys", json={}),
        await stack.call("PATCH", "/1/keys/0", json={"is_enabled": False}),
        await stack.call("DELETE", "/1/keys/0"),
    ]

    assert (shown["is_provisioned"], shown["keys"][0]["public"]) == (True, KEY)
    assert shown["keys"][0]["id"] is None
    assert {answer.status_code for answer in answers} == {409}
    assert all("configuration" in answer.json()["error"]["message"] for answer in answers)


@pytest.mark.parametrize(
    ("method", "path", "role", "status"),
    [
        ("POST", "", "viewer", 403),
        ("PATCH", "/2", "viewer", 403),
        ("POST", "/2/keys", "viewer", 403),
        ("DELETE", "/2", "editor", 403),
        ("GET", "/2", "nobody", 401),
        ("GET", "/2/outcomes", "nobody", 401),
        ("GET", "/99", "viewer", 404),
        ("GET", "/x", "viewer", 404),
        ("PATCH", "/99", "editor", 404),
        ("DELETE", "/99", "admin", 404),
        ("DELETE", "/2/keys/99", "editor", 404),
        ("PATCH", "/2/keys/x", "editor", 404),
    ],
)
async def test_who_may_do_what(
    stack: Stack, method: str, path: str, role: str, status: int
) -> None:
    await stack.create()
    body = {"json": {"slug": "x"} if path == "" else {}} if method in ("POST", "PATCH") else {}

    answer = await stack.call(method, path, role, **body)

    assert answer.status_code == status, answer.text


@pytest.mark.parametrize("slug", ["resumatch-api", "web"])
async def test_a_slug_is_there_once(stack: Stack, slug: str) -> None:
    await stack.create("web")

    answer = await stack.call("POST", json={"slug": slug})

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")


@pytest.mark.parametrize("slug", ["", "Web", "-web", "a b", "x" * 51, "../etc"])
async def test_a_slug_is_plain(stack: Stack, slug: str) -> None:
    assert (await stack.call("POST", json={"slug": slug})).status_code == 422


async def test_a_number_is_never_given_out_again(stack: Stack) -> None:
    made = await stack.create("one")
    stack.ledger.count(made["id"], Category.ERROR, Outcome.ACCEPTED)
    await stack.ledger.flush()

    assert (await stack.call("DELETE", f"/{made['id']}", "admin")).status_code == 204
    again = await stack.create("one")

    assert stack.projects.find(str(made["id"])) is None
    assert again["id"] > made["id"]
    assert (await stack.call("GET", f"/{made['id']}")).status_code == 404


async def test_the_configuration_wins_over_what_was_made(
    stack: Stack, database: Database, clock: FakeClock
) -> None:
    made = await stack.create("web")
    configured = PROJECT.model_copy(update={"id": 9, "slug": "web", "key": "9" * 32})
    projects = Projects([configured])
    book = ProjectBook(
        projects=projects, store=SqlProjectStore(database), clock=clock, ids=RandomIds()
    )

    await book.load()

    assert [project.id for project in projects.all()] == [9]
    assert projects.find(str(made["id"])) is None


async def test_a_project_has_at_most_twenty_keys(stack: Stack) -> None:
    made = await stack.create()
    answers = [await stack.call("POST", f"/{made['id']}/keys", json={}) for _ in range(20)]

    assert [answer.status_code for answer in answers] == [201] * 19 + [409]


async def test_outcomes_are_shown_by_hour_and_by_day(stack: Stack, clock: FakeClock) -> None:
    for _ in range(30):
        stack.ledger.count(1, Category.ERROR, Outcome.ACCEPTED, quantity=2)
        stack.ledger.count(1, Category.ERROR, Outcome.RATE_LIMITED, "quota")
        clock.jump_monotonic(3600)

    hourly = (await stack.call("GET", "/1/outcomes", "viewer")).json()
    daily = (await stack.call("GET", "/1/outcomes?hours=240", "viewer")).json()

    accepted, limited = hourly["series"]
    assert (accepted["outcome"], accepted["total"], len(accepted["counts"])) == ("accepted", 46, 24)
    assert accepted["counts"][-2:] == [2, 0]
    assert (limited["reason"], limited["total"]) == ("quota", 23)
    assert daily["step_seconds"] == timedelta(days=1).total_seconds()
    assert daily["series"][0]["total"] == 60
    assert len(daily["series"][0]["counts"]) == 10
    for query in ("hours=0", "hours=99999", "hours=x"):
        assert (await stack.call("GET", f"/1/outcomes?{query}", "viewer")).status_code == 422


async def test_scrubbing_can_be_tried(stack: Stack) -> None:
    body = {
        "text": "CUST-12 wrote to ada@example.org",
        "scrubbing": {"patterns": [{"name": "customer", "pattern": "CUST-\\d+"}]},
    }

    answer = await stack.call("POST", "/1/scrubbing/try", "viewer", json=body)

    assert answer.json() == {"text": "[Filtered:customer] wrote to [email]"}
    half = await stack.call(
        "POST", "/1/scrubbing/try", "viewer", content=b'{"text":"\\ud800","scrubbing":{}}'
    )
    assert half.status_code < 500
