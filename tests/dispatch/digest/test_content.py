"""What a digest says."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from resumatch_monitor.dispatch.digest.content import MOST_LINES, Period, compose, tally
from resumatch_monitor.dispatch.occurrences.occurrence import Occurrence
from resumatch_monitor.notify.notification import Notice
from tests.dispatch.builders import make_alert, make_occurrence, resolve

START = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
PERIOD = Period(START, START + timedelta(days=1), ZoneInfo("Europe/Berlin"), "daily")


def after(**duration: float) -> datetime:
    return START + timedelta(**duration)


def fired(
    name: str, begin: datetime, end: datetime | None = None, *, severity: str = "warning"
) -> Occurrence:
    alert = make_alert(name, severity=severity, starts_at=begin)
    return make_occurrence(alert if end is None else resolve(alert, end))


def happened(name: str, at: datetime) -> Occurrence:
    return make_occurrence(make_alert(name, severity="warning", starts_at=at, is_event=True))


def digest(*occurrences: Occurrence, before: dict[str, int] | None = None) -> Notice:
    return compose(tally(occurrences, PERIOD), period=PERIOD, before=before or {})


def lines(notice: Notice, title: str) -> tuple[str, ...]:
    return next((each.lines for each in notice.sections if each.title == title), ())


def test_it_counts_by_name_and_says_what_still_fires() -> None:
    notice = digest(
        fired("HighResponseTime", after(hours=1), after(hours=1, minutes=20)),
        fired("HighResponseTime", after(hours=3), after(hours=3, minutes=10)),
        fired("DiskFull", after(hours=23), severity="critical"),
    )

    assert notice.title == "Daily digest: 2 alerts, 1 still firing"
    assert notice.text == "Mon 5 Jan 09:00 to Tue 6 Jan 09:00, Europe/Berlin. 3 occurrences."
    assert notice.severity == "critical"
    assert lines(notice, "Still firing") == (
        "DiskFull (critical): 1 time, 1h in all, since Tue 6 Jan 08:00"
        " · Database connection failed",
    )
    assert lines(notice, "Over") == (
        "HighResponseTime (warning): 2 times, 30m in all · Database connection failed",
    )


def test_time_outside_of_the_period_does_not_count() -> None:
    (only,) = tally([fired("Old", after(hours=-5), after(hours=2))], PERIOD)

    assert only.lasted == timedelta(hours=2)
    assert only.firing_count == 0


def test_what_ended_after_the_period_fired_at_its_end() -> None:
    (only,) = tally([fired("Late", after(hours=20), after(hours=30))], PERIOD)

    assert only.firing_count == 1
    assert only.lasted == timedelta(hours=4)


def test_events_are_counted_and_never_fire() -> None:
    notice = digest(
        happened("NewIssue", after(hours=1)),
        happened("NewIssue", after(hours=2)),
    )

    assert notice.title == "Daily digest: 1 alert"
    assert lines(notice, "Over")[0].startswith("NewIssue (warning): 2 times ·")
    assert lines(notice, "Still firing") == ()


def test_it_is_compared_with_the_digest_before() -> None:
    notice = digest(
        *(happened("NewIssue", after(hours=hour)) for hour in range(9)),
        fired("Same", after(hours=1), after(hours=2)),
        fired("Fresh", after(hours=1), after(hours=2)),
        before={"NewIssue": 3, "Same": 1, "Gone": 2},
    )

    assert lines(notice, "Changed since the last digest") == (
        "Fresh: new",
        "NewIssue: 9 times, before 3",
        "Gone: did not occur, before 2 times",
    )
    assert notice.text.endswith("11 occurrences, 5 more than in the digest before.")


def test_without_a_digest_before_nothing_is_new() -> None:
    notice = digest(fired("Fresh", after(hours=1), after(hours=2)))

    assert lines(notice, "Changed since the last digest") == ()


def test_long_lists_are_cut_and_counted() -> None:
    notice = digest(*(fired(f"Alert{n}", after(hours=1), after(hours=2)) for n in range(100)))

    assert len(lines(notice, "Over")) == MOST_LINES + 1
    assert lines(notice, "Over")[-1] == "and 60 more"
