import json
from datetime import timedelta
from typing import Any

import pytest

from resumatch_monitor.api.dashboards import Panel, load_dashboards
from resumatch_monitor.config.defaults import (
    DASHBOARD_FILES,
    GRAFANA_DASHBOARD_FILES,
    RULE_FILES,
)
from resumatch_monitor.promql.parse import parse
from resumatch_monitor.rules.loader import load_rule_files
from resumatch_monitor.rules.model import AlertingRule, LoadedRules

GUIDE_SEVERITIES = {
    "HighErrorRate": "critical",
    "HighResponseTime": "warning",
    "DatabaseConnectionFailed": "critical",
    "LowUserRegistrations": "warning",
    "HighAnalysisFailureRate": "critical",
    "MultipleFailedLogins": "warning",
    "SuspiciousFileUpload": "critical",
}
GUIDE_HOLD_MINUTES = {
    "HighErrorRate": 5,
    "HighResponseTime": 2,
    "DatabaseConnectionFailed": 1,
    "LowUserRegistrations": 30,
    "HighAnalysisFailureRate": 5,
    "MultipleFailedLogins": 2,
    "SuspiciousFileUpload": 1,
}


def check(expr: str) -> None:
    parse(expr)


@pytest.fixture(scope="module")
def loaded() -> LoadedRules:
    return load_rule_files(
        RULE_FILES, check_expression=check, default_interval=timedelta(seconds=15)
    )


def alerting(loaded: LoadedRules) -> dict[str, AlertingRule]:
    return {
        rule.name: rule
        for group in loaded.groups
        for rule in group.rules
        if isinstance(rule, AlertingRule)
    }


def test_every_shipped_rule_can_be_used(loaded: LoadedRules) -> None:
    assert [str(error) for error in loaded.errors] == []


def test_the_seven_alerts_of_the_guide_are_there(loaded: LoadedRules) -> None:
    rules = alerting(loaded)

    assert {name: dict(rules[name].labels)["severity"] for name in GUIDE_SEVERITIES} == (
        GUIDE_SEVERITIES
    )
    assert {
        name: rules[name].hold_duration / timedelta(minutes=1) for name in GUIDE_HOLD_MINUTES
    } == GUIDE_HOLD_MINUTES


def test_every_alert_says_what_it_means_and_what_to_do_first(loaded: LoadedRules) -> None:
    for rule in alerting(loaded).values():
        assert set(dict(rule.annotations)) == {"summary", "description", "runbook"}, rule.name
        assert dict(rule.labels)["severity"] in {"critical", "warning", "info"}, rule.name


def test_alert_names_are_unique(loaded: LoadedRules) -> None:
    names = [rule.name for group in loaded.groups for rule in group.rules]

    assert len(set(names)) == len(names)


def panels() -> list[Panel]:
    (dashboard,) = load_dashboards(DASHBOARD_FILES)
    return dashboard.panels


def grafana() -> dict[str, Any]:
    return json.loads(GRAFANA_DASHBOARD_FILES[0].read_text("utf-8"))


def test_the_technical_dashboard_has_the_nine_panels_of_the_guide() -> None:
    assert [panel.title for panel in panels()] == [
        "User registrations per hour",
        "Resume uploads per hour",
        "Job analyses per hour",
        "Average analysis duration",
        "Error rate by endpoint",
        "Response time percentiles",
        "Database connection pool",
        "Redis memory usage",
        "System resource utilization",
    ]


def test_every_panel_has_expressions_that_can_be_evaluated() -> None:
    for panel in panels():
        for query in panel.queries:
            parse(query.expr)


def test_panels_stay_on_the_grid_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        grid = panel.grid
        assert grid.x + grid.w <= 24
        cells = {(grid.x + dx, grid.y + dy) for dx in range(grid.w) for dy in range(grid.h)}
        assert not cells & taken
        taken |= cells


def test_grafana_gets_the_same_panels() -> None:
    theirs = [
        (panel["title"], [target["expr"] for target in panel["targets"]])
        for panel in grafana()["panels"]
    ]

    assert theirs == [(panel.title, [query.expr for query in panel.queries]) for panel in panels()]


def test_grafana_can_import_the_dashboard() -> None:
    document = grafana()

    assert document["id"] is None
    assert [each["name"] for each in document["__inputs"]] == ["DS_PROMETHEUS"]
    for panel in document["panels"]:
        assert panel["datasource"]["uid"] == "${DS_PROMETHEUS}"
        assert set(panel["gridPos"]) == {"x", "y", "w", "h"}
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
