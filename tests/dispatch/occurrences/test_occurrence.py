from dataclasses import replace
from datetime import timedelta

from resumatch_monitor.alerts.alert import AlertStatus
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence, follow
from tests.dispatch.builders import START, make_alert, resolve

MINUTE = timedelta(minutes=1)
FIRING = make_alert()


def after(*reports: object) -> Occurrence | None:
    latest: Occurrence | None = None
    for report in reports:
        assert isinstance(report, type(FIRING))
        latest = follow(latest, report, received_at=START) or latest
    return latest


def test_a_repeated_report_changes_only_annotations_and_value() -> None:
    repeated = replace(
        FIRING, starts_at=START + MINUTE, annotations={"summary": "other"}, value=2.0
    )

    occurrence = after(FIRING, repeated)

    assert occurrence is not None
    assert occurrence.alert.starts_at == START
    assert occurrence.alert.annotations == {"summary": "other"}
    assert occurrence.alert.value == 2.0


def test_a_repeated_resolve_changes_nothing() -> None:
    resolved = resolve(FIRING, START + MINUTE)

    assert follow(after(FIRING, resolved), resolved, received_at=START) is None


def test_firing_again_is_another_occurrence() -> None:
    again = replace(FIRING, starts_at=START + 2 * MINUTE)

    occurrence = after(FIRING, resolve(FIRING, START + MINUTE), again)

    assert occurrence is not None
    assert occurrence.id.starts_at == START + 2 * MINUTE
    assert occurrence.is_firing


def test_firing_since_before_its_own_end_begins_at_that_end() -> None:
    occurrence = after(FIRING, resolve(FIRING, START + MINUTE), FIRING)

    assert occurrence is not None
    assert occurrence.is_firing
    assert occurrence.id.starts_at == START + MINUTE


def test_the_echo_of_an_earlier_resolve_does_not_end_a_later_occurrence() -> None:
    resolved = resolve(FIRING, START + MINUTE)
    again = after(FIRING, resolved, replace(FIRING, starts_at=START + 2 * MINUTE))

    assert follow(again, resolved, received_at=START) is None


def test_a_source_whose_clock_was_set_back_can_still_resolve() -> None:
    occurrence = after(FIRING, resolve(FIRING, START - MINUTE))

    assert occurrence is not None
    assert occurrence.alert.status is AlertStatus.RESOLVED
    assert occurrence.alert.ends_at == START


def test_an_event_happens_once_at_a_time() -> None:
    event = make_alert("NewIssue", is_event=True)
    first = after(event)

    assert follow(first, event, received_at=START) is None
    later = follow(first, replace(event, starts_at=START + MINUTE), received_at=START)
    assert later is not None
    assert not later.is_firing
