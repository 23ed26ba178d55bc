"""Each of the guide's seven alerts, provoked for real, and exactly the right messages."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import keep_logs
from tests.acceptance.guide_rules import CRITICAL, WARNING
from tests.acceptance.guide_story import DATABASE, DRAGGED_ALONG, Told, tell
from tests.acceptance.guide_world import GuideWorld
from tests.acceptance.messages import ROUTING_KEY, Message

pytestmark = [pytest.mark.acceptance, pytest.mark.alone, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest) -> Iterator[Told]:
    # Not pytest's own folder: PostgreSQL's user must reach it.
    with tempfile.TemporaryDirectory(prefix="resumatch-guide-") as name:
        world = GuideWorld(Path(name) / "world")
        keep_logs(request.config, Path(name) / "world" / "logs")
        try:
            world.start()
            yield tell(world)
        finally:
            world.stop()


def by_channel(told: Told, channel: str) -> list[Message]:
    return [each for each in told.messages if each["channel"] == channel]


def heads(messages: list[Message], name: str) -> list[str]:
    return [each["title"] for each in messages if name in each["title"]]


@pytest.mark.parametrize("name", CRITICAL)
def test_a_critical_alert_is_told_everywhere_at_once_and_so_is_its_end(
    told: Told, name: str
) -> None:
    expected = [f"[FIRING:1] {name} (critical)", f"[RESOLVED] {name} (critical)"]

    assert heads(by_channel(told, "email"), name) == expected
    assert heads(by_channel(told, "slack"), name) == expected
    actions = [
        each["details"]["event_action"]
        for each in by_channel(told, "pagerduty")
        if each["title"].split(" ", 1)[1].startswith(name)
    ]
    acknowledged = ["acknowledge"] if name == DATABASE else []
    assert actions == ["trigger", *acknowledged, "resolve"]


@pytest.mark.parametrize("name", WARNING)
def test_a_warning_is_told_to_the_chat_and_nowhere_else(told: Told, name: str) -> None:
    expected = [f"[FIRING:1] {name} (warning)", f"[RESOLVED] {name} (warning)"]

    assert heads(by_channel(told, "slack"), name) == expected
    for channel in ("email", "pagerduty"):
        assert heads(by_channel(told, channel), name) == []


def test_nothing_else_is_sent(told: Told) -> None:
    counts = Counter(each["channel"] for each in told.messages)

    expected = {
        "email": 2 * len(CRITICAL),
        "slack": 2 * len(CRITICAL + WARNING),
        "pagerduty": 2 * len(CRITICAL) + 1,
    }
    assert counts == expected, "\n".join(
        f"{each['at']} {each['channel']} {each['title']}" for each in told.messages
    )


def test_an_incident_has_one_key_from_its_trigger_to_its_end(told: Told) -> None:
    events = [each["details"] for each in by_channel(told, "pagerduty")]

    keys = {name: set[str]() for name in CRITICAL}
    for event, message in zip(events, by_channel(told, "pagerduty"), strict=True):
        keys[message["title"].split(" ", 1)[1].split(":")[0]].add(event["dedup_key"])
    assert all(len(each) == 1 for each in keys.values())
    assert len({key for each in keys.values() for key in each}) == len(CRITICAL)
    assert {each["routing_key"] for each in events} == {ROUTING_KEY}
    triggers = [each for each in events if each["event_action"] == "trigger"]
    assert {each["payload"]["severity"] for each in triggers} == {"critical"}


def test_the_texts_say_the_value_and_what_to_do(told: Told) -> None:
    slack = {each["title"]: each["body"] for each in by_channel(told, "slack")}

    assert "Is the server running?" in slack[f"[FIRING:1] {DATABASE} (critical)"]
    assert "eicar" in slack["[FIRING:1] SuspiciousFileUpload (critical)"]
    assert (
        "people registered in the last hour" in slack["[FIRING:1] LowUserRegistrations (warning)"]
    )
    for body in slack.values():
        assert "error expanding template" not in body
        assert "postgresql://" not in body


def test_what_the_database_drags_along_is_not_told(told: Told) -> None:
    past = {each["name"] for each in told.alerts}

    assert [each["mute"]["kind"] for each in told.dragged_along] == ["dependent", "dependent"]
    assert [each["state"] for each in told.dragged_along] == ["suppressed", "suppressed"]
    # The requests failed twice, and people were told of the first time only.
    messages = [heads(by_channel(told, "slack"), name) for name in DRAGGED_ALONG]
    assert [len(each) for each in messages] == [2, 0]
    assert past.issuperset(DRAGGED_ALONG)


def test_the_link_in_the_mail_acknowledges(told: Told) -> None:
    assert "acknowledged" in told.acknowledgement.lower()
