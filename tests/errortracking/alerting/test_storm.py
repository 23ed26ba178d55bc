from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumatch_monitor.errortracking.alerting.messages import make_storm_alert
from resumatch_monitor.errortracking.alerting.storm import Storm, StormKey, plan_storms
from resumatch_monitor.errortracking.issues import Issue, IssueStatus
from resumatch_monitor.errortracking.store import AlertKind, PendingAlert

START = datetime(2026, 1, 5, 14, 2, tzinfo=UTC)
WINDOW = timedelta(minutes=10)


def make_pending(
    number: int,
    minutes: float = 0,
    *,
    kind: AlertKind = AlertKind.NEW,
    severity: str = "warning",
    level: str = "error",
    release: str | None = "web@2",
) -> PendingAlert:
    at = START + timedelta(minutes=minutes)
    issue = Issue(
        id=number,
        number=number,
        project_id=1,
        project_slug="web",
        type="KeyError",
        value=str(number),
        culprit="pay",
        level=level,
        platform="python",
        status=IssueStatus.UNRESOLVED,
        is_regressed=False,
        is_handled=None,
        is_synthetic=False,
        event_count=number,
        user_count=0,
        first_seen_at=at,
        last_seen_at=at,
        first_release=release,
        last_release=release,
        resolved_at=None,
    )
    return PendingAlert(
        id=number,
        kind=kind,
        at=at,
        occurrence=0,
        environment="",
        issue=issue,
        severity=severity,
        release=release,
    )


class Told:
    """Plans batches one after another and remembers what was told."""

    def __init__(self, *, threshold: int = 3) -> None:
        self.known: dict[StormKey, Storm] = {}
        self.single: list[int] = []
        self.ended: list[Storm] = []
        self.summaries: list[str] = []
        self._threshold = threshold

    def tell(self, *pending: PendingAlert) -> "Told":
        plan = plan_storms(pending, self.known, threshold=self._threshold, window=WINDOW)
        # What is stored comes back as it was.
        self.known = {
            storm.key: Storm.from_json(storm.key, storm.to_json()) for storm in plan.storms
        }
        assert self.known == {storm.key: storm for storm in plan.storms}
        self.single += [each.id for each in plan.single]
        self.ended += plan.ended
        self.summaries += [make_storm_alert(storm).annotations["summary"] for storm in plan.changed]
        return self


def test_a_few_issues_are_told_one_by_one() -> None:
    told = Told().tell(make_pending(1)).tell(make_pending(2, 9)).tell(make_pending(3, 18))

    assert (told.single, told.summaries) == ([1, 2, 3], [])


def test_many_at_once_are_one_alert() -> None:
    told = Told().tell(*(make_pending(number) for number in range(1, 200)))

    assert told.single == []
    assert told.summaries == ["199 new issues since 14:02 UTC in web, mostly in release web@2"]


def test_later_ones_join() -> None:
    told = Told()
    for number in range(1, 7):
        told.tell(make_pending(number, number))

    assert told.single == [1, 2]
    assert [summary.split(" since")[0] for summary in told.summaries] == [
        f"{number} new issues" for number in (3, 4, 5, 6)
    ]


def test_it_is_over_when_none_has_begun_for_a_window() -> None:
    told = Told().tell(*(make_pending(number) for number in range(1, 5)))
    told.tell(make_pending(5, 10))

    assert [storm.new_count for storm in told.ended] == [4]
    assert told.single == [5]


def test_what_comes_back_counts_too_and_the_worst_is_named() -> None:
    told = Told().tell(
        make_pending(1, kind=AlertKind.REGRESSED),
        make_pending(2, level="fatal"),
        make_pending(3, kind=AlertKind.ESCALATED, release="web@1"),
    )
    (storm,) = told.known.values()

    alert = make_storm_alert(storm)
    assert alert.annotations["summary"].startswith("1 new issue and 2 that came back since")
    assert alert.annotations["description"].endswith("The worst: WEB-2, KeyError: 2.")
    assert not alert.is_event


@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.sampled_from(["critical", "warning"]), st.integers(1, 4)),
        max_size=40,
    ),
    st.integers(2, 6),
)
def test_every_issue_is_told_of_at_its_own_severity(
    begun: list[tuple[int, str, int]], threshold: int
) -> None:
    told, minute, number = Told(threshold=threshold), 0, 0
    counts: dict[str, int] = {}
    for gap, severity, size in begun:
        minute += gap
        batch: list[PendingAlert] = []
        for _ in range(size):
            number += 1
            batch.append(make_pending(number, minute, severity=severity))
            counts[severity] = counts.get(severity, 0) + 1
        before = len(told.single)
        told.tell(*batch)
        key = (1, severity)
        is_storm = told.known[key].opened_at is not None
        alone = len(told.single) - before
        # Nothing is kept back: it is told alone, or the storm of its severity has just been told.
        assert is_storm or alone == size

    for severity in counts:
        storms = [storm for storm in told.ended if storm.severity == severity]
        storms.append(told.known[1, severity])
        assert all(storm.new_count >= threshold for storm in storms if storm.opened_at)


@pytest.mark.parametrize("kind", [AlertKind.EVENTS, AlertKind.USERS, AlertKind.PROJECT_EVENTS])
def test_what_is_counted_is_no_storm(kind: AlertKind) -> None:
    told = Told().tell(*(replace(make_pending(n), kind=kind) for n in range(9)))

    assert told.single == list(range(9))
