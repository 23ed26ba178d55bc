"""`/api/monitor/logs/pipelines/try`."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.log_pipelines import TrialSources, build_router
from resumatch_monitor.logs.pipeline.parsing import Surroundings
from resumatch_monitor.logs.scrubbing import RecordScrubber
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.clock import FakeClock
from tests.support.logs import START_US, make_record, place
from tests.support.web import make_guard, serve

pytestmark = pytest.mark.anyio

_TRY = "/api/monitor/logs/pipelines/try"
_JSON = "steps:\n  - type: json\n"


@pytest.fixture
async def client(tmp_path: Path, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    store = TantivyLogStore(tmp_path / "logs", clock=clock, min_free_bytes=0)
    store.open()
    await store.append(
        [
            make_record('{"msg": "paid", "user": 7}', timestamp_us=START_US),
            make_record("plain", timestamp_us=START_US + 1_000),
            make_record("plain", service="web", timestamp_us=START_US + 2_000),
        ],
        until=place(1),
    )
    sources = TrialSources(
        logs=store,
        surroundings=Surroundings(),
        scrubber=RecordScrubber(Scrubber([])),
        clock=clock,
    )
    async with serve(build_router(sources=sources, guard=make_guard())) as client:
        yield client
    store.close()


async def test_a_pasted_line_shows_what_it_would_become(client: httpx.AsyncClient) -> None:
    pipeline = {"steps": [{"type": "json"}, {"type": "count", "metric": "paid_total"}]}
    body = {"pipeline": pipeline, "lines": ['noise {"a":1}', '{"message": "{\\"b\\": 2}"}']}
    answer = await client.post(_TRY, json=body)
    assert answer.status_code == 200, answer.text
    first, second = answer.json()["items"]
    assert first["steps"] == [
        {"step": 0, "type": "json", "outcome": "failed", "reason": "message is not JSON"}
    ]
    assert "step 1 (json)" in first["after"]["attributes"]["log.pipeline_error"]
    assert second["after"]["attributes"] == {"b": 2}
    assert second["orders"] == [{"metric": "paid_total", "labels": {}, "amount": 1.0}]


async def test_the_last_records_that_a_query_finds_show_what_they_would_become(
    client: httpx.AsyncClient,
) -> None:
    body = {"pipeline": _JSON, "last": 100, "query": "service:api"}
    items = (await client.post(_TRY, json=body)).json()["items"]
    assert [(item["before"]["message"][:5], item["after"]["message"]) for item in items] == [
        ("plain", "plain"),
        ('{"msg', "paid"),
    ]


@pytest.mark.parametrize(
    ("body", "status", "code", "details"),
    [
        ({"pipeline": "steps: [{type: nope}]", "lines": ["a"]}, 400, "invalid_pipeline",
         {"place": "steps[0]", "line": 1, "column": 9}),
        ({"pipeline": {"steps": [{"type": "regex", "pattern": "("}]}, "lines": ["a"]}, 400,
         "invalid_pipeline", {"place": "steps[0].pattern", "line": None, "column": None}),
        ({"pipeline": _JSON, "last": 1, "query": "(a"}, 400, "invalid_query", None),
        ({"pipeline": _JSON}, 422, "invalid_request", None),
        ({"pipeline": _JSON, "lines": ["a"], "last": 1}, 422, "invalid_request", None),
        ({"pipeline": _JSON, "last": 101}, 422, "invalid_request", None),
        ({"pipeline": "[" * 5_000, "lines": ["a"]}, 400, "invalid_pipeline", None),
    ],
)  # fmt: skip
async def test_what_cannot_be_tried_is_refused_with_its_place(
    client: httpx.AsyncClient,
    body: dict[str, Any],
    status: int,
    code: str,
    details: dict[str, Any] | None,
) -> None:
    answer = await client.post(_TRY, json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    if details is not None:
        (mistake,) = error["mistakes"]
        assert {name: mistake[name] for name in details} == details
