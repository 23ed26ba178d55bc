"""What the specification for generators of alerts demands, by the real evaluation of groups."""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta

import pytest

from resumatch_monitor.alerts.state import RuleState
from resumatch_monitor.metrics.labels import Labels
from tests.rules.support import INTERVAL, World, make_group, make_rule
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

EXPR = "broken > 0"
_LETTERS = {None: "-", RuleState.PENDING: "p", RuleState.FIRING: "F"}


@pytest.fixture
async def world(clock: FakeClock) -> AsyncIterator[World]:
    world = World(clock)
    yield world
    await world.stop()


async def _follow(world: World, series: str, labels: Mapping[str, str] | None = None) -> str:
    """Evaluate once a letter, x where the series is there; return the state after each."""
    assert world.manager is not None
    seen = ""
    for letter in series:
        present = {Labels.of(labels or {"instance": "a"}): 1.0} if letter == "x" else {}
        world.querier.answers[EXPR] = present
        await world.evaluate()
        (rule,) = world.manager.snapshot().groups[0].rules
        seen += _LETTERS[rule.alerts[0].state if rule.alerts else None]
    return seen


# `for` counts from the first evaluation that saw the series and is compared at evaluations only.
@pytest.mark.parametrize(
    ("hold", "keep", "series", "states"),
    [
        (0, 0, ".xx.x", "-FF-F"),
        (5, 0, "xx.xx", "pF-pF"),
        (15, 0, "xx", "pF"),
        (20, 0, "xxx", "ppF"),
        (60, 0, "xxxx.xxxxx", "pppp-ppppF"),
        (0, 15, "x..", "FF-"),
        (0, 40, "x.x....", "FFFFFF-"),
    ],
)
async def test_an_alert_goes_through_its_states_at_evaluations(
    world: World, hold: float, keep: float, series: str, states: str
) -> None:
    await world.start(make_group(make_rule(hold_seconds=hold, keep_firing_seconds=keep)))

    assert await _follow(world, series) == states


async def test_a_pending_alert_is_told_to_nobody_and_resolved_to_nobody(world: World) -> None:
    await world.start(make_group(make_rule(hold_seconds=60)))

    await _follow(world, "xxx..")

    assert world.alerts.puts == []


async def test_an_alert_that_comes_back_is_a_new_one(world: World) -> None:
    await world.start(make_group(make_rule()))

    await _follow(world, "x.x")

    first, ended, second = world.alerts.puts
    assert first.starts_at == ended.starts_at
    assert ended.ends_at == first.starts_at + INTERVAL
    assert second.starts_at == first.starts_at + 2 * INTERVAL
    assert second.ends_at is None


async def test_what_the_rule_says_wins_over_the_labels_of_the_series(world: World) -> None:
    labels = {"alertname": "Other", "severity": "info", "alertstate": "odd", "instance": "a"}
    rule = make_rule(labels={"severity": "page", "instance": ""})
    await world.start(make_group(rule))

    await _follow(world, "x", {**labels, "__name__": "broken"})

    expected = {"alertname": "Broken", "severity": "page", "alertstate": "odd"}
    assert dict(world.alerts.puts[0].labels) == expected
    written = {labels for labels, _, _ in world.sink.samples if labels.metric_name == "ALERTS"}
    assert written == {Labels.of({**expected, "alertstate": "firing"}, __name__="ALERTS")}


async def test_the_text_follows_the_value_while_an_alert_is_pending_and_while_it_fires(
    world: World,
) -> None:
    manager = await world.start(
        make_group(make_rule(hold_seconds=15, annotations={"now": "{{ $value }}"}))
    )
    texts: list[str] = []
    for value in (1.0, 2.0, 3.0):
        world.querier.answers[EXPR] = {Labels.of(instance="a"): value}
        await world.evaluate()
        (rule,) = manager.snapshot().groups[0].rules
        texts.append(rule.alerts[0].annotations["now"])

    assert texts == ["1", "2", "3"]


async def test_the_series_of_an_alert_bear_the_time_of_the_evaluation(world: World) -> None:
    manager = await world.start(make_group(make_rule(hold_seconds=15)))

    await _follow(world, "xx")

    at = manager.snapshot().groups[0].last_evaluation_at
    assert at is not None
    times = sorted({time for _, time, _ in world.sink.samples})
    assert times == [int((at - timedelta(seconds=15 - 15 * i)).timestamp() * 1000) for i in (0, 1)]
