from datetime import datetime, timedelta

from resumatch_monitor.dispatch.grouping.schedule import Schedule
from resumatch_monitor.dispatch.routing.route import GroupId
from tests.dispatch.builders import START

A, B = GroupId("team", "a"), GroupId("team", "b")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_what_is_due_stays_until_it_is_put_anew() -> None:
    schedule = Schedule()
    moments = {A: at(1), B: at(5)}
    for group_id, moment in moments.items():
        schedule.put(group_id, moment)

    assert schedule.next_at == at(1)
    assert schedule.take(at(0), moments.get) == []
    assert schedule.take(at(2), moments.get) == [A]
    assert schedule.take(at(2), moments.get) == [A]
    schedule.put(A, at(9))
    moments[A] = at(9)
    assert schedule.take(at(6), moments.get) == [B]


def test_a_group_that_became_due_later_than_it_was_put_for_is_moved() -> None:
    schedule = Schedule()
    schedule.put(A, at(1))

    assert schedule.take(at(2), {A: at(7)}.get) == []
    assert schedule.next_at == at(7)


def test_a_group_can_be_let_wait_although_it_is_due() -> None:
    schedule = Schedule()
    schedule.put(A, at(1))
    schedule.put(A, at(60))

    assert schedule.take(at(2), {A: at(1)}.get) == []
    assert schedule.take(at(60), {A: at(1)}.get) == [A]


def test_what_is_taken_out_or_gone_is_never_due() -> None:
    schedule = Schedule()
    schedule.put(A, at(1))
    schedule.put(A, None)
    schedule.put(B, at(1))

    assert schedule.take(at(2), {A: at(1)}.get) == []
    assert schedule.next_at is None
