from collections.abc import AsyncIterator
from math import nan
from typing import Any

import pytest

from resumatch_monitor.api.prometheus_params import PrometheusError, RuleFilter
from resumatch_monitor.api.rules import (
    build_router,
    render_prometheus_alerts,
    render_prometheus_rules,
)
from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp
from resumatch_monitor.promql.value import QueryError
from resumatch_monitor.rules.model import RuleFileError
from tests.rules.support import World, make_group, make_recording_rule, make_rule
from tests.support.clock import FakeClock
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

EXPR = "broken > 0"
ERROR = RuleFileError("rules.yml", 12, "group", "Misspelt", "exprr: unknown key")


@pytest.fixture
async def world(clock: FakeClock) -> AsyncIterator[World]:
    world = World(clock)
    rule = make_rule(hold_seconds=30, annotations={"summary": "{{ $value }} broken"})
    group = make_group(rule, make_recording_rule())
    await world.start(group, make_group(make_rule("Other", expr="other"), name="b"), errors=[ERROR])
    world.querier.answers = {
        EXPR: {Labels.of(instance="a"): 5.0},
        "sum(broken)": QueryError("too late"),
    }
    yield world
    await world.stop()


def take(world: World) -> Any:
    assert world.manager is not None
    return world.manager.snapshot()


async def get_rules(world: World, token: str | None = CHARLIE) -> Any:
    assert world.manager is not None
    router = build_router(take_snapshot=world.manager.snapshot, guard=make_guard())
    async with serve(router, token=token) as client:
        return await client.get("/api/monitor/rules")


async def test_shows_every_rule_and_what_is_wrong(world: World) -> None:
    await world.evaluate(2)

    document = (await get_rules(world)).json()

    first, second = document["groups"]
    assert (first["name"], first["file"], first["interval_seconds"]) == ("group", "rules.yml", 15.0)
    assert first["error"] == "line 12: exprr: unknown key"
    assert second["error"] is None
    alerting, recording = first["rules"]
    assert alerting["last_evaluation_at"].endswith("Z")
    assert {key: alerting[key] for key in ("type", "state", "health", "alerts", "severity")} == {
        "type": "alerting",
        "state": "pending",
        "health": "ok",
        "alerts": 1,
        "severity": "critical",
    }
    assert (recording["type"], recording["health"], recording["last_error"]) == (
        "recording",
        "err",
        "too late",
    )
    assert document["errors"] == [
        {
            "file": "rules.yml",
            "line": 12,
            "group": "group",
            "rule": "Misspelt",
            "message": "exprr: unknown key",
        }
    ]


async def test_a_rule_that_was_not_evaluated_yet_is_unknown(world: World) -> None:
    document = (await get_rules(world)).json()

    rule = document["groups"][0]["rules"][0]
    assert (rule["health"], rule["state"], rule["last_evaluation_at"]) == (
        "unknown",
        "inactive",
        None,
    )


async def test_strangers_see_no_rules(world: World) -> None:
    assert (await get_rules(world, token=None)).status_code == 401


async def test_renders_the_rules_of_prometheus_api(world: World) -> None:
    await world.evaluate(3)

    groups = render_prometheus_rules(take(world))["groups"]

    alerting, recording = groups[0]["rules"]
    assert groups[0]["interval"] == 15.0
    assert (
        alerting.items()
        >= {
            "state": "firing",
            "name": "Broken",
            "query": EXPR,
            "duration": 30.0,
            "keepFiringFor": 0.0,
            "labels": {"severity": "critical"},
            "annotations": {"summary": "{{ $value }} broken"},
            "health": "ok",
            "type": "alerting",
        }.items()
    )
    assert alerting["alerts"] == render_prometheus_alerts(take(world))["alerts"]
    assert (recording["type"], recording["lastError"]) == ("recording", "too late")
    assert "state" not in recording


async def test_renders_the_alerts_of_prometheus_api(world: World) -> None:
    await world.evaluate(3)

    (alert,) = render_prometheus_alerts(take(world))["alerts"]

    assert alert["activeAt"].endswith("Z")
    assert {key: alert[key] for key in ("labels", "annotations", "state", "value")} == {
        "labels": {"alertname": "Broken", "instance": "a", "severity": "critical"},
        "annotations": {"summary": "5 broken"},
        "state": "firing",
        "value": "5e+00",
    }


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0625, "6.25e-02"), (1234567.0, "1.234567e+06"), (nan, "NaN"), (0.0, "0e+00")],
)
async def test_renders_values_as_prometheus_does(world: World, value: float, expected: str) -> None:
    world.querier.answers[EXPR] = {Labels(): value}
    await world.evaluate()

    assert render_prometheus_alerts(take(world))["alerts"][0]["value"] == expected


async def test_filters_the_rules_of_prometheus_api(world: World) -> None:
    snapshot = take(world)

    def names(**filters: Any) -> list[str]:
        groups = render_prometheus_rules(snapshot, RuleFilter(**filters))["groups"]
        return [rule["name"] for group in groups for rule in group["rules"]]

    assert names() == ["Broken", "job:broken:sum", "Other"]
    assert names(kind="record") == ["job:broken:sum"]
    assert names(kind="alert", group_names=frozenset({"b"})) == ["Other"]
    assert names(rule_names=frozenset({"Broken"})) == ["Broken"]
    assert names(files=frozenset({"else.yml"})) == []


async def test_selects_rules_of_prometheus_api_by_the_labels_that_they_are_given(
    world: World,
) -> None:
    snapshot = take(world)

    def names(*matchers: Matcher) -> list[str]:
        wanted = RuleFilter(matcher_sets=(matchers,))
        groups = render_prometheus_rules(snapshot, wanted)["groups"]
        return [rule["name"] for group in groups for rule in group["rules"]]

    assert names(Matcher("severity", MatchOp.EQUAL, "critical")) == ["Broken", "Other"]
    assert names(Matcher("severity", MatchOp.EQUAL, "")) == ["job:broken:sum"]
    assert names(Matcher("severity", MatchOp.EQUAL, "warning")) == []


async def test_pages_the_groups_of_prometheus_api(world: World) -> None:
    snapshot = take(world)

    first = render_prometheus_rules(snapshot, RuleFilter(group_limit=1))
    token = first["groupNextToken"]
    second = render_prometheus_rules(snapshot, RuleFilter(group_limit=1, group_next_token=token))

    assert [group["name"] for group in first["groups"]] == ["group"]
    assert [group["name"] for group in second["groups"]] == ["b"]
    assert "groupNextToken" not in second
    with pytest.raises(PrometheusError, match="were rule groups changed"):
        render_prometheus_rules(snapshot, RuleFilter(group_limit=1, group_next_token="gone"))


async def test_tells_how_a_group_and_its_rules_are_doing(world: World) -> None:
    await world.evaluate(2)

    group = (await get_rules(world)).json()["groups"][0]

    assert group["last_evaluation_at"] < group["next_evaluation_at"]
    assert (group["iterations_missed"], group["query_offset_seconds"], group["limit"]) == (0, 0, 0)
    alerting, recording = group["rules"]
    assert (alerting["samples"], recording["samples"]) == (1, 0)
    assert alerting["keep_firing_for_seconds"] == 0
    assert alerting["labels"] == {"severity": "critical"}
