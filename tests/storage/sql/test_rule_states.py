from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import isnan, nan
from pathlib import Path

import pytest

from resumatch_monitor.alerts.state import ActiveAlert, RuleState
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.rules.model import RuleKey
from resumatch_monitor.rules.store import RuleStateStore, StoredAlert
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.rule_states import SqlRuleStates

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEY = RuleKey("rules.yml", "web", "Broken", "00ff")
OTHER = RuleKey("rules.yml", "web", "Broken", "00fe")


def make_alert(instance: str = "a", value: float = 1.5) -> ActiveAlert:
    return ActiveAlert(
        labels=Labels.of(alertname="Broken", instance=instance),
        state=RuleState.FIRING,
        active_at=NOW,
        value=value,
        annotations={"summary": "é {{"},
        fired_at=NOW + timedelta(seconds=30),
        missing_since=None,
    )


@pytest.fixture
def states(database: Database) -> RuleStateStore:
    return SqlRuleStates(database)


async def test_gives_back_what_was_saved(states: RuleStateStore) -> None:
    alert = replace(make_alert(), missing_since=NOW, resolved_at=NOW)

    await states.save(KEY, changed=[alert], removed=[], seen_at=NOW)

    assert await states.load() == [StoredAlert(KEY, alert, NOW)]


async def test_replaces_and_removes_alerts_of_the_rule_alone(states: RuleStateStore) -> None:
    alert, second = make_alert(), make_alert("b")
    later = NOW + timedelta(seconds=60)
    await states.save(OTHER, changed=[alert], removed=[], seen_at=NOW)
    await states.save(KEY, changed=[alert, second], removed=[], seen_at=NOW)

    pending = replace(alert, state=RuleState.PENDING, fired_at=None)
    await states.save(KEY, changed=[pending], removed=[second], seen_at=later)

    assert sorted(await states.load(), key=lambda each: each.key.digest) == [
        StoredAlert(OTHER, alert, NOW),
        StoredAlert(KEY, pending, later),
    ]


async def test_notes_that_a_rule_was_seen_for_all_its_alerts(states: RuleStateStore) -> None:
    await states.save(KEY, changed=[make_alert(), make_alert("b")], removed=[], seen_at=NOW)

    await states.save(KEY, changed=[], removed=[], seen_at=NOW + timedelta(seconds=30))

    assert {each.seen_at for each in await states.load()} == {NOW + timedelta(seconds=30)}


async def test_keeps_a_value_that_is_no_number(states: RuleStateStore) -> None:
    await states.save(KEY, changed=[make_alert(value=nan)], removed=[], seen_at=NOW)

    assert isnan((await states.load())[0].alert.value)


async def test_takes_thousands_of_alerts_at_once(states: RuleStateStore) -> None:
    alerts = [make_alert(str(number)) for number in range(3_000)]

    await states.save(KEY, changed=alerts, removed=[], seen_at=NOW)
    await states.save(KEY, changed=[], removed=alerts[:-1], seen_at=NOW)

    assert [each.alert.labels["instance"] for each in await states.load()] == ["2999"]


async def test_survives_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "monitor.sqlite3"
    first = Database(path)
    first.start()
    await SqlRuleStates(first).save(KEY, changed=[make_alert()], removed=[], seen_at=NOW)
    first.stop()

    second = Database(path)
    second.start()
    try:
        assert len(await SqlRuleStates(second).load()) == 1
    finally:
        second.stop()
