from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.storage.sql.database import Database
from tests.support.clock import FakeClock
from tests.support.errors import (
    EDITOR_TOKEN,
    ENVELOPE_URL,
    ErrorStack,
    bearer,
    build_stack,
    make_envelope,
    make_event,
    make_exception,
    make_frame,
)

pytestmark = pytest.mark.anyio

_NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_GROUPING = "/api/monitor/projects/1/grouping"


def failing(number: int, place: str, way: str = "route", **over: Any) -> dict[str, Any]:
    frames = [
        make_frame("app", "starlette", in_app=False),
        make_frame(way, "api"),
        make_frame(place),
    ]
    exception = make_exception("KeyError", f"'{number}'", stacktrace={"frames": frames})
    at = (_NOW - timedelta(minutes=200 - number)).isoformat()
    return make_event(number, exception={"values": [exception]}, timestamp=at, **over)


async def send(stack: ErrorStack, *events: dict[str, Any]) -> None:
    for event in events:
        response = await stack.client.post(ENVELOPE_URL, content=make_envelope(event))
        assert response.status_code == 200, response.text
    await stack.drain()


async def get(stack: ErrorStack, path: str) -> Any:
    response = await stack.client.get(path, headers=bearer())
    assert response.status_code == 200, response.text
    return response.json()


async def post(stack: ErrorStack, path: str, body: Any = None, *, status: int = 200) -> Any:
    response = await stack.client.post(path, json=body, headers=bearer(EDITOR_TOKEN))
    assert response.status_code == status, response.text
    return response.json()


async def put(stack: ErrorStack, path: str, body: Any) -> httpx.Response:
    return await stack.client.put(path, json=body, headers=bearer(EDITOR_TOKEN))


async def test_merges_explains_splits_and_undoes(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, failing(1, "pay"), failing(2, "save"), failing(3, "pay"))
        merged = await post(stack, "/api/monitor/issues/merge", {"ids": ["1", "2"], "target": "1"})
        gone = await stack.client.get("/api/monitor/issues/2", headers=bearer())
        changed = await stack.client.patch(
            "/api/monitor/issues/2", json={"status": "resolved"}, headers=bearer(EDITOR_TOKEN)
        )
        said = await stack.client.post(
            "/api/monitor/issues/2/comments", json={"text": "Hm."}, headers=bearer(EDITOR_TOKEN)
        )
        shown = await get(stack, "/api/monitor/issues/1/grouping")
        split = await post(stack, "/api/monitor/issues/1/split", {"keys": [shown["keys"][1]["id"]]})
        await post(stack, f"/api/monitor/issues/merges/{split['merge_id']}/undo")
        await post(stack, f"/api/monitor/issues/merges/{merged['merge_id']}/undo")
        again = await post(
            stack, f"/api/monitor/issues/merges/{merged['merge_id']}/undo", status=409
        )
        after = await get(stack, "/api/monitor/issues/1/grouping")

    assert merged == {
        "merge_id": "1", "issue_id": "1", "other_ids": ["2"], "missing_events": 0
    }  # fmt: skip
    for answer in (gone, changed, said):
        assert answer.status_code == 404
        assert answer.json()["error"]["merged_into"] == "1"
    assert [(key["event_count"], key["stored_count"]) for key in shown["keys"]] == [(2, 2), (1, 1)]
    assert shown["merges"][0]["members"][0]["short_id"] == "RESUMATCH-API-2"
    assert shown["merges"][0]["can_undo"]
    assert split["other_ids"] == ["3"]
    assert "has been undone" in again["error"]["message"]
    assert [(each["kind"], each["can_undo"]) for each in after["merges"]] == [
        ("split", False),
        ("merge", False),
    ]


async def test_explains_what_counted_and_what_did_not(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, failing(1, "pay"))
        explanation = (await get(stack, "/api/monitor/issues/1/grouping"))["explanation"]

    assert explanation["version"] == 2
    assert explanation["is_exact"]
    assert explanation["today"] is None
    assert explanation["source"] == "default"
    assert explanation["components"] == [
        {"kind": "exception", "values": ["KeyError"]},
        {"kind": "call", "values": ["shop.cart", "pay"]},
    ]
    frames = explanation["exceptions"][0]["frames"]
    assert [(frame["function"], frame["counts"], frame["reason"]) for frame in frames] == [
        ("pay", True, "counts"),
        ("route", False, "only the way there"),
        ("app", False, "not the application's own"),
    ]
    assert "line numbers" in explanation["ignored"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/monitor/issues/merge", {"ids": ["1"], "target": "1"}, 409),
        ("/api/monitor/issues/merge", {"ids": ["99"], "target": "1"}, 404),
        ("/api/monitor/issues/merge", {"ids": ["x"], "target": "1"}, 404),
        ("/api/monitor/issues/merge", {"ids": [], "target": "1"}, 422),
        ("/api/monitor/issues/merge", {"ids": ["1"] * 51, "target": "1"}, 422),
        ("/api/monitor/issues/1/split", {"keys": ["nonsense"]}, 400),
        ("/api/monitor/issues/1/split", {"keys": ["2-" + "0" * 32]}, 409),
        ("/api/monitor/issues/99/split", {"keys": ["2-" + "0" * 32]}, 404),
        ("/api/monitor/issues/merges/7/undo", None, 404),
        (f"{_GROUPING}/upgrade", {"version": 9}, 409),
        (f"{_GROUPING}/upgrade", {"version": 2}, 409),
        (f"{_GROUPING}/preview", {"version": 9}, 409),
        (f"{_GROUPING}/join", None, 409),
        ("/api/monitor/projects/9/grouping/join", None, 404),
        (f"{_GROUPING}/rules/try", {"rules": "x" * 70_000}, 422),
    ],
)
async def test_refuses_what_makes_no_sense(
    tmp_path: Path, database: Database, clock: FakeClock, path: str, body: Any, status: int
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, failing(1, "pay"))
        await post(stack, path, body, status=status)


async def test_a_viewer_changes_nothing(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        for path, body in (
            ("/api/monitor/issues/merge", {"ids": ["1", "2"], "target": "1"}),
            ("/api/monitor/issues/1/split", {"keys": ["2-" + "0" * 32]}),
            ("/api/monitor/issues/merges/1/undo", None),
            (f"{_GROUPING}/upgrade", {"version": 1}),
            (f"{_GROUPING}/join", None),
        ):
            response = await stack.client.post(path, json=body, headers=bearer())
            assert response.status_code == 403, path


async def test_rules_are_tried_on_stored_events_and_then_saved(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rules = 'stack.function:pay -> payment title="Payment"\nerror.type:Nothing -> x'
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, failing(1, "pay"), failing(2, "save"), failing(3, "pay"))
        tried = await post(stack, f"{_GROUPING}/rules/try", {"rules": rules})
        before = await get(stack, _GROUPING)
        saved = await put(stack, f"{_GROUPING}/rules", {"rules": rules, "replacing": ""})
        stale = await put(stack, f"{_GROUPING}/rules", {"rules": "", "replacing": ""})
        await send(stack, failing(4, "pay"))
        issue = await get(stack, "/api/monitor/issues/3")
        explanation = (await get(stack, "/api/monitor/issues/3/grouping"))["explanation"]
        older = (await get(stack, "/api/monitor/issues/1/grouping"))["explanation"]

    assert (tried["events"], tried["issues"], tried["matched_events"]) == (3, 2, 2)
    payment = tried["rules"][0]
    assert (payment["events"], payment["issues"], payment["groups"]) == (2, 1, 1)
    assert payment["examples"][0]["new_title"] == "Payment"
    assert tried["rules"][1]["events"] == 0
    assert before["rules"] == ""
    assert saved.status_code == 200
    assert saved.json()["changes"][0]["actor"] == "alice@example.org"
    assert stale.status_code == 409
    assert issue["title"] == "Payment"
    assert explanation["rule"] == {"text": rules.splitlines()[0], "line": 1}
    assert {frame["reason"] for frame in explanation["exceptions"][0]["frames"]} == {
        "a fingerprint was set", "not the application's own",
    }  # fmt: skip
    # What came before the rule was grouped without it.
    assert (older["source"], older["is_exact"]) == ("default", True)
    assert "stack.function:pay" in older["today"]


async def test_a_wrong_rule_is_refused_with_its_place(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    rules = "error.type:A -> a\nbug:B -> b"
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        tried = await post(stack, f"{_GROUPING}/rules/try", {"rules": rules}, status=400)
        saved = await put(stack, f"{_GROUPING}/rules", {"rules": rules, "replacing": ""})

    assert (tried["error"]["line"], tried["error"]["column"]) == (2, 1)
    assert saved.status_code == 400


async def test_a_version_is_previewed_applied_and_its_issues_joined(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        # Begun by version 1, for which two ways to one place are two issues.
        await send(stack, failing(1, "other"))
        await post(stack, f"{_GROUPING}/upgrade", {"version": 1})
        await send(stack, failing(2, "pay", "web"), failing(3, "pay", "cron"))

        started = await post(stack, f"{_GROUPING}/preview", {"version": 2}, status=202)
        await post(stack, f"{_GROUPING}/preview", {"version": 2}, status=409)
        await stack.regrouping.previews.make()
        preview = (await get(stack, _GROUPING))["preview"]
        await post(stack, f"{_GROUPING}/join", status=409)
        upgraded = await post(stack, f"{_GROUPING}/upgrade", {"version": 2})

        # Known keys lead where they led, until people join the issues.
        await send(stack, failing(4, "pay", "cron"))
        counts = [(await get(stack, f"/api/monitor/issues/{n}"))["event_count"] for n in (2, 3)]
        joined = await post(stack, f"{_GROUPING}/join")
        await send(stack, failing(5, "pay", "queue"))
        issue = await get(stack, "/api/monitor/issues/2")

    assert started["is_running"]
    assert (preview["issues_done"], preview["issues_total"], preview["events_done"]) == (3, 3, 3)
    assert [[each["id"] for each in issues] for issues in preview["joined"]] == [["2", "3"]]
    assert (preview["joined_issues"], preview["split_issues"]) == (2, 0)
    assert (upgraded["version"], upgraded["previous_version"]) == (2, 1)
    assert [each["kind"] for each in upgraded["changes"]] == ["version", "version"]
    assert counts == [1, 2]
    assert joined == {"merged": 1, "sets": 1, "remaining_sets": 0}
    assert issue["event_count"] == 4


async def test_a_preview_shows_what_would_be_split(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await send(stack, failing(1, "pay", "web"), failing(2, "pay", "cron"))
        await post(stack, f"{_GROUPING}/preview", {"version": 1}, status=202)
        await stack.regrouping.previews.make()
        preview = (await get(stack, _GROUPING))["preview"]

    assert (preview["split_issues"], preview["split"][0]["keys"]) == (1, 2)
