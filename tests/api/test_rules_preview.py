import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest

from resumatch_monitor.api.rules_preview import build_router
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.rules.preview.service import RulePreviewer
from resumatch_monitor.rules.render import AlertRenderer, TemplateWorld
from resumatch_monitor.rules.telemetry import RuleTelemetry
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

PATH = "/api/monitor/rules/preview"
STEP_MS = 15_000


class World:
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.store = MemoryStore()
        self.queries = QueryRunner(self.store, clock=clock, telemetry=Telemetry())
        self.now_ms = to_milliseconds(clock.now())

    def add(self, labels: Mapping[str, str], values: str, *, last_steps_ago: int = 0) -> None:
        """Add one sample every 15 s: digits are values, a dot is none, the last one is now."""
        end_ms = self.now_ms - last_steps_ago * STEP_MS
        points = {
            end_ms - (len(values) - 1 - step) * STEP_MS: float(value)
            for step, value in enumerate(values)
            if value != "."
        }
        self.store.add(Labels.of(labels), points)


def _check(expr: str) -> None:
    parse(expr)


@pytest.fixture
async def world(clock: FakeClock) -> AsyncIterator[World]:
    world = World(clock)
    yield world
    world.queries.stop()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    renderer = AlertRenderer(
        querier=world.queries,
        world=TemplateWorld(Labels(), "http://monitor.test"),
        telemetry=RuleTelemetry(Telemetry()),
    )
    router = build_router(
        previewer=RulePreviewer(queries=world.queries, renderer=renderer, clock=world.clock),
        check_expression=_check,
        default_interval=timedelta(seconds=15),
        clock=world.clock,
        guard=make_guard(),
    )
    async with serve(router, token=CHARLIE) as client:
        yield client


async def preview(client: httpx.AsyncClient, expr: str, **more: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"expr": expr, "from": "now-1h", **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def kinds(document: Mapping[str, Any]) -> set[str]:
    return {warning["kind"] for warning in document["warnings"]}


async def test_says_when_and_how_long_a_rule_would_have_fired(
    client: httpx.AsyncClient, world: World
) -> None:
    world.add({"__name__": "load", "instance": "a"}, "1" * 100 + "9" * 20 + "1" * 41 + "9" * 40)
    world.add({"__name__": "load", "instance": "b"}, "1" * 150 + "9" * 6 + "1" * 45)

    document = await preview(
        client,
        "load > 5",
        **{"for": "2m", "labels": {"severity": "info"}},
        annotations={"summary": "{{ $labels.instance }} has {{ $value }}"},
    )

    assert document["totals"] == {
        "alerts": 1,
        "alerts_pending_only": 1,
        "alerts_not_followed": 0,
        "firings": 2,
        "firings_per_day": 48.0,
        # for 2m is 8 steps; the second one goes on to the end.
        "firing_seconds": (20 - 8 + 31) * 15.0,
        "longest_seconds": 31 * 15.0,
        "firing_now": 1,
    }
    first, second = document["alerts"]
    assert (first["labels"], first["is_firing"], first["firings"]) == ({"instance": "a"}, True, 2)
    assert [each["ended_at"] is None for each in first["intervals"]] == [False, True]
    assert [each["fired_at"] for each in second["intervals"]] == [None]
    assert document["step_ms"] == document["interval_ms"] == 15_000
    assert (document["is_coarser"], document["is_cut"]) == (False, False)
    assert document["example"]["annotations"] == {"summary": "a has 9"}
    chart = document["chart"]
    assert (chart["expr"], chart["operator"], chart["threshold"]) == ("load", ">", 5.0)
    assert {series["name"] for series in chart["series"]} == {
        'load{instance="a"}',
        'load{instance="b"}',
    }
    assert chart["quantiles"]["max"] == 9.0
    assert chart["quantiles"]["p50"] == 1.0
    assert kinds(document) == set()


async def test_a_rule_by_its_text_is_the_same_rule(client: httpx.AsyncClient, world: World) -> None:
    world.add({"__name__": "load"}, "9" * 10)
    rule = {"alert": "A", "expr": "load > 5"}

    answers = [
        await client.post(PATH, json={"rule": rule, "from": "now-1h"}),
        await client.post(PATH, json={"yaml": "alert: A\nexpr: load > 5", "from": "now-1h"}),
        await client.post(PATH, json={"expr": "load > 5", "from": "now-1h"}),
    ]

    totals = [answer.json()["totals"] for answer in answers]
    assert totals[0] == totals[1] == totals[2]
    assert totals[0]["firings"] == 1


@pytest.mark.parametrize(
    ("expr", "more", "kind"),
    [
        ("nosuch > 1", {}, "unknown_metric"),
        ('load{instance="c"} > 1', {}, "unknown_value"),
        ('load{nosuch="c"} > 1', {}, "unknown_label"),
        ("old > 1", {}, "no_data"),
        ("load > 0", {}, "always_fires"),
        ("load > 100", {}, "never_fires"),
        ("load / (load - load) > 1", {}, "infinite"),
        ("(load - load) / (load - load) > 1", {}, "not_a_number"),
        ("rate(load[45s]) > 1", {}, "range_too_short"),
        ("load > 5", {"for": "10s"}, "short_for"),
        ("load > 5", {"labels": {"value": "{{ $value }}"}}, "changing_label"),
        ("load > 0", {"annotations": {"a": "{{ humanize `x` }}"}}, "template"),
        ("load > 5", {"labels": {}}, "no_severity"),
    ],
)
async def test_warns(
    client: httpx.AsyncClient, world: World, expr: str, more: dict[str, Any], kind: str
) -> None:
    world.add({"__name__": "load", "instance": "a"}, "3" * 241)
    world.add({"__name__": "old"}, "3" * 10, last_steps_ago=10_000)

    document = await preview(client, expr, **{"labels": {"severity": "info"}, **more})

    assert kind in kinds(document)


async def test_proposes_what_may_have_been_meant(client: httpx.AsyncClient, world: World) -> None:
    world.add({"__name__": "load_average", "instance": "web"}, "3" * 241)

    metric = await preview(client, "sum(load_averag) > 1")
    value = await preview(client, 'sum(load_average{instance="wev"}) > 1')
    range_ = await preview(client, "rate(load_average[30s]) > 1")

    suggested = [
        warning["suggestions"][0]["expr"]
        for document in (metric, value, range_)
        for warning in document["warnings"]
        if warning["suggestions"]
    ]
    assert suggested == [
        "sum(load_average) > 1",
        'sum(load_average{instance="web"}) > 1',
        "rate(load_average[1m]) > 1",
    ]


async def test_many_label_sets_are_counted(client: httpx.AsyncClient, world: World) -> None:
    for number in range(600):
        world.add({"__name__": "load", "instance": f"{number:03}"}, "9")

    document = await preview(client, "load > 5")

    assert document["totals"]["alerts"] == 500
    assert document["totals"]["alerts_not_followed"] == 100
    assert (len(document["alerts"]), document["truncated_alerts"]) == (50, 450)
    assert len(document["chart"]["series"]) == 20
    assert document["chart"]["truncated_series"] == 580
    assert "too_many" in kinds(document)


async def test_a_long_range_is_looked_at_more_coarsely(
    client: httpx.AsyncClient, world: World
) -> None:
    world.add({"__name__": "load"}, "9" * 240)

    document = await preview(client, "load > 5", **{"from": "now-30d"})

    assert document["is_coarser"]
    assert document["step_ms"] == 60_000
    assert document["totals"]["firing_now"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"expr": "up =="}, 422),
        ({"expr": "up", "for": "soon"}, 422),
        ({"expr": "up", "interval": "1ms"}, 422),
        ({"expr": "up", "interval": "x"}, 422),
        ({"rule": {"record": "a b", "expr": "up"}}, 422),
        ({"expr": "up[5m]"}, 400),
        ({"expr": "up", "from": "now", "to": "now-1h"}, 400),
        ({"expr": "up", "from": "now-500d"}, 400),
        ({"expr": "up", "from": "yesterday"}, 400),
        ({"expr": "up", "yaml": "alert: A"}, 400),
        ({}, 400),
        ({"expr": "up", "unknown": 1}, 422),
    ],
)
async def test_refuses_what_makes_no_sense(
    client: httpx.AsyncClient, body: dict[str, Any], status: int
) -> None:
    answer = await client.post(PATH, json=body)

    assert answer.status_code == status
    assert answer.json()["error"]["message"]


async def test_a_few_wait_for_their_turn_and_more_are_refused(
    client: httpx.AsyncClient, world: World
) -> None:
    world.add({"__name__": "load"}, "9" * 240)

    answers = await asyncio.gather(
        *(client.post(PATH, json={"expr": "load > 5", "from": "now-1h"}) for _ in range(7))
    )

    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [200] * 4 + [429] * 3
    assert all(each.headers["Retry-After"] for each in answers if each.status_code == 429)


async def record(client: httpx.AsyncClient, expr: str, **more: Any) -> dict[str, Any]:
    rule = {"record": "job:load:sum", "expr": expr, **more}
    answer = await client.post(PATH, json={"rule": rule, "from": "now-1h"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_shows_what_a_recording_rule_would_have_recorded(
    client: httpx.AsyncClient, world: World
) -> None:
    for instance in "abc":
        world.add({"__name__": "load", "job": "api", "instance": instance}, "2" * 241)
    world.add({"__name__": "load", "job": "web", "instance": "d"}, "3" * 41)

    document = await record(client, "sum by (job) (load)", labels={"team": "core"})

    assert document["type"] == "recording"
    assert (document["series"], document["most_at_once"]) == (2, 2)
    assert document["to_ms"] == world.now_ms
    assert document["interval_ms"] == 15_000
    assert document["is_cut"] is False
    chart = document["chart"]
    assert {each["name"]: each["v"][-1] for each in chart["series"]} == {
        'job:load:sum{job="api",team="core"}': 6.0,
        'job:load:sum{job="web",team="core"}': 3.0,
    }
    assert chart["t"][0] == document["from_ms"]
    assert document["warnings"] == []


async def test_says_when_a_recording_rule_makes_two_series_the_same(
    client: httpx.AsyncClient, world: World
) -> None:
    world.add({"__name__": "load", "instance": "a"}, "2" * 241)
    world.add({"__name__": "load", "instance": "b"}, "3" * 41)

    document = await record(client, "load", labels={"instance": "all"})

    assert kinds(document) == {"duplicate"}
    (series,) = document["chart"]["series"]
    assert series["labels"] == {"__name__": "job:load:sum", "instance": "all"}
    assert series["v"][-1] is None
    assert series["v"][0] == 2.0


async def test_series_that_follow_each_other_become_one(
    client: httpx.AsyncClient, world: World
) -> None:
    world.add({"__name__": "load", "instance": "a"}, "2" * 100, last_steps_ago=141)
    world.add({"__name__": "load", "instance": "b"}, "3" * 100)

    document = await record(client, "load", labels={"instance": "all"})

    assert document["series"] == 1
    assert kinds(document) == set()


async def test_says_that_nothing_is_recorded_and_why(client: httpx.AsyncClient) -> None:
    document = await record(client, "sum(nosuch)")

    assert "nothing_recorded" in kinds(document)
    assert kinds(document) & {"no_data", "unknown_metric"}
    assert (document["series"], document["chart"]["series"]) == (0, [])
