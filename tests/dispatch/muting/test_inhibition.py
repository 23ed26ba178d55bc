"""Inhibition with Alertmanager's semantics, and dependencies."""

from datetime import timedelta
from time import perf_counter
from typing import Any

import pytest
from pydantic import ValidationError

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.muting.dependencies import MOST_DEPENDENTS, Dependencies
from resumatch_monitor.dispatch.muting.inhibition import Inhibition
from resumatch_monitor.dispatch.muting.mute import MuteKind
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.policy.suppression_config import (
    DependencyConfig,
    InhibitRuleConfig,
    default_dependencies,
)
from tests.dispatch.builders import START, make_alert, make_occurrence, resolve

CRITICAL = make_alert("DiskFull", instance="a")
WARNING = make_alert("DiskNearlyFull", severity="warning", instance="a")
ELSEWHERE = make_alert("DiskNearlyFull", severity="warning", instance="b")

SEVERITY_RULE = {
    "source_matchers": ['severity="critical"'],
    "target_matchers": ['severity="warning"'],
    "equal": ["instance"],
}


def inhibit(rule: dict[str, Any], *firing: Alert) -> tuple[Inhibition, FiringAlerts]:
    alerts = FiringAlerts()
    inhibition = Inhibition([InhibitRuleConfig.model_validate(rule)], alerts)
    alerts.update([make_occurrence(each) for each in firing])
    return inhibition, alerts


def test_an_alert_is_inhibited_where_the_equal_labels_are() -> None:
    inhibition, _ = inhibit(SEVERITY_RULE, CRITICAL, WARNING, ELSEWHERE)

    mute = inhibition.find(WARNING, START)

    assert mute is not None
    assert (mute.kind, mute.by) == (MuteKind.INHIBITED, CRITICAL.fingerprint)
    assert mute.text == 'inhibited while DiskFull {instance="a"} fires'
    assert inhibition.find(ELSEWHERE, START) is None
    assert inhibition.find(CRITICAL, START) is None
    assert inhibition.inhibitors_of(WARNING.labels) == [CRITICAL.fingerprint]


def test_an_absent_label_equals_an_empty_one_and_another_absent_one() -> None:
    rule = {**SEVERITY_RULE, "equal": ["instance", "cluster"]}
    inhibition, _ = inhibit(rule, CRITICAL)

    assert inhibition.find(WARNING, START) is not None
    assert inhibition.find(make_alert("X", severity="warning"), START) is None
    other = make_alert("X", severity="warning", instance="a", cluster="c")
    assert inhibition.find(other, START) is None


def test_what_has_resolved_inhibits_nothing() -> None:
    inhibition, firing = inhibit(SEVERITY_RULE, CRITICAL)

    firing.update([make_occurrence(resolve(CRITICAL, START + timedelta(minutes=1)))])

    assert inhibition.find(WARNING, START) is None


def test_the_reason_stays_the_same_while_it_fires() -> None:
    rule = {"source_matchers": ['alertname="A"'], "target_matchers": ['alertname="B"']}
    first, second = make_alert("A", instance="1"), make_alert("A", instance="2")
    inhibition, firing = inhibit(rule, first, second)

    changed = make_alert("A", instance="1", value=2.0)
    firing.update([make_occurrence(changed)])

    mute = inhibition.find(make_alert("B"), START)
    assert mute is not None
    assert mute.by == first.fingerprint
    assert firing.get(first.fingerprint) is changed


def test_alerts_on_both_sides_inhibit_only_those_on_one() -> None:
    rule = {"source_matchers": ['alertname=~"A|B"'], "target_matchers": ['alertname=~"B|C"']}
    a, b, c = make_alert("A"), make_alert("B"), make_alert("C")

    only_both, _ = inhibit(rule, b)
    assert only_both.find(b, START) is None
    assert only_both.find(make_alert("B", instance="other"), START) is None
    assert only_both.find(c, START) is not None
    with_source, _ = inhibit(rule, a, b)
    assert with_source.find(b, START) is not None


def test_a_source_that_is_itself_inhibited_still_inhibits() -> None:
    rules = [
        InhibitRuleConfig(source_matchers=['alertname="A"'], target_matchers=['alertname="B"']),
        InhibitRuleConfig(source_matchers=['alertname="B"'], target_matchers=['alertname="C"']),
    ]
    firing = FiringAlerts()
    inhibition = Inhibition(rules, firing)
    firing.update([make_occurrence(make_alert(name)) for name in "ABC"])

    assert inhibition.find(make_alert("B"), START) is not None
    assert inhibition.find(make_alert("C"), START) is not None


def test_ten_thousand_firing_alerts_are_no_burden() -> None:
    rule = {**SEVERITY_RULE, "equal": ["instance"]}
    firing = [
        make_alert("X", severity="critical" if number % 2 else "warning", instance=str(number // 2))
        for number in range(10_000)
    ]
    inhibition, _ = inhibit(rule, *firing)

    began = perf_counter()
    muted = sum(inhibition.find(each, START) is not None for each in firing)

    assert muted == 5000
    assert perf_counter() - began < 2


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"source_matchers": [], "target_matchers": ['a="b"']}, "source_matchers"),
        ({"source_matchers": ['a="b"']}, "target_matchers"),
        ({"source_matchers": ["nonsense"], "target_matchers": ['a="b"']}, "not a matcher"),
        ({"source_matchers": ['a=~"("'], "target_matchers": ['a="b"']}, "regular expression"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(rule: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        InhibitRuleConfig.model_validate(rule)


DATABASE = make_alert("DatabaseConnectionFailed", instance="db")
ERRORS = make_alert("HighErrorRate")
QUERIES = make_alert("SlowQueries", severity="warning")


def depend(configs: list[DependencyConfig], *firing: Alert) -> tuple[Dependencies, FiringAlerts]:
    alerts = FiringAlerts()
    dependencies = Dependencies(configs, alerts)
    alerts.update([make_occurrence(each) for each in firing])
    return dependencies, alerts


def on(name: str, affects: str, *equal: str) -> DependencyConfig:
    return DependencyConfig(
        name=name,
        on=[f'alertname="{name}"'],
        affects=[f'alertname=~"{affects}"'],
        equal=list(equal),
    )


def test_an_outage_holds_back_what_it_drags_along_and_lists_it() -> None:
    dependencies, _ = depend(default_dependencies(), DATABASE, ERRORS, QUERIES)

    mute = dependencies.find(ERRORS, START)
    assert mute is not None
    assert (mute.kind, mute.by) == (MuteKind.DEPENDENT, DATABASE.fingerprint)
    assert mute.text == 'depends on database: DatabaseConnectionFailed {instance="db"} fires'
    assert dependencies.find(DATABASE, START) is None
    assert dependencies.dependents_of(DATABASE) == (ERRORS, QUERIES)
    assert dependencies.dependents_of(ERRORS) == ()


def test_what_an_outage_caused_is_not_told_when_it_has_only_just_ended() -> None:
    dependencies, firing = depend(default_dependencies(), DATABASE, ERRORS)
    ended_at = START + timedelta(hours=1)

    firing.update([make_occurrence(resolve(DATABASE, ended_at))])

    mute = dependencies.find(ERRORS, ended_at + timedelta(minutes=9))
    assert mute is not None
    assert mute.until == ended_at + timedelta(minutes=10)
    assert mute.text.endswith("has only just ended")
    assert dependencies.find(ERRORS, ended_at + timedelta(minutes=10)) is None
    # Neither does a clock that is set back hold it back for longer.
    assert dependencies.find(ERRORS, ended_at - timedelta(minutes=10)) is None


def test_an_outage_that_comes_back_and_goes_lingers_from_its_last_end() -> None:
    dependencies, firing = depend(default_dependencies(), DATABASE)
    ends = [START + timedelta(minutes=minutes) for minutes in (1, 8)]
    firing.update([make_occurrence(resolve(DATABASE, ends[0]))])
    firing.update([make_occurrence(DATABASE)])

    firing.update([make_occurrence(resolve(DATABASE, ends[1]))])

    assert dependencies.find(ERRORS, ends[1] + timedelta(minutes=9)) is not None


def test_without_lingering_an_end_is_the_end() -> None:
    config = DependencyConfig(
        name="a", on=["alertname=A"], affects=["alertname=B"], linger=timedelta(0)
    )
    dependencies, firing = depend([config], make_alert("A"))

    firing.update([make_occurrence(resolve(make_alert("A"), START))])

    assert dependencies.find(make_alert("B"), START) is None


def test_ends_are_remembered_up_to_a_bound() -> None:
    dependencies, firing = depend([on("A", "B", "instance")])
    many = [make_alert("A", instance=str(number)) for number in range(3000)]
    firing.update([make_occurrence(each) for each in many])

    firing.update([make_occurrence(resolve(each, START)) for each in many])

    held = [
        dependencies.find(make_alert("B", instance=str(number)), START) is not None
        for number in range(3000)
    ]
    assert sum(held) == 1000


def test_a_probe_that_is_down_is_not_slow_as_well() -> None:
    down, slow = make_alert("ProbeDown", probe="login"), make_alert("ProbeSlow", probe="login")
    dependencies, _ = depend(default_dependencies(), down, slow)

    assert dependencies.find(slow, START) is not None
    assert dependencies.find(make_alert("ProbeSlow", probe="search"), START) is None


def test_what_is_graver_than_its_cause_is_told() -> None:
    cause = make_alert("DatabaseConnectionFailed", severity="warning")
    dependencies, _ = depend(default_dependencies(), cause, ERRORS, QUERIES)

    assert dependencies.find(ERRORS, START) is None
    assert dependencies.find(QUERIES, START) is not None
    assert dependencies.dependents_of(cause) == (QUERIES,)


def test_a_chain_is_told_by_its_ground() -> None:
    network, database, errors = make_alert("Network"), make_alert("Database"), make_alert("Errors")
    configs = [on("Network", "Database"), on("Database", "Errors")]

    dependencies, firing = depend(configs, network, database, errors)
    assert [dependencies.find(each, START) is None for each in (network, database, errors)] == [
        True,
        False,
        False,
    ]
    assert dependencies.dependents_of(network) == (database, errors)
    firing.update([make_occurrence(resolve(network, START + timedelta(minutes=1)))])
    assert dependencies.find(database, START + timedelta(hours=1)) is None
    assert dependencies.dependents_of(database) == (errors,)


@pytest.mark.parametrize(
    "configs",
    [
        [on("A", "B"), on("B", "A")],
        [on("A", "A|B"), on("B", "A|B")],
        [on("A", "B"), on("B", "C"), on("C", "A")],
        [DependencyConfig(name="all", on=['severity="critical"'], affects=['severity="critical"'])],
    ],
)
def test_alerts_that_drag_each_other_along_are_never_all_silent(
    configs: list[DependencyConfig],
) -> None:
    alerts = [make_alert(name) for name in "ABC"]
    for firing in (alerts, alerts[:2], alerts[::-1]):
        dependencies, _ = depend(configs, *firing)

        assert any(dependencies.find(each, START) is None for each in firing)
        assert all(each not in dependencies.dependents_of(each) for each in firing)


def test_what_is_dragged_along_is_listed_up_to_a_bound() -> None:
    many = [make_alert("HighErrorRate", instance=str(number)) for number in range(500)]
    dependencies, _ = depend(default_dependencies(), DATABASE, *many)

    assert len(dependencies.dependents_of(DATABASE)) == MOST_DEPENDENTS


def test_dependencies_of_ones_own_replace_the_default() -> None:
    default = AlertingConfig.model_validate({})
    own = AlertingConfig.model_validate(
        {"dependencies": [{"name": "x", "on": ['a="b"'], "affects": ['a="c"']}]}
    )

    assert [each.name for each in default.dependencies] == ["database", "probe", "metrics store"]
    assert [each.name for each in own.dependencies] == ["x"]
