from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import Connection, insert, select, text, update

from resumatch_monitor.errortracking.workflow.due import WorkflowTimer
from resumatch_monitor.releases.model import Commit, ReleaseChange
from resumatch_monitor.storage.sql import issues_workflow
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.releases_book import SqlReleaseBook
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS, ISSUES
from tests.support.clock import FakeClock
from tests.support.errors import (
    EDITOR_TOKEN,
    PROJECT,
    ErrorStack,
    bearer,
    build_stack,
    make_event,
    make_exception,
)

pytestmark = pytest.mark.anyio

_ISSUES = "/api/monitor/issues"
_COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
async def stack(tmp_path: Path, database: Database, clock: FakeClock) -> AsyncGenerator[ErrorStack]:
    async with build_stack(tmp_path, database=database, clock=clock) as built:
        yield built


class Sender:
    """Sends events of two issues, each later than the one before."""

    def __init__(self, stack: ErrorStack, clock: FakeClock) -> None:
        self._stack = stack
        self._clock = clock
        self._number = 0

    async def send(self, issue: int = 1, *, release: str = "", user: str = "") -> None:
        self._number += 1
        await self._clock.advance(60)
        event = make_event(
            self._number,
            timestamp=self._clock.now().isoformat(),
            exception={"values": [make_exception("KeyError", "'x'", f"call_{'ab'[issue - 1]}")]},
            **({"release": release} if release else {}),
            **({"user": {"id": user}} if user else {}),
        )
        url = f"/api/1/store/?sentry_key={PROJECT.key}"
        response = await self._stack.client.post(url, content=orjson.dumps(event))
        assert response.status_code == 200
        await self._stack.drain()


@pytest.fixture
def sender(stack: ErrorStack, clock: FakeClock) -> Sender:
    return Sender(stack, clock)


async def call(
    stack: ErrorStack, method: str, path: str = "", body: Any = None, *, token: str = EDITOR_TOKEN
) -> httpx.Response:
    return await stack.client.request(method, f"{_ISSUES}{path}", json=body, headers=bearer(token))


async def change(stack: ErrorStack, body: dict[str, Any], path: str = "/1") -> dict[str, Any]:
    answer = await call(stack, "PATCH", path, body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _multiply(database: Database, count: int) -> None:
    """Make so many issues of the only one."""

    def write(connection: Connection) -> None:
        (row,) = connection.execute(select(ISSUES)).mappings()
        copies = [{**row, "id": number, "number": number} for number in range(2, count + 1)]
        connection.execute(insert(ISSUES), copies)

    await database.write(write)


def _move_first_to_a_project_without_releases(connection: Connection) -> None:
    (row,) = connection.execute(select(ERROR_PROJECTS)).mappings()
    connection.execute(insert(ERROR_PROJECTS).values({**row, "project_id": 9, "slug": "other"}))
    connection.execute(update(ISSUES).where(ISSUES.c.id == 1).values(project_id=9))


async def standing(stack: ErrorStack, number: int = 1) -> tuple[str, str | None]:
    issue = (await call(stack, "GET", f"/{number}")).json()
    return issue["status"], issue["substatus"]


def names(stack: ErrorStack) -> list[str]:
    """Return what was told to have begun."""
    return [alert.name for alert in stack.sink.alerts if alert.ends_at is None]


async def test_resolved_in_the_next_release_reopens_only_by_a_newer_one(
    stack: ErrorStack, sender: Sender
) -> None:
    await sender.send(release="web@1.0.0")
    body = {"status": "resolved", "resolution": {"kind": "next_release"}}
    changed = await change(stack, body)
    assert changed["resolution"] == {
        "kind": "next_release",
        "release": "web@1.0.0",
        "commit": None,
    }

    await sender.send(release="web@1.0.0")
    await sender.send(release="web@0.9.0")
    assert await standing(stack) == ("resolved", None)
    await sender.send(release="web@1.0.1")
    await sender.send(release="web@1.0.2")

    assert await standing(stack) == ("unresolved", "regressed")
    assert names(stack) == ["NewIssue", "IssueRegressed"]
    summary = stack.sink.alerts[-1].annotations["summary"]
    assert summary.startswith("Resolved issue is back in web@1.0.1: KeyError")


async def test_resolves_when_a_release_with_the_commit_is_announced(
    stack: ErrorStack, sender: Sender, database: Database, clock: FakeClock
) -> None:
    await sender.send(release="web@1.0.0")
    await change(
        stack, {"status": "resolved", "resolution": {"kind": "commit", "commit": _COMMIT[:9]}}
    )
    timer, book = WorkflowTimer(due=stack.workflow, clock=clock), SqlReleaseBook(database)
    await timer.do_all()
    assert await standing(stack) == ("unresolved", "new")

    await book.announce([1], "web@1.1.0", ReleaseChange(), clock.now())
    commit = Commit(_COMMIT, "shop", "Mend it", "Ada", "ada@example.org", None)
    await book.set_commits([1], "web@1.1.0", [commit])
    await timer.do_all()
    await sender.send(release="web@1.0.0")
    assert await standing(stack) == ("resolved", None)
    await sender.send(release="web@1.1.0")

    assert await standing(stack) == ("unresolved", "regressed")


async def test_a_commit_of_a_release_that_nobody_announced_holds_up_no_other(
    stack: ErrorStack,
    sender: Sender,
    database: Database,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(issues_workflow, "_COMMITS_A_ROUND", 1)
    other = "f" * 40
    for number, sha in ((1, other), (2, _COMMIT)):
        await sender.send(number)
        resolution = {"kind": "commit", "commit": sha}
        await change(stack, {"status": "resolved", "resolution": resolution}, f"/{number}")
    unannounced = text(
        "INSERT INTO release_commits VALUES (1, 'web@9', 0, :sha, '', '', '', '', NULL)"
    )
    await database.write(lambda connection: connection.execute(unannounced, {"sha": other}))
    book = SqlReleaseBook(database)
    await book.announce([1], "web@1.1.0", ReleaseChange(), clock.now())
    commit = Commit(_COMMIT, "shop", "Mend it", "Ada", "ada@example.org", None)
    await book.set_commits([1], "web@1.1.0", [commit])

    await WorkflowTimer(due=stack.workflow, clock=clock).do_all()

    assert await standing(stack, 1) == ("unresolved", "new")
    assert await standing(stack, 2) == ("resolved", None)


async def test_archived_until_more_users_escalates_once(stack: ErrorStack, sender: Sender) -> None:
    await sender.send(user="ada")
    await change(stack, {"status": "ignored", "archive": {"kind": "users", "users": 2}})
    await sender.send(user="ada")
    await sender.send(user="bob")
    assert await standing(stack) == ("ignored", None)

    for user in ("cyn", "dan"):
        await sender.send(user=user)

    assert await standing(stack) == ("unresolved", "escalating")
    assert names(stack) == ["NewIssue", "IssueEscalating"]


async def test_archived_for_a_time_comes_back_by_itself(
    stack: ErrorStack, sender: Sender, clock: FakeClock
) -> None:
    await sender.send()
    until = (clock.now() + timedelta(hours=1)).isoformat()
    await change(stack, {"status": "ignored", "archive": {"kind": "until", "until": until}})
    timer = WorkflowTimer(due=stack.workflow, clock=clock)
    await timer.do_all()
    assert await standing(stack) == ("ignored", None)

    await clock.advance(3_600)
    await timer.do_all()

    assert await standing(stack) == ("unresolved", "new")


async def test_assigns_and_prioritises(stack: ErrorStack, sender: Sender) -> None:
    await sender.send()

    changed = await change(stack, {"assignee": "bob@example.org", "priority": "high"})
    assert (changed["assignee"], changed["priority"]) == ("bob@example.org", "high")
    assert (await call(stack, "GET", "/assignees")).json() == {"items": ["bob@example.org"]}
    changed = await change(stack, {"assignee": "", "priority": None})

    assert (changed["assignee"], changed["priority"]) == (None, "medium")
    kinds = [entry["kind"] for entry in changed["activity"]]
    assert kinds == ["priority", "assigned", "priority", "assigned", "created"]


async def test_many_are_changed_by_ids_or_by_what_matches_and_changed_back(
    stack: ErrorStack, sender: Sender
) -> None:
    await sender.send(1)
    await sender.send(2)

    done = await change(stack, {"matching": {"status": "unresolved"}, "status": "resolved"}, "")
    assert done["updated"] == 2
    await change(stack, {"assignee": "bob@example.org"}, "/2")
    undone = await call(stack, "POST", f"/undo/{done['undo']}")

    # The second has been changed since, and what people did to it stays.
    assert undone.json() == {"restored": 1, "kept": 1}
    assert (await standing(stack, 1), await standing(stack, 2)) == (
        ("unresolved", "new"),
        ("resolved", None),
    )
    assert (await call(stack, "POST", f"/undo/{done['undo']}")).status_code == 404


async def test_more_than_a_batch_that_match_are_changed_and_changed_back(
    stack: ErrorStack, sender: Sender, database: Database
) -> None:
    await sender.send()
    await _multiply(database, 2_500)
    await change(stack, {"status": "resolved"}, "/7")

    body = {"matching": {"query": "is:unresolved KeyError"}, "status": "ignored"}
    done = await change(stack, body, "")

    assert (done["matched"], done["is_matched_exact"], done["looked_at"]) == (2_499, True, 2_499)
    assert done["updated"] == 2_499
    assert await standing(stack, 7) == ("resolved", None)
    assert (await change(stack, {"matching": {}, "status": "ignored"}, ""))["updated"] == 1
    undone = await call(stack, "POST", f"/undo/{done['undo']}")
    assert undone.json() == {"restored": 2_499, "kept": 0}


async def test_a_decision_that_is_wrong_for_one_of_many_changes_none(
    stack: ErrorStack, sender: Sender, database: Database
) -> None:
    await sender.send(release="shop@1.0")
    await _multiply(database, 1_500)
    await database.write(_move_first_to_a_project_without_releases)

    body = {"matching": {}, "status": "resolved", "resolution": {"kind": "next_release"}}
    refused = await call(stack, "PATCH", "", body)

    assert refused.status_code == 400, refused.text
    assert "No release" in refused.json()["error"]["message"]
    assert (await call(stack, "GET", "?query=is:resolved")).json()["total"] == 0


@pytest.mark.parametrize("undo", ["x", "1-x", "-", "99", "1-2-3-4-5-6-7-8-9-10-11-12"])
async def test_only_what_a_change_answered_takes_it_back(stack: ErrorStack, undo: str) -> None:
    assert (await call(stack, "POST", f"/undo/{undo}")).status_code == 404


async def test_a_change_of_what_has_changed_meanwhile_is_refused(
    stack: ErrorStack, sender: Sender
) -> None:
    await sender.send()
    await change(stack, {"status": "resolved", "revision": 0})

    refused = await call(stack, "PATCH", "/1", {"status": "ignored", "revision": 0})

    assert refused.status_code == 409
    assert refused.json()["error"]["revision"] == 1
    assert await standing(stack) == ("resolved", None)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/1", {}, 400),
        ("/1", {"status": None}, 400),
        ("/1", {"status": "resolved", "archive": {}}, 400),
        ("/1", {"status": "ignored", "resolution": {}}, 400),
        ("/1", {"status": "resolved", "resolution": {"kind": "commit"}}, 400),
        ("/1", {"status": "resolved", "resolution": {"kind": "commit", "commit": "x"}}, 422),
        ("/1", {"status": "ignored", "archive": {"kind": "events"}}, 400),
        ("/1", {"priority": "urgent"}, 422),
        ("/77", {"status": "resolved"}, 404),
        ("/x", {"status": "resolved"}, 404),
        ("", {"status": "resolved"}, 400),
        ("", {"ids": ["1"], "matching": {}, "status": "resolved"}, 400),
        ("", {"ids": ["1"] * 1_001, "status": "resolved"}, 422),
        ("", {"ids": ["one"], "status": "resolved"}, 404),
    ],
)
async def test_refuses_what_makes_no_sense(
    stack: ErrorStack, sender: Sender, path: str, body: dict[str, Any], status: int
) -> None:
    await sender.send()

    answer = await call(stack, "PATCH", path, body)

    assert answer.status_code == status, answer.text
    assert await standing(stack) == ("unresolved", "new")


async def test_people_comment_and_change_only_their_own(
    stack: ErrorStack, sender: Sender, database: Database, clock: FakeClock
) -> None:
    await sender.send()
    comment = (await call(stack, "POST", "/1/comments", {"text": " Look at this "})).json()
    other = await stack.workflow.comment(1, "Mine", actor="bob@example.org", at=clock.now())
    assert other is not None

    edited = await call(stack, "PATCH", f"/1/comments/{comment['id']}", {"text": "Look here"})
    refused = await call(stack, "PATCH", f"/1/comments/{other.id}", {"text": "Yours"})
    missing = await call(stack, "DELETE", "/2/comments/1")
    page = (await call(stack, "GET", "/1/activity?limit=2")).json()
    rest = (await call(stack, "GET", f"/1/activity?limit=2&cursor={page['next_cursor']}")).json()
    deleted = await call(stack, "DELETE", f"/1/comments/{comment['id']}")

    assert edited.json()["edited_at"] is not None
    assert (refused.status_code, missing.status_code, deleted.status_code) == (403, 404, 204)
    assert [(each["kind"], each["text"]) for each in page["items"]] == [
        ("comment", "Mine"),
        ("comment", "Look here"),
    ]
    assert [each["kind"] for each in rest["items"]] == ["created"]
    assert rest["next_cursor"] is None
    assert (await call(stack, "POST", "/1/comments", {"text": "  "})).status_code == 400
    assert (await call(stack, "POST", "/9/comments", {"text": "a"})).status_code == 404
