"""What completes a search, searches that are kept, tags, and issues that are alike."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

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
)

pytestmark = pytest.mark.anyio

_ISSUES = "/api/monitor/issues"
_SAVED = f"{_ISSUES}/search/saved"
_EDITOR = bearer(EDITOR_TOKEN)


@pytest.fixture
async def stack(tmp_path: Path, database: Database, clock: FakeClock) -> AsyncGenerator[ErrorStack]:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        kinds = ("KeyError", "KeyError", "LookupError", "SyntaxError")
        for number, kind in enumerate(kinds, start=1):
            calls = ("checkout", "find_order") if number < 4 else ("parse_template",)
            value = "no such order" if number < 4 else "unexpected token"
            exception = {"values": [make_exception(kind, value, *calls)]}
            tags = {"shard": str(number), "plan/of": "pro" if number < 3 else "free"}
            event = make_event(number, exception=exception, tags=tags, release=f"shop@{number}")
            await stack.client.post(ENVELOPE_URL, content=make_envelope(event))
        await stack.drain()
        stack.client.headers.update(bearer())
        yield stack


async def read(stack: ErrorStack, path: str, **params: str) -> dict[str, Any]:
    answer = await stack.client.get(_ISSUES + path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_keys_are_completed_by_fields_and_tags(stack: ErrorStack) -> None:
    found = await read(stack, "/search/suggest", prefix="pl")
    assert [(each["key"], each["kind"]) for each in found["keys"]] == [
        ("platform", "field"),
        ("plan/of", "tag"),
    ]
    everything = {each["key"] for each in (await read(stack, "/search/suggest"))["keys"]}
    assert {"is", "timesSeen", "shard", "server_name"} <= everything


async def test_values_are_completed_the_most_frequent_first(stack: ErrorStack) -> None:
    async def values(key: str, prefix: str = "") -> list[tuple[str, int | None]]:
        found = await read(stack, "/search/suggest", key=key, prefix=prefix)
        return [(each["value"], each["issues"]) for each in found["values"]]

    assert await values("plan/of") == [("free", 2), ("pro", 1)]
    assert await values("shard", "2") == [("2", 1)]
    assert ("regressed", None) in await values("is", "re")
    assert [value for value, _ in await values("release", "shop@")] != []
    assert await values("project", "resu") == [("resumatch-api", None)]
    assert await values("level", "err") == [("error", 3)]
    assert await values("nothing") == []


async def test_tags_have_counts_and_shares(stack: ErrorStack) -> None:
    issue = (await read(stack, "", query="KeyError"))["items"][0]["id"]

    found = {tag["key"]: tag for tag in (await read(stack, f"/{issue}/tags"))["items"]}

    assert found["plan/of"]["values"] == [{"value": "pro", "count": 2, "share": 1.0}]
    assert found["shard"]["value_count"] == 2
    assert await read(stack, f"/{issue}/tags/plan/of") == found["plan/of"]
    missing = await stack.client.get(f"{_ISSUES}/{issue}/tags/nothing")
    assert missing.status_code == 404


async def test_alike_is_what_shares_words_and_frames(stack: ErrorStack) -> None:
    issue = (await read(stack, "", query="KeyError"))["items"][0]["id"]

    found = (await read(stack, f"/{issue}/similar"))["items"]

    assert [each["issue"]["type"] for each in found] == ["LookupError"]
    assert found[0]["frame_score"] == 1.0
    assert 0.6 < found[0]["score"] < 1
    assert (await read(stack, "/999/similar"))["items"] == []


async def test_searches_are_kept_shared_and_forgotten(stack: ErrorStack) -> None:
    client = stack.client
    body = {"name": " Mine ", "query": "is:unresolved plan:pro", "sort": "events"}

    made = await client.post(_SAVED, json=body, headers=_EDITOR)
    assert made.status_code == 201
    path = f"{_SAVED}/{made.json()['id']}"
    assert (await client.get(_SAVED)).json()["items"] == []
    own = (await client.get(_SAVED, headers=_EDITOR)).json()["items"]
    assert [(each["name"], each["sort"], each["is_own"]) for each in own] == [
        ("Mine", "events", True)
    ]

    shared = {**body, "name": "Ours", "is_shared": True}
    assert (await client.put(path, json=shared, headers=_EDITOR)).status_code == 200
    seen = (await client.get(_SAVED)).json()["items"]
    assert [(each["name"], each["is_own"]) for each in seen] == [("Ours", False)]

    assert (await client.delete(path, headers=_EDITOR)).status_code == 204
    assert (await client.get(_SAVED)).json()["items"] == []
    assert (await client.delete(path, headers=_EDITOR)).status_code == 404


async def test_a_search_that_cannot_be_read_is_not_kept(stack: ErrorStack) -> None:
    async def post(**body: Any) -> int:
        body = {"name": "x", "query": "", **body}
        return (await stack.client.post(_SAVED, json=body, headers=_EDITOR)).status_code

    assert await post(query="is:open") == 400
    assert await post(name="  ") == 422
    assert await post(sort="loudest") == 422
    assert (await stack.client.post(_SAVED, json={"name": "x", "query": ""})).status_code == 403


async def test_somebody_keeps_a_bounded_number_of_searches(stack: ErrorStack) -> None:
    for number in range(100):
        body = {"name": str(number), "query": ""}
        await stack.client.post(_SAVED, json=body, headers=_EDITOR)

    answer = await stack.client.post(_SAVED, json={"name": "x", "query": ""}, headers=_EDITOR)

    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "too_many")
