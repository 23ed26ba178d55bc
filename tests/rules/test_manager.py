import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.metrics.samples import StoreFullError
from resumatch_monitor.promql.value import QueryError
from resumatch_monitor.rules.manager import REMOVED_ANNOTATION
from resumatch_monitor.rules.model import RuleFileError
from resumatch_monitor.rules.runner import RuleHealth
from tests.rules.support import World, make_group, make_recording_rule, make_rule, one
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

EXPR = "broken > 0"


@pytest.fixture
async def world(clock: FakeClock) -> AsyncIterator[World]:
    world = World(clock)
    yield world
    await world.stop()


async def test_tells_dispatch_when_an_alert_fires_and_when_it_ends(world: World) -> None:
    annotations = {"summary": "{{ $labels.instance }} has {{ $value }}"}
    await world.start(make_group(make_rule(hold_seconds=30, annotations=annotations)))
    world.querier.answers[EXPR] = {Labels.of(__name__="broken", instance="a"): 7.0}

    await world.evaluate(2)
    pending = list(world.alerts.messages)
    await world.evaluate()
    (fired,) = world.alerts.puts
    world.querier.answers[EXPR] = {}
    await world.evaluate()

    assert pending == []
    assert dict(fired.labels) == {"alertname": "Broken", "instance": "a", "severity": "critical"}
    assert fired.annotations == {"summary": "a has 7"}
    assert fired.value == 7.0
    assert fired.generator_path == "/explore?expr=broken%20%3E%200"
    assert world.alerts.messages == [("firing", "Broken"), ("resolved", "Broken")]
    ended = world.alerts.puts[-1]
    assert ended.starts_at == fired.starts_at
    assert ended.ends_at == fired.starts_at + timedelta(seconds=45)


async def test_writes_the_alerts_series_of_prometheus_and_ends_them(world: World) -> None:
    await world.start(make_group(make_rule(hold_seconds=15)))
    world.querier.answers[EXPR] = one(instance="a")
    base = {"alertname": "Broken", "instance": "a", "severity": "critical"}
    pending = Labels.of(base, __name__="ALERTS", alertstate="pending")
    firing = Labels.of(base, __name__="ALERTS", alertstate="firing")
    for_state = Labels.of(base, __name__="ALERTS_FOR_STATE")

    await world.evaluate()
    first = [world.sink.last(each) for each in (pending, firing)]
    began = world.sink.last(for_state)
    await world.evaluate()
    second = [world.sink.last(each) for each in (pending, firing)]
    still = world.sink.last(for_state)
    world.querier.answers[EXPR] = {}
    await world.evaluate()

    assert first == [1.0, None]
    assert second == [None, 1.0]
    assert began == still
    assert began == world.sink.samples[0][1] // 1000
    assert [world.sink.last(each) for each in (pending, firing, for_state)] == [None] * 3


async def test_records_series_and_ends_those_that_disappear(world: World) -> None:
    rule = make_recording_rule()
    await world.start(make_group(rule))
    world.querier.answers[rule.expr] = {Labels.of(job="a"): 2.0, Labels.of(job="b"): 3.0}
    await world.evaluate()
    world.querier.answers[rule.expr] = {Labels.of(job="a"): 4.0}
    await world.evaluate()

    assert world.sink.last(Labels.of(__name__=rule.name, job="a")) == 4.0
    assert world.sink.last(Labels.of(__name__=rule.name, job="b")) is None
    times = {time for _, time, _ in world.sink.samples}
    assert len(times) == 2
    assert max(times) - min(times) == 15_000


async def test_an_evaluation_error_leaves_the_states_as_they_are(world: World) -> None:
    manager = await world.start(make_group(make_rule(), make_rule("Other", expr="other")))
    world.querier.answers |= {EXPR: one(), "other": one()}
    await world.evaluate()
    world.querier.answers[EXPR] = QueryError("it is late")
    world.querier.answers["other"] = {}
    await world.evaluate()

    broken, other = manager.snapshot().groups[0].rules
    assert world.alerts.messages == [
        ("firing", "Broken"),
        ("firing", "Other"),
        ("resolved", "Other"),
    ]
    assert (broken.health, broken.last_error) == (RuleHealth.ERROR, "it is late")
    assert len(broken.alerts) == 1
    assert other.health is RuleHealth.OK
    failures = "resumatch_monitor_rule_evaluation_failures_total"
    assert world.metric(failures, rule_group="rules.yml;group") == 1


async def test_a_template_that_fails_is_shown_and_the_alert_still_fires(world: World) -> None:
    await world.start(make_group(make_rule(annotations={"summary": "{{ humanize `x` }}"})))
    world.querier.answers[EXPR] = one()

    await world.evaluate()

    assert world.alerts.puts[0].annotations["summary"] == (
        "<error expanding template: humanize: 'x' is not a number>"
    )


async def test_a_template_may_query(world: World) -> None:
    text = "{{ with query `usual` }}{{ . | first | value }}{{ end }}{{ query `bad` }}"
    await world.start(
        make_group(
            make_rule(annotations={"good": text.partition("{{ query")[0], "bad": text}),
        )
    )
    world.querier.answers |= {EXPR: one(), "usual": {Labels(): 5.0}, "bad": QueryError("no")}

    await world.evaluate()

    assert world.alerts.puts[0].annotations == {
        "good": "5",
        "bad": "<error expanding template: no>",
    }


async def test_waits_until_every_target_was_seen(world: World) -> None:
    ready = asyncio.Event()

    async def wait() -> None:
        await ready.wait()

    world.wait_until_ready = wait
    await world.start(make_group(make_rule()))
    await world.evaluate(4)
    asked_before = len(world.querier.asked)
    ready.set()
    await world.evaluate(2)

    assert asked_before == 0
    assert len(world.querier.asked) == 2


async def test_a_restart_forgets_no_pending_alert(world: World) -> None:
    group = make_group(make_rule(hold_seconds=60))
    world.querier.answers[EXPR] = one()
    await world.start(group)
    await world.evaluate(3)
    await world.stop()

    await world.clock.advance(5)
    await world.start(group)
    await world.evaluate(2)

    assert world.alerts.messages == [("firing", "Broken")]
    assert world.alerts.puts[0].starts_at < world.clock.now() - timedelta(seconds=60)


async def test_a_restart_neither_resolves_nor_repeats_a_firing_alert(world: World) -> None:
    group = make_group(make_rule())
    world.querier.answers[EXPR] = one()
    await world.start(group)
    await world.evaluate()
    started_at = world.alerts.puts[0].starts_at
    await world.stop()

    # The first evaluations after a long pause see too little to yield anything.
    world.querier.answers[EXPR] = {}
    await world.clock.advance(3600)
    await world.start(group)
    await world.evaluate()
    world.querier.answers[EXPR] = one()
    await world.evaluate(4)
    during = list(world.alerts.messages)
    world.querier.answers[EXPR] = {}
    await world.evaluate()

    assert during == [("firing", "Broken")]
    assert {alert.starts_at for alert in world.alerts.puts} == {started_at}
    assert world.alerts.messages[1:] == [("resolved", "Broken")]


async def test_an_alert_that_ended_during_a_restart_is_resolved_once_all_is_settled(
    world: World,
) -> None:
    group = make_group(make_rule())
    world.querier.answers[EXPR] = one()
    await world.start(group)
    await world.evaluate()
    await world.stop()

    world.querier.answers[EXPR] = {}
    await world.start(group)
    await world.evaluate()
    at_first = list(world.alerts.messages)
    await world.evaluate(3)

    assert at_first == [("firing", "Broken")]
    assert world.alerts.messages == [("firing", "Broken"), ("resolved", "Broken")]
    assert world.states.rows == {}


async def test_an_end_that_dispatch_could_not_take_is_told_later(world: World) -> None:
    group = make_group(make_rule())
    world.querier.answers[EXPR] = one()
    await world.start(group)
    await world.evaluate()
    world.alerts.failure = OSError("the disk is full")
    world.querier.answers[EXPR] = {}
    await world.evaluate()
    await world.stop()

    world.alerts.failure = None
    world.querier.answers[EXPR] = one()
    await world.start(group)
    await world.evaluate()

    assert [kind for kind, _ in world.alerts.messages] == ["firing", "resolved", "firing"]


async def test_an_alert_whose_state_cannot_be_stored_is_not_told_yet(world: World) -> None:
    manager = await world.start(make_group(make_rule()))
    world.querier.answers[EXPR] = one()
    world.states.failure = OSError("the disk is full")
    await world.evaluate()
    before = list(world.alerts.messages)
    status = manager.snapshot().groups[0].rules[0]
    world.states.failure = None
    await world.evaluate()

    assert before == []
    assert status.last_error == "OSError: the disk is full"
    assert world.alerts.messages == [("firing", "Broken")]


async def test_alerts_go_out_although_the_store_of_samples_is_full(world: World) -> None:
    manager = await world.start(make_group(make_rule()))
    world.querier.answers[EXPR] = one()
    world.sink.failure = StoreFullError("no room")

    await world.evaluate()

    assert world.alerts.messages == [("firing", "Broken")]
    assert manager.snapshot().groups[0].rules[0].last_error == "StoreFullError: no room"


async def test_repeats_a_firing_alert_as_a_heartbeat(world: World) -> None:
    await world.start(make_group(make_rule()))
    world.querier.answers[EXPR] = one()

    await world.evaluate()
    await world.clock.advance(600)

    assert len(world.alerts.puts) == 3
    assert world.alerts.messages == [("firing", "Broken")]


async def test_a_reload_keeps_the_states_of_rules_that_stay(world: World) -> None:
    stays, goes = make_rule("Stays"), make_rule("Goes", expr="goes")
    manager = await world.start(make_group(stays, goes))
    world.querier.answers |= {EXPR: one(), "goes": one(), "other": one()}
    await world.evaluate()

    await manager.replace_groups([make_group(stays, make_rule("Comes", expr="other"))], [])
    await world.evaluate()

    assert world.alerts.messages == [
        ("firing", "Stays"),
        ("firing", "Goes"),
        ("resolved", "Goes"),
        ("firing", "Comes"),
    ]
    assert REMOVED_ANNOTATION in world.alerts.puts[2].annotations
    gone = Labels.of(__name__="ALERTS", alertname="Goes", alertstate="firing", severity="critical")
    assert world.sink.last(gone) is None
    assert {row.key.rule for row in world.states.rows.values()} == {"Stays", "Comes"}


async def test_a_reload_does_not_interrupt_a_group_that_stays_the_same(world: World) -> None:
    stays = make_group(make_rule("Stays"), name="stays")
    manager = await world.start(stays, make_group(make_rule("Goes"), name="goes"))
    await world.evaluate()
    (kept, _) = manager.group_runners

    await manager.replace_groups([make_group(make_rule("Comes"), name="comes"), stays], [])
    await world.evaluate()

    assert [runner.group.name for runner in manager.group_runners] == ["comes", "stays"]
    assert manager.group_runners[1] is kept
    assert kept.status.iterations_missed == 0
    iterations = "resumatch_monitor_rule_group_iterations_total"
    assert world.metric(iterations, rule_group="rules.yml;stays") == 2
    assert world.metric(iterations, rule_group="rules.yml;goes") is None


async def test_a_rule_that_vanished_while_the_monitor_was_down_is_resolved(world: World) -> None:
    world.querier.answers[EXPR] = one()
    await world.start(make_group(make_rule()))
    await world.evaluate()
    await world.stop()

    await world.start(make_group())
    await world.evaluate()

    assert world.alerts.messages == [("firing", "Broken"), ("resolved", "Broken")]
    assert world.states.rows == {}


async def test_a_mistake_in_a_file_does_not_resolve_its_alerts(world: World) -> None:
    world.querier.answers[EXPR] = one()
    manager = await world.start(make_group(make_rule()))
    await world.evaluate()
    error = RuleFileError("rules.yml", 3, None, None, "no YAML")

    await manager.replace_groups([], [error])
    await world.clock.advance(300)
    during = list(world.alerts.messages)
    await manager.replace_groups([make_group(make_rule())], [])
    await world.evaluate(2)

    assert during == [("firing", "Broken")]
    assert world.alerts.messages == during
    assert world.metric("resumatch_monitor_rule_file_errors") == 0


async def test_never_evaluates_a_group_twice_at_once_and_counts_what_it_missed(
    world: World,
) -> None:
    running = 0
    most = 0

    async def take_long() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await world.clock.sleep(40)
        running -= 1

    world.querier.before_answer = take_long
    manager = await world.start(make_group(make_rule()))

    await world.clock.advance(15 + 40 * 3)

    # Begun at 15, 55 (for 45), 95 (for 90) and 135 (for 135): 30, 60, 75, 105 and 120 are left out.
    assert most == 1
    missed = "resumatch_monitor_rule_group_iterations_missed_total"
    assert world.metric(missed, rule_group="rules.yml;group") == 5
    assert manager.snapshot().groups[0].iterations_missed == 5
    moments = [at.timestamp() for _, at in world.querier.asked]
    assert [moment - moments[0] for moment in moments] == [0, 30, 75, 120]


async def test_an_evaluation_that_is_late_for_its_turn_misses_none(world: World) -> None:
    async def take_a_while() -> None:
        await world.clock.sleep(18)

    world.querier.before_answer = take_a_while
    await world.start(make_group(make_rule()))

    await world.clock.advance(15 + 18 * 4)

    missed = "resumatch_monitor_rule_group_iterations_missed_total"
    assert world.metric(missed, rule_group="rules.yml;group") == 0
    moments = [at.timestamp() for _, at in world.querier.asked]
    assert [after - before for before, after in itertools.pairwise(moments)] == [15.0] * 4


async def test_tells_when_a_group_is_evaluated_next_and_what_its_rules_yielded(
    world: World,
) -> None:
    manager = await world.start(make_group(make_rule()))
    world.querier.answers[EXPR] = {Labels.of(i="1"): 1.0, Labels.of(i="2"): 1.0}

    await world.evaluate(2)

    (status,) = manager.snapshot().groups
    assert status.last_evaluation_at is not None
    assert status.last_evaluation_at <= world.clock.now()
    assert status.next_evaluation_at == status.last_evaluation_at + timedelta(seconds=15)
    prefix, group = "resumatch_monitor_rule_group", "rules.yml;group"
    assert world.metric(f"{prefix}_last_evaluation_samples", rule_group=group) == 2
    assert world.metric(f"{prefix}_interval_seconds", rule_group=group) == 15
    assert world.metric(f"{prefix}_iterations_total", rule_group=group) == 2
    assert status.rules[0].samples == 2


async def test_evaluates_at_moments_aligned_to_the_interval(world: World) -> None:
    await world.start(make_group(make_rule()))

    await world.evaluate(4)

    moments = [at.timestamp() for _, at in world.querier.asked]
    assert len({moment % 15 for moment in moments}) == 1
    assert [after - before for before, after in itertools.pairwise(moments)] == [15.0] * 3


async def test_a_rule_that_yields_too_much_is_an_error(world: World) -> None:
    manager = await world.start(make_group(make_rule(), limit=1))
    world.querier.answers[EXPR] = {Labels.of(i="1"): 1.0, Labels.of(i="2"): 1.0}

    await world.evaluate()

    status = manager.snapshot().groups[0].rules[0]
    assert status.last_error == "the rule yields 2 series; the limit is 1"
    assert world.alerts.messages == []


async def test_labels_that_make_two_alerts_the_same_are_an_error(world: World) -> None:
    manager = await world.start(make_group(make_rule(labels={"instance": "same"})))
    world.querier.answers[EXPR] = {Labels.of(instance="1"): 1.0, Labels.of(instance="2"): 1.0}

    await world.evaluate()

    assert "make two alerts the same" in str(manager.snapshot().groups[0].rules[0].last_error)


async def test_shows_pending_alerts_and_the_expression_behind_an_alert(world: World) -> None:
    manager = await world.start(make_group(make_rule(hold_seconds=60)))
    world.querier.answers[EXPR] = one(instance="a")

    await world.evaluate()

    (pending,) = manager.pending_alerts()
    assert pending.name == "Broken"
    assert manager.find_expr(pending.fingerprint) == EXPR
    assert manager.find_expr("0123456789abcdef") is None


async def test_a_clock_that_is_set_forward_fires_nothing_early(world: World) -> None:
    await world.start(make_group(make_rule(hold_seconds=300)))
    world.querier.answers[EXPR] = one()
    await world.evaluate(2)

    world.clock.jump(timedelta(hours=2))
    await world.evaluate(4)

    assert world.alerts.messages == []


@pytest.mark.parametrize("hours", [-2, 2])
async def test_a_clock_that_is_set_stops_no_evaluation(world: World, hours: int) -> None:
    manager = await world.start(make_group(make_rule()))
    await world.evaluate(2)

    world.clock.jump(timedelta(hours=hours))
    await world.evaluate(4)

    assert len(world.querier.asked) >= 5
    assert manager.snapshot().groups[0].iterations_missed == 0


class Killer:
    """Stops everything durable at one operation, as `kill -9` does: before or after it is done."""

    def __init__(self, world: World, *, at_operation: int, is_done: bool) -> None:
        self._world = world
        self._left = at_operation
        self._is_done = is_done
        self.has_killed = False
        self._wrap(world.alerts, "put")
        self._wrap(world.states, "save")

    def _wrap(self, target: object, name: str) -> None:
        operation = getattr(target, name)

        async def run(*args: object, **kwargs: object) -> None:
            self._left -= 1
            if self._left == 0 and not self._is_done:
                self._kill()
            await operation(*args, **kwargs)
            if self._left == 0 and self._is_done:
                self._kill()
                raise OSError("killed")

        setattr(target, name, run)

    def _kill(self) -> None:
        self.has_killed = True
        dead = OSError("killed")
        self._world.alerts.failure = self._world.states.failure = self._world.sink.failure = dead

    def revive(self) -> None:
        self._world.alerts.failure = self._world.states.failure = self._world.sink.failure = None


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at_operation", range(1, 12))
async def test_a_kill_at_any_operation_loses_and_repeats_no_notification(
    world: World, at_operation: int, is_done: bool
) -> None:
    killer = Killer(world, at_operation=at_operation, is_done=is_done)
    group = make_group(make_rule(hold_seconds=15))
    await world.start(group)

    for is_broken in [True] * 8 + [False] * 8:
        world.querier.answers[EXPR] = one() if is_broken else {}
        await world.evaluate()
        if killer.has_killed:
            await world.stop()
            killer.revive()
            killer.has_killed = False
            await world.start(group)

    assert world.alerts.messages == [("firing", "Broken"), ("resolved", "Broken")]
    assert world.states.rows == {}


async def test_independent_rules_of_a_group_run_at_the_same_time_up_to_the_limit(
    world: World,
) -> None:
    running: set[str] = set()
    most = 0

    async def take_a_while() -> None:
        nonlocal most
        expr = world.querier.asked[-1][0]
        running.add(expr)
        most = max(most, len(running))
        await world.clock.sleep(1)
        running.remove(expr)

    world.querier.before_answer = take_a_while
    rules = [make_recording_rule(f"r{number}", f"x{number}") for number in range(6)]
    manager = await world.start(make_group(*rules))

    await world.clock.advance(15)

    assert most == 4
    assert len(world.querier.asked) == 6
    assert manager.snapshot().groups[0].evaluation_seconds == 2.0


@pytest.mark.parametrize("has_failed", [False, True])
async def test_the_time_of_a_rule_is_its_own_and_not_what_it_waited_for_others(
    world: World, has_failed: bool
) -> None:
    async def take_a_while() -> None:
        await world.clock.sleep(2)

    world.querier.before_answer = take_a_while
    world.querier.waited_seconds = 1.5
    if has_failed:
        world.querier.answers[EXPR] = QueryError("it is late")
    manager = await world.start(make_group(make_rule()))

    await world.clock.advance(15)

    (group,) = manager.snapshot().groups
    assert group.evaluation_seconds == 2.0
    assert group.rules[0].evaluation_seconds == 0.5
    assert world.metric("resumatch_monitor_rule_evaluation_duration_seconds_sum") == 0.5


async def test_the_limit_on_rules_at_the_same_time_is_for_all_groups(world: World) -> None:
    running = 0
    most = 0

    async def take_a_while() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await world.clock.sleep(14)
        running -= 1

    world.querier.before_answer = take_a_while
    groups = [
        make_group(
            *[make_recording_rule(f"r{rule}", f"x{group}{rule}") for rule in range(6)],
            name=f"g{group}",
        )
        for group in range(5)
    ]
    await world.start(*groups)

    await world.clock.advance(90)

    # One for each group, and three beside.
    assert most == 5 + 3
    assert len(world.querier.asked) >= 5 * 6


async def test_a_rule_is_evaluated_after_the_rule_that_it_reads(world: World) -> None:
    async def take_a_while() -> None:
        await world.clock.sleep(1)

    world.querier.before_answer = take_a_while
    first = make_recording_rule("first", "x")
    reading = make_rule(expr="first > 1")
    await world.start(make_group(first, make_recording_rule("other", "y"), reading))
    world.querier.answers["x"] = {Labels(): 1.0}

    await world.clock.advance(15)

    assert [expr for expr, _ in world.querier.asked] == ["x", "y", "first > 1"]
