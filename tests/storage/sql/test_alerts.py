from dataclasses import replace
from datetime import timedelta

import pytest

from resumatch_monitor.alerts.alert import AlertStatus
from resumatch_monitor.dispatch.reading import AlertRecord, PageMark
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from tests.dispatch.builders import START, make_alert, resolve

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)
ALERT = make_alert()


@pytest.fixture
def store(database: Database) -> SqlAlerts:
    return SqlAlerts(database)


async def everything(store: SqlAlerts, status: AlertStatus | None = None) -> list[AlertRecord]:
    return await store.list_alerts(status=status, severity=None, after=None, limit=100)


async def test_keeps_an_alert_as_it_was_put(store: SqlAlerts) -> None:
    alert = make_alert(value=0.5, job="database", annotations={"summary": "é"})

    await store.put([alert], at=START)

    record = await store.get_alert(alert.fingerprint)
    assert record is not None
    assert record.alert == alert


async def test_a_repeated_report_is_no_second_row_and_no_change(store: SqlAlerts) -> None:
    first = await store.put([ALERT], at=START)
    second = await store.put([ALERT, ALERT], at=START + MINUTE)

    assert (len(first), second) == (1, [])
    assert len(await everything(store)) == 1


async def test_a_whole_life_in_one_put(store: SqlAlerts) -> None:
    again = replace(ALERT, starts_at=START + 2 * MINUTE)

    changed = await store.put([ALERT, resolve(ALERT, START + MINUTE), again], at=START)

    assert [each.alert.status for each in changed] == ["firing", "resolved", "firing"]
    history = await store.get_history(ALERT.fingerprint, limit=10)
    assert [(each.starts_at, each.ends_at) for each in history] == [
        (START + 2 * MINUTE, None),
        (START, START + MINUTE),
    ]
    assert [each.id.starts_at for each in (await store.load()).occurrences] == [again.starts_at]


async def test_each_event_is_kept_once(store: SqlAlerts) -> None:
    event = make_alert("NewIssue", is_event=True)
    later = replace(event, starts_at=START + MINUTE)

    await store.put([event, later, event], at=START)
    await store.put([later, event], at=START)

    assert len(await everything(store)) == 2
    assert len((await store.load()).occurrences) == 2


async def test_lists_by_state_and_severity_with_events_among_what_is_over(
    store: SqlAlerts,
) -> None:
    over = make_alert("Over")
    event = make_alert("NewIssue", severity="warning", is_event=True)
    await store.put([ALERT, over, resolve(over, START + MINUTE), event], at=START)

    firing = await everything(store, AlertStatus.FIRING)
    resolved = await everything(store, AlertStatus.RESOLVED)
    warnings = await store.list_alerts(status=None, severity="warning", after=None, limit=9)

    assert [each.alert.name for each in firing] == ["DatabaseConnectionFailed"]
    assert [each.alert.name for each in resolved] == ["Over", "NewIssue"]
    assert [each.alert.name for each in warnings] == ["NewIssue"]
    assert await store.count_firing() == {"critical": 1}


async def test_pages_miss_and_repeat_nothing(store: SqlAlerts) -> None:
    await store.put([make_alert(n=str(number)) for number in range(25)], at=START)

    seen: list[str] = []
    after: PageMark | None = None
    while page := await store.list_alerts(status=None, severity=None, after=after, limit=7):
        seen.extend(each.alert.fingerprint for each in page)
        after = page[-1].mark

    assert len(seen) == len(set(seen)) == 25


async def test_transitions_are_what_began_and_ended(store: SqlAlerts) -> None:
    await store.put([ALERT, make_alert("Early", starts_at=START - MINUTE)], at=START)
    await store.put([resolve(ALERT, START + MINUTE)], at=START)

    found = await store.list_transitions(START, limit=10)

    assert [(each.at, each.status, each.alert.name) for each in found] == [
        (START + MINUTE, "resolved", ALERT.name),
        (START, "firing", ALERT.name),
    ]


async def test_infinity_survives_and_nan_becomes_nothing(store: SqlAlerts) -> None:
    await store.put([replace(ALERT, value=float("inf"))], at=START)
    record = await store.get_alert(ALERT.fingerprint)

    assert record is not None
    assert record.alert.value == float("inf")
    await store.put([replace(ALERT, value=float("nan"))], at=START)
    record = await store.get_alert(ALERT.fingerprint)
    assert record is not None
    assert record.alert.value is None
