from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.grouping.group import Decision, Group, Reason
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, follow
from tests.dispatch.builders import START, make_alert, make_group, make_occurrence, resolve

ALERT = make_alert(instance="a")
OTHER = make_alert(instance="b")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def flush(group: Group, seconds: float) -> Decision:
    decision = group.decide(at(seconds))
    group.apply(decision, at(seconds))
    return decision


def place(group: Group, alert: Alert, seconds: float) -> None:
    group.place(make_occurrence(alert, at(seconds)), at(seconds))


def test_waits_for_company_before_the_first_message() -> None:
    group = make_group(wait=15)
    place(group, ALERT, 0)
    place(group, OTHER, 5)

    assert group.due_at() == at(15)
    assert len(flush(group, 15).told) == 2


def test_what_has_held_for_longer_than_the_wait_does_not_wait() -> None:
    group = make_group(wait=15)
    place(group, ALERT, 60)

    assert group.due_at() == at(60)


def test_says_nothing_twice() -> None:
    group = make_group()
    place(group, ALERT, 0)
    flush(group, 0)
    place(group, replace(ALERT, value=3.0), 30)

    assert group.due_at() == at(3600)
    assert flush(group, 60).reason is Reason.NOTHING


def test_tells_changes_at_the_next_multiple_of_the_interval() -> None:
    group = make_group(interval=60)
    place(group, ALERT, 0)
    flush(group, 0)
    place(group, replace(OTHER, starts_at=at(130)), 130)

    assert group.due_at() == at(180)
    decision = flush(group, 180)
    assert decision.reason is Reason.NEWS
    assert [each.alert.labels["instance"] for each in decision.told] == ["a", "b"]


def test_firing_and_resolved_go_in_one_message() -> None:
    group = make_group()
    place(group, ALERT, 0)
    place(group, OTHER, 0)
    flush(group, 0)
    place(group, resolve(OTHER, at(10)), 10)

    decision = flush(group, 60)

    assert decision.reason is Reason.RESOLVED
    assert [each.alert.status for each in decision.told] == ["firing", "resolved"]
    assert not decision.is_over


def test_what_resolved_before_it_was_told_is_not_told() -> None:
    group = make_group(wait=15)
    place(group, ALERT, 0)
    place(group, resolve(ALERT, at(5)), 5)

    decision = flush(group, 15)

    assert decision.told == ()
    assert decision.is_over
    assert group.due_at() is None


def test_an_alert_that_flaps_between_two_messages_is_left_alone() -> None:
    group = make_group()
    place(group, ALERT, 0)
    flush(group, 0)
    place(group, resolve(ALERT, at(10)), 10)
    place(group, replace(ALERT, starts_at=at(20)), 20)

    assert flush(group, 60).reason is Reason.NOTHING


def test_repeats_after_the_repeat_interval() -> None:
    group = make_group(interval=60, repeat=3600)
    place(group, ALERT, 0)
    flush(group, 0)

    assert group.due_at() == at(3600)
    assert flush(group, 3600).reason is Reason.REPEAT
    assert group.due_at() == at(7200)


def test_a_group_that_is_over_begins_anew() -> None:
    group = make_group(wait=0, interval=60)
    place(group, ALERT, 0)
    flush(group, 0)
    place(group, resolve(ALERT, at(10)), 10)
    flush(group, 60)
    place(group, replace(ALERT, starts_at=at(70)), 70)

    assert group.due_at() == at(70)
    assert flush(group, 70).reason is Reason.NEWS


def test_firing_again_while_the_resolve_is_stored_is_told() -> None:
    group = make_group(interval=60)
    place(group, ALERT, 0)
    flush(group, 0)
    place(group, resolve(ALERT, at(10)), 10)
    decision = group.decide(at(60))
    place(group, replace(ALERT, starts_at=at(60)), 60)
    group.apply(decision, at(60))

    assert decision.reason is Reason.RESOLVED
    assert group.due_at() == at(60)
    assert flush(group, 60).reason is Reason.NEWS


def test_resolving_while_the_firing_is_stored_is_told() -> None:
    group = make_group(interval=60)
    place(group, ALERT, 0)
    decision = group.decide(at(0))
    place(group, resolve(ALERT, at(1)), 1)
    group.apply(decision, at(1))

    assert group.due_at() == at(61)
    assert flush(group, 61).reason is Reason.RESOLVED


def test_an_event_is_told_once_and_leaves() -> None:
    group = make_group()
    place(group, make_alert("NewIssue", is_event=True), 0)

    assert flush(group, 0).is_over
    assert group.due_at() is None


def test_the_gravest_comes_first() -> None:
    group = make_group()
    for severity in ("info", "critical", "warning"):
        place(group, make_alert(severity=severity), 0)

    told = flush(group, 0).told

    assert [each.alert.severity for each in told] == ["critical", "warning", "info"]


@dataclass
class Reader:
    """Believes what the messages say."""

    believed: set[str] = field(default_factory=set[str])

    def read(self, decision: Decision) -> None:
        for occurrence in decision.told:
            fingerprint = occurrence.alert.fingerprint
            if occurrence.alert.ends_at is None:
                self.believed.add(fingerprint)
            else:
                assert fingerprint in self.believed, "told of an end without a beginning"
                self.believed.remove(fingerprint)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("fire"), st.integers(0, 3)),
            st.tuples(st.just("resolve"), st.integers(0, 3)),
            st.tuples(st.just("wait"), st.integers(1, 200)),
        ),
        max_size=40,
    ),
    wait=st.sampled_from([0, 15]),
    repeat=st.sampled_from([90, 3600]),
)
def test_what_people_believe_becomes_true_and_no_message_says_nothing(
    steps: list[tuple[str, int]], wait: int, repeat: int
) -> None:
    group, reader, now = make_group(wait=wait, interval=60, repeat=repeat), Reader(), 0
    latest: dict[int, Occurrence] = {}

    def pass_time(until: int) -> None:
        while (due_at := group.due_at()) is not None and due_at <= at(until):
            before = set(reader.believed)
            decision = group.decide(due_at)
            group.apply(decision, due_at)
            reader.read(decision)
            if decision.reason in (Reason.NEWS, Reason.RESOLVED):
                assert reader.believed != before

    for step, number in steps:
        if step == "wait":
            now += number
            pass_time(now)
            continue
        alert = make_alert(instance=str(number), starts_at=at(now))
        report = alert if step == "fire" else resolve(alert, at(now))
        occurrence = follow(latest.get(number), report, received_at=at(now))
        if occurrence is not None:
            latest[number] = occurrence
            if occurrence.is_firing or group.knows(occurrence):
                group.place(occurrence, at(now))
        pass_time(now)
    pass_time(now + 120)

    firing = {each.alert.fingerprint for each in latest.values() if each.is_firing}
    assert reader.believed == firing
