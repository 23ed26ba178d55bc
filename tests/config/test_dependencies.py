"""What stands on what without being told."""

from typing import Any

import pytest

from resumatch_monitor.config.dependencies import find_dependencies
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.dispatch.muting.dependencies import Dependencies
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from tests.dispatch.builders import START, make_alert, make_occurrence

DSN = "postgresql://monitor:secret@db.example:5432/app"
COLLECTORS = {
    "postgres": [
        {"name": "main", "dsn": "postgresql+asyncpg://other:word@db.example:5432/app"},
        {"name": "reports", "dsn": "postgresql://monitor@reports.example/app"},
    ],
    "redis": [{"name": 'the "cache"', "url": "redis://:pass@cache.example:6379/0"}],
}


def find(**sections: Any) -> list[tuple[list[str], list[str]]]:
    config = MonitorConfig.model_validate({"collectors": COLLECTORS, **sections})
    return [(each.on, each.affects) for each in find_dependencies(config)]


def test_the_probe_of_a_database_depends_on_the_alert_about_the_same_database() -> None:
    default = find()

    found = find(
        probes=[
            {"name": "Database", "type": "postgres", "dsn": DSN},
            {"name": "Cache", "type": "redis", "url": "redis://cache.example:6379/0"},
        ]
    )

    probe_alerts = 'alertname=~"ProbeDown|ProbeSlow"'
    assert found == [
        (
            ['alertname="DatabaseConnectionFailed"', 'instance="main"'],
            [probe_alerts, 'probe="Database"'],
        ),
        (
            ['alertname="RedisDown"', 'instance="the \\"cache\\""'],
            [probe_alerts, 'probe="Cache"'],
        ),
        *default,
    ]
    assert "secret" not in str(found)


def test_the_alert_of_such_a_probe_is_held_back() -> None:
    config = MonitorConfig.model_validate(
        {
            "collectors": COLLECTORS,
            "probes": [{"name": "Database", "type": "postgres", "dsn": DSN}],
        }
    )
    firing = FiringAlerts()
    dependencies = Dependencies(find_dependencies(config), firing)

    firing.update([make_occurrence(make_alert("DatabaseConnectionFailed", instance="main"))])

    assert dependencies.find(make_alert("ProbeDown", probe="Database"), START) is not None
    assert dependencies.find(make_alert("ProbeDown", probe="Other"), START) is None
    firing.clear()
    firing.update([make_occurrence(make_alert("DatabaseConnectionFailed", instance="reports"))])
    assert dependencies.find(make_alert("ProbeDown", probe="Database"), START) is None


@pytest.mark.parametrize(
    "probe",
    [
        {"type": "postgres", "dsn": "postgresql://monitor@elsewhere.example/app"},
        {"type": "redis", "url": "redis://cache.example:6380/0"},
        {"type": "http", "url": "http://db.example:5432/app"},
    ],
    ids=["another server", "another port", "not a database"],
)
def test_another_probe_depends_on_nothing(probe: dict[str, Any]) -> None:
    assert find(probes=[{"name": "p", **probe}]) == find()


def test_dependencies_of_ones_own_are_all_that_there_are() -> None:
    own = {"name": "x", "on": ['a="b"'], "affects": ['a="c"']}
    found = find(
        probes=[{"name": "Database", "type": "postgres", "dsn": DSN}],
        alerting={"dependencies": [own]},
    )

    assert found == [(['a="b"'], ['a="c"'])]
