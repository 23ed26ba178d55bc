import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from resumatch_monitor.config.defaults import RULE_FILES
from resumatch_monitor.kit.clock import to_milliseconds
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels, Matcher, MatchOp
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.promql.value import QueryLimitError
from resumatch_monitor.rules.drill.model import Firing, Target
from resumatch_monitor.rules.drill.run import ShadowRunner
from resumatch_monitor.rules.drill.shadow import MOST_SAMPLES, Regime, ShadowSeries, ShadowStore
from resumatch_monitor.rules.loader import load_rule_files
from resumatch_monitor.rules.model import AlertingRule
from tests.rules.support import make_group, make_rule
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.anyio


def _check(expr: str) -> None:
    parse(expr)


def shipped() -> Sequence[Target]:
    loaded = load_rule_files(
        RULE_FILES, check_expression=_check, default_interval=timedelta(seconds=15)
    )
    return [
        Target(group, rule)
        for group in loaded.groups
        for rule in group.rules
        if isinstance(rule, AlertingRule)
    ]


def make_runner(clock: FakeClock, store: MemoryStore | None = None) -> ShadowRunner:
    return ShadowRunner(
        store or MemoryStore(),
        clock=clock,
        external_labels={},
        external_url="http://monitor.test",
        subquery_step=timedelta(minutes=1),
    )


async def fire(clock: FakeClock, expr: str, *, store: MemoryStore | None = None) -> Firing:
    rule = make_rule(expr=expr)
    return await make_runner(clock, store).fire(Target(make_group(rule), rule))


@pytest.mark.parametrize("target", shipped(), ids=lambda target: target.rule.name)
async def test_every_shipped_rule_fires_on_data_that_is_made_up(
    clock: FakeClock, target: Target
) -> None:
    firing = await make_runner(clock).fire(target)

    assert firing.problem == ""
    assert not firing.is_replaced
    assert firing.fired_after is not None
    interval = target.group.interval
    assert target.rule.hold_duration <= firing.fired_after < target.rule.hold_duration + interval
    alert = firing.alerts[0]
    assert alert.labels["drill"] == "true"
    assert alert.name == target.rule.name
    assert alert.labels["severity"] == dict(target.rule.labels)["severity"]
    assert not any("error expanding" in text for text in alert.annotations.values())
    assert firing.series


@pytest.mark.parametrize(
    "expr",
    [
        "up == 0",
        "up != 1",
        'up{job="a",instance=~"b.*"} == 0',
        'x{code=~"5..",path!~"/health|/ready"} > 3',
        "a / b > 0.9",
        "1 - free / total > 0.9",
        "(total - free) / total * 100 > 95",
        "a > b",
        "a < 0.5 * b",
        "a > on (instance) group_left b",
        "rate(errors[5m]) / ignoring (status) rate(requests[5m]) > 0.05",
        'sum by (job) (rate(r{s="5"}[5m])) / sum by (job) (rate(r[5m])) > 0.05',
        "histogram_quantile(0.99, sum by (le, job) (rate(d_bucket[5m]))) > 0.5",
        'absent(up{job="x"})',
        "absent_over_time(up[10m])",
        "time() - last_success > 3600",
        "a > 1 and b > 2",
        "a > 1 unless b > 2",
        "a > 1 or b > 2",
        "count(up == 0) > 2",
        "max_over_time(temperature[1h]) < -5",
        "avg_over_time((a / b)[30m:1m]) > 2",
        "predict_linear(free[1h], 4 * 3600) < 0",
        "delta(x[10m]) > 5",
        "clamp_max(x, 10) > 5",
        "abs(x) > 5",
        "log2(x) > 10",
        "-x < -5",
        "2 ^ x > 100",
        "x > bool 5 == 1",
        "x > 5 and on () hour() >= 0",
        'count_values("version", build_info) > 0',
        "x",
        "topk(3, x) > 5",
        "sum(increase(a[1h])) < 0.1 * sum(increase(a[1w] offset 1h)) / 168",
    ],
)
async def test_solves_expressions_of_many_kinds(clock: FakeClock, expr: str) -> None:
    firing = await fire(clock, expr)

    assert firing.problem == ""
    assert not firing.is_replaced
    assert len(firing.alerts) >= 1


@pytest.mark.parametrize(
    "expr",
    ["-x ^ 2", "count(x) > 1e6", "stddev(x) > 5", "x % 7 == 3 and y == 1 and z ^ w > 3 and w < 0"],
)
async def test_what_cannot_be_solved_is_replaced_and_said_to_be(
    clock: FakeClock, expr: str
) -> None:
    firing = await fire(clock, expr)

    assert firing.is_replaced
    assert len(firing.alerts) == 1


def test_what_is_made_up_for_one_selector_is_bounded() -> None:
    series = [
        ShadowSeries(Labels.of(__name__="x", n=str(number)), [Regime(0, 1.0, 0.0)], 1000)
        for number in range(1000)
    ]
    matchers = (Matcher(METRIC_NAME, MatchOp.EQUAL, "x"),)
    store = ShadowStore(MemoryStore(), series, [matchers], step_ms=1000)

    (block,) = store.select(matchers, 0, 1_999_000)
    assert block.values.size == MOST_SAMPLES
    with pytest.raises(QueryLimitError, match="more than 2000000 samples"):
        store.select(matchers, 0, 2_000_000)
    assert store.select(matchers, 1_500, 1_999) == []


async def test_a_subquery_over_years_is_replaced(clock: FakeClock) -> None:
    firing = await fire(clock, "max_over_time(x[10y:1s]) > 5")

    assert firing.is_replaced


async def test_the_data_that_is_there_stays_hidden_and_as_it_is(clock: FakeClock) -> None:
    store = MemoryStore()
    now = to_milliseconds(clock.now())
    store.add(Labels.of(__name__="up", instance="real"), {now: 1.0})
    rule = make_rule(
        expr="up == 0",
        annotations={"other": '{{ with query "other" }}{{ . | first | value }}{{ end }}'},
    )
    store.add(Labels.of(__name__="other"), {now: 7.0})

    firing = await make_runner(clock, store).fire(Target(make_group(rule), rule))

    assert [dict(alert.labels).get("instance") for alert in firing.alerts] == [None]
    assert firing.alerts[0].annotations == {"other": "7"}
    assert store.find_series((), 0, now) == [
        Labels.of(__name__="other"),
        Labels.of(__name__="up", instance="real"),
    ]


async def test_waits_the_real_time_if_told_to(clock: FakeClock) -> None:
    rule = make_rule(expr="up == 0", hold_seconds=30)
    began = clock.now()
    runner = make_runner(clock)

    task = asyncio.ensure_future(runner.fire(Target(make_group(rule), rule), is_real_time=True))
    while not task.done():
        await asyncio.wait([task], timeout=0.01)
        await clock.advance(15)
    firing = task.result()

    assert firing.fired_after == timedelta(seconds=30)
    assert clock.now() - began >= timedelta(seconds=30)


async def test_a_rule_that_cannot_be_evaluated_says_why(clock: FakeClock) -> None:
    rule = make_rule(expr="up == 0", labels={"severity": "info"})
    group = replace(make_group(rule), limit=0)
    broken = replace(rule, expr="up ==")

    firing = await make_runner(clock).fire(Target(group, broken))

    assert firing.is_replaced
