"""The index of firing alerts."""

from datetime import timedelta

import pytest

from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from tests.dispatch.builders import START, make_alert, make_occurrence, resolve

DATABASE = make_alert("DatabaseConnectionFailed", instance="db-1")
ERRORS = make_alert("HighErrorRate", instance="web-1", team="web")
ISSUE = make_alert("NewIssue", is_event=True)


@pytest.fixture
def firing() -> FiringAlerts:
    firing = FiringAlerts()
    firing.update([make_occurrence(each) for each in (DATABASE, ERRORS, ISSUE)])
    return firing


@pytest.mark.parametrize(
    ("matchers", "expected"),
    [
        ("", [DATABASE, ERRORS]),
        ('alertname="HighErrorRate"', [ERRORS]),
        ('alertname="HighErrorRate",instance="db-1"', []),
        ('alertname=~"High.*"', [ERRORS]),
        ('team=""', [DATABASE]),
        ('alertname!="HighErrorRate"', [DATABASE]),
        ('alertname="Nothing"', []),
    ],
)
def test_alerts_are_found_by_their_labels(
    firing: FiringAlerts, matchers: str, expected: list[object]
) -> None:
    assert list(firing.find(parse_matchers(matchers))) == expected


def test_what_ends_is_not_found_and_what_changes_is_found_as_it_is(firing: FiringAlerts) -> None:
    changed = make_alert("DatabaseConnectionFailed", instance="db-1", value=2.0)

    firing.update([make_occurrence(resolve(ERRORS, START + timedelta(minutes=1)))])
    firing.update([make_occurrence(changed)])

    assert list(firing.find(parse_matchers('alertname="HighErrorRate"'))) == []
    assert list(firing) == [changed]
    assert firing.get(changed.fingerprint) is changed


def test_clearing_forgets_everything(firing: FiringAlerts) -> None:
    firing.clear()

    assert len(firing) == 0
    assert list(firing.find(parse_matchers('alertname="HighErrorRate"'))) == []
