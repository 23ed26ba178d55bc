"""No data, an error and zero are three things; each has its own consequence."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from resumatch_monitor.alerts.alert import AlertSource
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.value import QueryError
from resumatch_monitor.rules.config import RulesConfig
from resumatch_monitor.rules.data import DataState, find_needed
from resumatch_monitor.rules.manager import RuleManager
from resumatch_monitor.rules.policy import ErrorPolicy, NoDataPolicy
from resumatch_monitor.rules.runner import RuleHealth, RuleStatus
from tests.rules.support import EngineQuerier, World, make_group, make_rule
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.anyio

EXPR = "broken > 0"


@pytest.fixture
async def world(clock: FakeClock) -> AsyncIterator[World]:
    world = World(clock)
    yield world
    await world.stop()


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def real(clock: FakeClock, store: MemoryStore) -> AsyncIterator[World]:
    world = World(clock, store=store)
    yield world
    await world.stop()


def status_of(manager: RuleManager) -> RuleStatus:
    return manager.snapshot().groups[0].rules[0]


def fired(world: World) -> list[tuple[str, str]]:
    return [message for message in world.alerts.messages if message[1] != "Broken"]


async def scrape(world: World, store: MemoryStore, value: float | None, minutes: float) -> None:
    """Let time pass, with a sample every 15 s unless `value` is None."""
    for _ in range(round(minutes * 4)):
        if value is not None:
            now = to_milliseconds(world.clock.now())
            store.add(Labels.of(__name__="broken", instance="a"), {now: value})
        await world.evaluate()


async def test_a_rule_that_fails_keeps_its_alerts_and_is_told_of_after_five_minutes(
    world: World,
) -> None:
    manager = await world.start(make_group(make_rule()))
    world.querier.answers[EXPR] = {Labels.of(instance="a"): 1.0}
    await world.evaluate()
    world.querier.answers[EXPR] = QueryError("the store is away")

    await world.clock.advance(4 * 60)
    early = fired(world)
    await world.clock.advance(3 * 60)

    status = status_of(manager)
    assert early == []
    assert fired(world) == [("firing", "RuleEvaluationFailing")]
    assert (status.health, len(status.alerts)) == (RuleHealth.ERROR, 1)
    assert status.failing_since is not None
    (alert,) = [each for each in world.alerts.firing.values() if each.name != "Broken"]
    assert dict(alert.labels) == {
        "alertname": "RuleEvaluationFailing",
        "rule": "Broken",
        "rule_group": "rules.yml;group",
        "severity": "warning",
    }
    assert "the store is away" in alert.annotations["description"]
    assert (alert.source, alert.generator_path) == (AlertSource.MONITOR, "/rules")

    world.querier.answers[EXPR] = {Labels.of(instance="a"): 1.0}
    await world.clock.advance(5 * 60)

    assert fired(world)[1:] == [("resolved", "RuleEvaluationFailing")]
    assert status_of(manager).failing_since is None
    assert world.alerts.messages.count(("firing", "Broken")) == 1


@pytest.mark.parametrize(
    ("pause_minutes", "told"), [(2, [("firing", "RuleEvaluationFailing")]), (8, [])]
)
async def test_a_rule_that_fails_often_is_told_of_and_one_that_fails_rarely_is_not(
    world: World, pause_minutes: int, told: list[tuple[str, str]]
) -> None:
    await world.start(make_group(make_rule()))
    for _ in range(6):
        world.querier.answers[EXPR] = QueryError("late")
        await world.evaluate()
        world.querier.answers[EXPR] = {}
        await world.clock.advance(pause_minutes * 60)

    assert fired(world) == told


async def test_a_failing_rule_is_told_once_over_a_restart_and_resolved_after_it(
    world: World,
) -> None:
    group = make_group(make_rule())
    await world.start(group)
    world.querier.answers[EXPR] = QueryError("late")
    await world.clock.advance(10 * 60)
    await world.stop()
    await world.start(group)
    await world.clock.advance(5 * 60)
    during = fired(world)
    world.querier.answers[EXPR] = {}
    await world.clock.advance(5 * 60)

    assert during == [("firing", "RuleEvaluationFailing")]
    assert fired(world)[1:] == [("resolved", "RuleEvaluationFailing")]


async def test_an_alert_about_a_rule_that_is_removed_ends(world: World) -> None:
    manager = await world.start(make_group(make_rule()))
    world.querier.answers[EXPR] = QueryError("late")
    await world.clock.advance(10 * 60)

    await manager.replace_groups([], [])
    await world.clock.advance(2 * 60)

    assert fired(world) == [
        ("firing", "RuleEvaluationFailing"),
        ("resolved", "RuleEvaluationFailing"),
    ]


async def test_nobody_is_told_of_failing_rules_where_that_is_switched_off(world: World) -> None:
    await world.start(make_group(make_rule()), config=RulesConfig(on_error=ErrorPolicy.IGNORE))
    world.querier.answers[EXPR] = QueryError("late")

    await world.clock.advance(20 * 60)

    assert fired(world) == []


# What is there, what the rule's policy is: what is told, and whether the alert stays.
@pytest.mark.parametrize(
    ("policy", "told", "stays"),
    [
        (NoDataPolicy.IGNORE, [], False),
        (NoDataPolicy.ALERT, [("firing", "RuleWithoutData")], False),
        (NoDataPolicy.KEEP, [("firing", "RuleWithoutData")], True),
    ],
)
async def test_series_that_vanish(
    real: World, store: MemoryStore, policy: NoDataPolicy, told: list[tuple[str, str]], stays: bool
) -> None:
    rule = replace(make_rule(), on_no_data=policy)
    manager = await real.start(make_group(rule), looks_for_data=True)

    await scrape(real, store, 1.0, 2)
    assert status_of(manager).data is DataState.PRESENT
    await scrape(real, store, None, 18)

    status = status_of(manager)
    assert status.data is DataState.VANISHED
    assert status.no_data_since is not None
    assert fired(real) == told
    assert bool(status.alerts) is stays
    assert (("resolved", "Broken") in real.alerts.messages) is not stays

    await scrape(real, store, 0.0, 7)

    assert status_of(manager).data is DataState.PRESENT
    assert status_of(manager).alerts == ()
    assert [each[0] for each in fired(real)] == ["firing", "resolved"][: 2 * len(told)]
    assert real.alerts.messages.count(("resolved", "Broken")) == 1


async def test_zero_is_data(real: World, store: MemoryStore) -> None:
    config = RulesConfig(on_no_data=NoDataPolicy.ALERT)
    manager = await real.start(make_group(make_rule()), config=config, looks_for_data=True)

    await scrape(real, store, 0.0, 15)

    assert status_of(manager).data is DataState.PRESENT
    assert real.alerts.messages == []


async def test_series_that_were_never_there_are_shown_and_not_told(real: World) -> None:
    config = RulesConfig(on_no_data=NoDataPolicy.ALERT)
    manager = await real.start(make_group(make_rule()), config=config, looks_for_data=True)

    await real.clock.advance(20 * 60)

    status = status_of(manager)
    assert (status.data, status.no_data_since) == (DataState.NEVER, None)
    assert real.alerts.messages == []


async def test_series_that_vanished_while_the_monitor_was_down_are_noticed(
    real: World, store: MemoryStore
) -> None:
    await scrape(real, store, 0.0, 2)
    await real.clock.advance(3 * 3600)
    config = RulesConfig(on_no_data=NoDataPolicy.ALERT)
    manager = await real.start(make_group(make_rule()), config=config, looks_for_data=True)

    await real.clock.advance(10 * 60)

    assert status_of(manager).data is DataState.VANISHED
    assert fired(real) == [("firing", "RuleWithoutData")]


@pytest.mark.parametrize(
    ("expr", "needed"),
    [
        ("a / b > 1", {"a": 300, "b": 300}),
        ("rate(a[10m]) > 0 and b offset 1h", {"a": 600, "b": 300}),
        ("absent(a) or absent_over_time(b[5m])", {}),
        ("a unless on (x) b", {"a": 300}),
        ("sum(max_over_time(rate(a[5m])[1h:1m]))", {"a": 300}),
        ("vector(1) > 0", {}),
        ('-{job="x"}', {'{job="x"}': 300}),
    ],
)
def test_finds_the_series_that_an_expression_needs(expr: str, needed: dict[str, int]) -> None:
    found = find_needed(parse(expr))

    assert found == {text: timedelta(seconds=seconds) for text, seconds in needed.items()}


@pytest.mark.parametrize(
    ("expr", "state"),
    [
        ("broken > 0 and on () up", DataState.VANISHED),
        ("vector(1) and on () broken > 0", DataState.VANISHED),
        ("vector(1) and on () up", DataState.PRESENT),
    ],
)
async def test_what_only_lets_pass_does_not_stand_for_what_is_gone(
    real: World, store: MemoryStore, expr: str, state: DataState
) -> None:
    rule = replace(make_rule(expr=expr), on_no_data=NoDataPolicy.ALERT)
    manager = await real.start(make_group(rule), looks_for_data=True)
    await scrape(real, store, 0.0, 2)
    for _ in range(18 * 4):
        now = to_milliseconds(real.clock.now())
        store.add(Labels.of(__name__="up"), {now: 1.0})
        await real.evaluate()

    assert status_of(manager).data is state


async def test_looks_for_series_with_the_real_engine(store: MemoryStore, clock: FakeClock) -> None:
    """The questions asked are well-formed for every kind of selector."""
    querier = EngineQuerier(store)
    for expr in ('rate({job="x",__name__=~"a.*"}[2h]) > 0', "a offset 5m > 0"):
        for selector in find_needed(parse(expr)):
            await querier.instant(f"group(present_over_time({selector}[1h]))", clock.now())


async def test_very_many_rules_without_data_all_have_their_turn(world: World) -> None:
    groups = [
        make_group(
            *(make_rule(f"R{number}", expr=f"m{group}_{number} > 0") for number in range(260)),
            name=f"g{group}",
        )
        for group in range(5)
    ]
    manager = await world.start(*groups, looks_for_data=True)

    await world.clock.advance(5 * 60)

    statuses = [rule for group in manager.snapshot().groups for rule in group.rules]
    assert {status.data for status in statuses} == {DataState.NEVER}
