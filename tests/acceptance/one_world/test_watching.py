"""From a real error, a real outage and a real database failure to the people who are told."""

from datetime import timedelta

import pytest

from tests.acceptance.messages import Message, titles
from tests.acceptance.story import DATABASE_ALERT, Story, parse_time
from tests.acceptance.world import (
    DOWN_AFTER_SECONDS,
    PROBE_INTERVAL_SECONDS,
    RELEASE,
    World,
)

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(240),
]

_STORY_SECONDS = 200
# A probe's interval, its time-out, and what a machine under load adds.
_TOLERANCE = timedelta(seconds=PROBE_INTERVAL_SECONDS + 4)


def test_an_exception_becomes_an_issue_with_frame_variables_and_release(story: Story) -> None:
    seen = story.exception.result(_STORY_SECONDS)

    assert seen.issue["type"] == "ZeroDivisionError"
    assert seen.issue["culprit"].startswith("resumatch.backend.faults in _weigh_keywords")
    assert seen.issue["last_release"] == RELEASE
    assert seen.event["release"] == RELEASE
    assert seen.event["environment"] == "acceptance"
    assert seen.event["request"]["url"].endswith("/analyze")
    frame = seen.event["exceptions"][0]["frames"][0]
    assert frame["function"] == "_weigh_keywords"
    assert frame["filename"] == "resumatch/backend/faults.py"
    assert frame["context_line"].strip() == "return total_weight / len(keywords)"
    assert frame["vars"] == {"keywords": [], "total_weight": "0"}
    assert frame["in_app"] is True
    assert any(each["category"] == "query" for each in seen.event["breadcrumbs"])


def test_a_persons_resume_and_password_stay_out_of_the_event(story: Story) -> None:
    seen = story.exception.result(_STORY_SECONDS)

    everything = str(seen.event)

    assert "an-invented-persons-password" not in everything
    assert "taught SQL to analysts" not in everything


def test_a_new_issue_is_told_once_on_every_channel(story: Story, world: World) -> None:
    seen = story.exception.result(_STORY_SECONDS)

    for channel in ("email", "slack", "webhook"):
        about = world.catcher.messages(channel=channel, about=seen.issue["short_id"])
        # Messages about other alerts name the newest issue as well.
        found = [each for each in about if "NewIssue" in each["title"]]
        assert len(found) == 1, (channel, titles(about))
        assert "ZeroDivisionError" in found[0]["body"]


def test_an_outage_opens_and_closes_with_the_right_times(story: Story) -> None:
    seen = story.outage.result(_STORY_SECONDS)

    started_at = parse_time(seen.closed_outage["started_at"])
    opened_at = parse_time(seen.closed_outage["opened_at"])
    ended_at = parse_time(seen.closed_outage["ended_at"])
    assert seen.open_outage["is_open"] is True
    assert seen.open_outage["id"] == seen.closed_outage["id"]
    assert seen.stopped.earliest <= started_at <= seen.stopped.latest + _TOLERANCE
    assert opened_at - started_at >= timedelta(seconds=DOWN_AFTER_SECONDS)
    assert opened_at <= seen.started.earliest
    assert seen.started.earliest <= ended_at <= seen.started.latest + _TOLERANCE
    duration = seen.closed_outage["duration_seconds"]
    assert duration == pytest.approx((ended_at - started_at).total_seconds(), abs=0.01)
    assert "connect" in seen.closed_outage["cause"].lower()


def test_a_database_failure_is_told_once_and_its_end_once(story: Story, world: World) -> None:
    seen = story.database.result(_STORY_SECONDS)

    assert seen.firing["severity"] == "critical"
    assert seen.firing["labels"]["job"] == "database"
    assert seen.firing["fingerprint"] == seen.resolved["fingerprint"]
    lasted = parse_time(seen.resolved["ends_at"]) - parse_time(seen.resolved["starts_at"])
    assert lasted > timedelta(0)
    for channel in ("email", "slack"):
        found = world.catcher.messages(channel=channel, titled=DATABASE_ALERT)
        # The shipped rule waits for a minute.
        assert parse_time(found[0]["at"]) - seen.stopped.earliest >= timedelta(minutes=1)
        assert titles(found) == [
            f"[FIRING:1] {DATABASE_ALERT} (critical)",
            f"[RESOLVED] {DATABASE_ALERT} (critical)",
        ]


def test_every_delivery_of_the_database_failure_is_on_the_pages(story: Story, world: World) -> None:
    seen = story.database.result(_STORY_SECONDS)

    alert = world.monitor.api.get(f"/api/monitor/alerts/{seen.firing['fingerprint']}")

    deliveries = alert["notifications"]
    assert sorted((each["integration"], each["kind"]) for each in deliveries) == [
        (channel, kind)
        for channel in ("email", "slack", "webhook")
        for kind in ("firing", "resolved")
    ]
    assert {each["status"] for each in deliveries} == {"sent"}
    assert {each["attempts"] for each in deliveries} == {1}
    assert alert["expr"] == 'up{job="database"} == 0'


def test_the_mail_says_what_to_do_and_leads_back(story: Story, world: World) -> None:
    story.database.result(_STORY_SECONDS)

    firing, resolved = world.catcher.messages(channel="email", titled=DATABASE_ALERT)

    assert "Is the server running?" in firing["body"]
    assert f"{world.monitor.url}/alerts/" in firing["body"]
    assert _header(resolved, "In-Reply-To") == _header(firing, "Message-ID")
    assert world.monitor.url in _slack_text(world)
    assert "postgresql://" not in firing["body"]


def test_the_monitor_stays_within_its_memory(story: Story, world: World) -> None:
    story.database.result(_STORY_SECONDS)

    peak = world.monitor.peak_memory_bytes()

    print(f"the monitor's peak memory: {peak / 1024**2:.0f} MiB")  # noqa: T201
    assert peak < 350 * 1024**2
    assert world.processes.find_ended() is None


def _header(message: Message, name: str) -> str:
    return str(message["details"]["headers"][name])


def _slack_text(world: World) -> str:
    return str(world.catcher.messages(channel="slack", titled=DATABASE_ALERT)[0]["body"])
