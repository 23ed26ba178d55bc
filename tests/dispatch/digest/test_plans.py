"""The digests that a configuration asks for."""

from datetime import UTC, datetime
from typing import Any

from resumatch_monitor.dispatch.digest.digester import DigestPlan
from resumatch_monitor.dispatch.digest.plans import build_plans
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.metrics.labels import Labels
from tests.dispatch.builders import make_integration

EMAIL = make_integration(receiver="team", kind="email")
SLACK = make_integration(receiver="team", kind="slack")


def plan_for(**alerting: Any) -> dict[str, DigestPlan]:
    config = AlertingConfig.model_validate(
        {
            "receivers": [{"name": "team", "slack": [{"webhook_url": "https://127.0.0.1/x"}]}],
            **alerting,
        }
    )
    plans = build_plans(
        build_route(config),
        config=config.digests,
        integrations=[EMAIL, SLACK],
        locations={each.name: each.location for each in config.receivers},
    )
    return {plan.name: plan for plan in plans}


def labelled(severity: str) -> Labels:
    return Labels.of(alertname="Any", severity=severity)


def test_the_policy_of_the_house_lists_warnings_daily_and_information_weekly() -> None:
    mail = {"to": ["ada@example.org"], "from": "m@example.org", "host": "127.0.0.1"}
    plans = plan_for(receivers=[{"name": "team", "email": [mail], "slack": []}])

    daily, weekly = plans["team/daily/email"], plans["team/weekly/email"]
    assert daily.integrations == [EMAIL]
    assert [daily.takes(labelled(each)) for each in ("critical", "warning", "info")] == [
        False,
        True,
        False,
    ]
    assert [weekly.takes(labelled(each)) for each in ("critical", "warning", "info")] == [
        False,
        False,
        True,
    ]


def test_routes_to_one_digest_are_one_plan() -> None:
    child = {"digest": "daily", "channels": ["slack"]}
    plans = plan_for(
        route={
            "receiver": "team",
            "routes": [
                {"matchers": ["team=a"], **child},
                {"matchers": ["team=b"], **child},
            ],
        }
    )

    assert list(plans) == ["team/daily/slack"]
    assert plans["team/daily/slack"].takes(Labels.of(alertname="x", team="b"))
    assert not plans["team/daily/slack"].takes(Labels.of(alertname="x", team="c"))


def test_a_digest_that_nobody_would_read_is_not_planned() -> None:
    assert plan_for(receivers=[]) == {}


def test_a_receiver_may_live_somewhere_else() -> None:
    mail = {"to": ["ada@example.org"], "from": "m@example.org", "host": "127.0.0.1"}
    plans = plan_for(
        receivers=[{"name": "team", "email": [mail], "location": "Asia/Tokyo"}],
        digests={"daily_at": "08:30", "weekly_on": "friday", "location": "Europe/Berlin"},
    )
    now = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

    assert plans["team/daily/email"].calendar.next(now) == datetime(2026, 1, 5, 23, 30, tzinfo=UTC)
    assert plans["team/weekly/email"].calendar.next(now) == datetime(2026, 1, 8, 23, 30, tzinfo=UTC)
