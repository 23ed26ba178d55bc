"""The policy of the house, and what people change of it, over minutes, nights and weeks."""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.dispatch.handling.pagerduty_events import make_event, sign
from tests.notify.catchers import HttpCatcher, MailCatcher, catch_http, catch_mail, json_answer
from tests.support.clock import FakeClock
from tests.support.simulation import Simulation, simulate

pytestmark = pytest.mark.anyio

# Five o'clock in the afternoon of a Monday in Berlin.
START = datetime(2026, 1, 5, 16, 0, tzinfo=UTC)
SECRET = "the-secret-of-a-subscription"
FIRST_KEY, SECOND_KEY = "1" * 32, "2" * 32
GROUP_WAIT = timedelta(seconds=15)
QUARTER = timedelta(minutes=15)

Said = tuple[timedelta, str, str]
"""When, since the start; through which channel; what."""


@dataclass
class Team:
    """The people's ends of the channels, and what arrived there."""

    slack: HttpCatcher
    pagerduty: HttpCatcher
    mail: MailCatcher
    clock: FakeClock
    said: list[Said] = field(default_factory=list[Said])
    _seen: dict[str, int] = field(default_factory=dict[str, int])

    def note(self) -> None:
        """Note what is new, with the time."""
        at = self.clock.now() - START
        titles = {
            "slack": [each.json["text"] for each in self.slack.requests],
            "pagerduty": [describe(each.json) for each in self.pagerduty.requests],
            "email": [str(each["Subject"]) for each in self.mail.messages],
        }
        for channel, all_ in titles.items():
            self.said += [(at, channel, each) for each in all_[self._seen.get(channel, 0) :]]
            self._seen[channel] = len(all_)

    def through(self, channel: str) -> list[tuple[timedelta, str]]:
        return [(at, text) for at, by, text in self.said if by == channel]

    def alerting(self, more: str = "", *, receivers: str = "") -> str:
        return f"""
alerting:
  pagerduty_webhook_secret: {SECRET}
  digests: {{location: Europe/Berlin}}
  receivers:
    - name: team
      email: [{{to: [ada@example.org], from: monitor@example.org, host: 127.0.0.1,
                port: {self.mail.port}, tls: none}}]
      slack: [{{webhook_url: "{self.slack.url}/slack"}}]
      pagerduty: [{{url: "{self.pagerduty.url}", routing_key: "{FIRST_KEY}"}}]
{receivers}{more}
"""

    def second_pager(self) -> str:
        return f"""
    - name: boss
      pagerduty: [{{url: "{self.pagerduty.url}", routing_key: "{SECOND_KEY}"}}]
"""


def describe(event: dict[str, Any]) -> str:
    whose = "first" if event["routing_key"] == FIRST_KEY else "second"
    return f"{event['event_action']} {whose}"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
async def team(clock: FakeClock) -> AsyncGenerator[Team]:
    async with catch_http() as slack, catch_http() as pagerduty, catch_mail() as mail:
        pagerduty.default = json_answer(
            202, {"status": "success", "message": "Event processed", "dedup_key": "x"}
        )
        yield Team(slack, pagerduty, mail, clock)


@asynccontextmanager
async def running(
    folder: Path, team: Team, alerting: str | None = None
) -> AsyncGenerator[Simulation]:
    async with simulate(
        folder, clock=team.clock, alerting=alerting or team.alerting()
    ) as simulation:
        simulation.on_moment = team.note
        yield simulation


async def test_a_critical_alert_reaches_everybody_at_once(tmp_path: Path, team: Team) -> None:
    async with running(tmp_path, team) as simulation:
        await simulation.fire("Down", "critical")
        await simulation.advance(minutes=10)
        await simulation.end("Down", "critical")
        await simulation.advance(minutes=1)

    at_once, ended = timedelta(0), timedelta(minutes=10)
    assert sorted(team.said) == [
        (at_once, "email", "[FIRING:1] Down (critical)"),
        (at_once, "pagerduty", "trigger first"),
        (at_once, "slack", "[FIRING:1] Down (critical)"),
        (ended, "email", "[RESOLVED] Down (critical)"),
        (ended, "pagerduty", "resolve first"),
        (ended, "slack", "[RESOLVED] Down (critical)"),
    ]


async def test_a_warning_that_nobody_acknowledges_pages_once_after_fifteen_minutes(
    tmp_path: Path, team: Team
) -> None:
    async with running(tmp_path, team) as simulation:
        for instance in "abc":
            await simulation.fire("Slow", "warning", instance=instance)
        await simulation.advance(hours=3, longest_step=QUARTER)
        for instance in "abc":
            await simulation.end("Slow", "warning", instance=instance)
        await simulation.advance(minutes=2)

    ended = timedelta(hours=3)
    assert team.through("slack") == [
        (GROUP_WAIT, "[FIRING:3] Slow (warning)"),
        (ended + GROUP_WAIT, "[RESOLVED] Slow (warning)"),
    ]
    (paged_at, trigger), (resolved_at, resolve) = team.through("pagerduty")
    assert (trigger, resolve) == ("trigger first", "resolve first")
    assert paged_at == GROUP_WAIT + QUARTER
    assert ended <= resolved_at <= ended + timedelta(minutes=1)
    first, last = [each.json for each in team.pagerduty.requests]
    assert first["dedup_key"] == last["dedup_key"]
    assert "within 15m" in first["payload"]["custom_details"]["escalation"]
    assert team.through("email") == []


async def acknowledge_by_api(simulation: Simulation, team: Team) -> None:
    body = {"action": "acknowledge", "matchers": ['alertname="Slow"']}
    assert (await simulation.post("/api/monitor/alerts/actions", body))["changed"] == 1


async def acknowledge_by_link(simulation: Simulation, team: Team) -> None:
    text = json.dumps(team.slack.requests[0].json)
    found = re.search(r"http://monitor\.test(/act/[^\"|>\\]+)", text)
    assert found is not None, text
    # Whoever presses it is not signed in.
    page = await simulation.client.get(found[1], headers={"Authorization": ""})
    assert page.status_code == 200
    answer = await simulation.client.post(found[1], headers={"Authorization": ""})
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("acknowledge", [acknowledge_by_api, acknowledge_by_link])
async def test_who_acknowledges_at_minute_fourteen_is_not_paged(
    tmp_path: Path, team: Team, acknowledge: Any
) -> None:
    async with running(tmp_path, team) as simulation:
        await simulation.fire("Slow", "warning")
        await simulation.advance(minutes=14)
        await acknowledge(simulation, team)
        await simulation.advance(hours=6, longest_step=QUARTER)
        await simulation.end("Slow", "warning")
        await simulation.advance(minutes=1)

    assert team.through("pagerduty") == []
    # Neither is it repeated, nor is its end kept from anybody.
    assert [text for _, text in team.through("slack")] == [
        "[FIRING:1] Slow (warning)",
        "[RESOLVED] Slow (warning)",
    ]


async def test_an_acknowledgement_in_pagerduty_ends_the_way_up(tmp_path: Path, team: Team) -> None:
    alerting = team.alerting(
        """
  route: {receiver: team, group_wait: 0s, channels: [slack], escalation: up}
  escalations:
    - name: up
      steps: [{after: 15m, channels: [pagerduty]}, {after: 30m, receiver: boss}]
""",
        receivers=team.second_pager(),
    )
    async with running(tmp_path, team, alerting) as simulation:
        await simulation.fire("Slow", "warning")
        await simulation.advance(minutes=29)
        (page,) = team.pagerduty.requests
        event = orjson.dumps(make_event(key=page.json["dedup_key"]))
        answer = await simulation.client.post(
            "/api/monitor/hooks/pagerduty",
            content=event,
            headers={"X-PagerDuty-Signature": sign(event, SECRET), "Authorization": ""},
        )
        assert answer.json() == {"outcome": "applied", "changed": 1}
        await simulation.advance(hours=3, longest_step=QUARTER)
        await simulation.end("Slow", "warning")
        await simulation.advance(minutes=1)

    told = [text for _, text in team.through("pagerduty")]
    assert told[0] == "trigger first"
    assert told[-1] == "resolve first"
    assert not [each for each in told if "second" in each]
    assert told.count("trigger first") == 1


async def test_what_ends_at_minute_fourteen_pages_nobody(tmp_path: Path, team: Team) -> None:
    async with running(tmp_path, team) as simulation:
        await simulation.fire("Slow", "warning")
        await simulation.advance(minutes=14)
        await simulation.end("Slow", "warning")
        await simulation.advance(hours=2, longest_step=QUARTER)

    assert team.through("pagerduty") == []
    assert len(team.through("slack")) == 2


@pytest.mark.parametrize("minutes", [5, 40])
async def test_a_restart_neither_forgets_nor_repeats_the_page(
    tmp_path: Path, team: Team, minutes: int
) -> None:
    async with running(tmp_path, team) as simulation:
        await simulation.fire("Slow", "warning")
        await simulation.advance(minutes=5)
    # It is not there for a while, perhaps for the moment of the page.
    team.clock.jump_monotonic((minutes - 5) * 60)
    async with running(tmp_path, team) as simulation:
        await simulation.advance(hours=1, longest_step=QUARTER)
    async with running(tmp_path, team) as simulation:
        await simulation.advance(hours=1, longest_step=QUARTER)

    ((paged_at, text),) = team.through("pagerduty")
    assert text == "trigger first"
    assert paged_at == max(GROUP_WAIT + QUARTER, timedelta(minutes=minutes))
    assert len(team.through("slack")) == 1


async def test_warnings_are_in_the_mail_of_nine_o_clock_and_the_rest_in_mondays(
    tmp_path: Path, team: Team
) -> None:
    step = timedelta(minutes=30)
    async with running(tmp_path, team) as simulation:
        await simulation.fire("Slow", "warning")
        await simulation.fire("Tidbit", "info")
        await simulation.advance(minutes=10)
        await simulation.end("Slow", "warning")
        await simulation.end("Tidbit", "info")
        await simulation.advance(days=9, longest_step=step)

    # 16:00 UTC is 17:00 in Berlin; nine o'clock comes 16 hours later.
    tuesday, monday = timedelta(hours=16), timedelta(days=6, hours=16)
    assert [at for at, _ in team.through("email")] == [tuesday, monday]
    daily, weekly = [
        str(each.get_body(("plain",)).get_content())  # pyright: ignore[reportOptionalMemberAccess]
        for each in team.mail.messages
    ]
    assert "Slow" in daily
    assert "Tidbit" not in daily
    assert "Tidbit" in weekly
    assert "Slow" not in weekly
    assert [text for _, text in team.through("slack")] == [
        "[FIRING:1] Slow (warning)",
        "[RESOLVED] Slow (warning)",
    ]
    assert team.through("pagerduty") == []


async def test_quiet_hours_hold_back_warnings_and_nothing_critical(
    tmp_path: Path, team: Team
) -> None:
    alerting = team.alerting("""
  time_intervals:
    - name: night
      time_intervals:
        - {location: Europe/Berlin, times: [{start_time: "22:00", end_time: "24:00"}]}
        - {location: Europe/Berlin, times: [{start_time: "00:00", end_time: "07:00"}]}
  quiet_hours: [{name: night, time_intervals: [night]}]
""")
    async with running(tmp_path, team, alerting) as simulation:
        await simulation.advance(hours=6, longest_step=timedelta(minutes=30))
        await simulation.fire("Slow", "warning")
        await simulation.fire("Down", "critical")
        await simulation.advance(minutes=1)
        during = list(team.said)
        await simulation.end("Down", "critical")
        await simulation.advance(hours=9, longest_step=QUARTER)

    night, morning = timedelta(hours=6), timedelta(hours=14)
    assert {(at, channel) for at, channel, _ in during} == {
        (night, "email"),
        (night, "pagerduty"),
        (night, "slack"),
    }
    ((told_at, _),) = [each for each in team.through("slack") if "Slow" in each[1]]
    assert morning <= told_at <= morning + timedelta(minutes=1)
    pages = [at for at, text in team.through("pagerduty") if text == "trigger first"]
    assert pages == [night, told_at + QUARTER]


async def test_what_fires_on_when_its_silence_ends_is_told_and_then_escalated(
    tmp_path: Path, team: Team
) -> None:
    async with running(tmp_path, team) as simulation:
        await simulation.post(
            "/api/monitor/silences", {"matchers": ['alertname="Slow"'], "duration": "2h"}
        )
        await simulation.fire("Slow", "warning")
        await simulation.advance(hours=2, seconds=-1, longest_step=QUARTER)
        before = list(team.said)
        await simulation.advance(minutes=30)

    silence_end = timedelta(hours=2)
    assert before == []
    ((told_at, _),) = team.through("slack")
    assert silence_end <= told_at <= silence_end + timedelta(minutes=1)
    assert team.through("pagerduty") == [(told_at + QUARTER, "trigger first")]


async def test_a_clock_that_is_set_back_pages_nobody_later(tmp_path: Path, team: Team) -> None:
    async with running(tmp_path, team) as simulation:
        await simulation.fire("Slow", "warning")
        await simulation.advance(minutes=5)
        team.clock.jump(-timedelta(hours=3))
        await simulation.advance(minutes=11)

    ((_, text),) = team.through("pagerduty")
    assert text == "trigger first"


async def test_what_an_outage_drags_along_is_told_only_if_it_goes_on_after_it(
    tmp_path: Path, team: Team
) -> None:
    async with running(tmp_path, team) as simulation:
        await simulation.fire("DatabaseConnectionFailed", "critical")
        await simulation.advance(minutes=4)
        await simulation.fire("HighErrorRate", "critical")
        await simulation.fire("HighAnalysisFailureRate", "critical")
        await simulation.advance(minutes=4)
        await simulation.end("DatabaseConnectionFailed", "critical")
        # Its rule looks back over five minutes, in which the database was away.
        await simulation.advance(minutes=5)
        await simulation.end("HighErrorRate", "critical")
        await simulation.advance(minutes=30)

    assert [text for _, text in team.through("email")] == [
        "[FIRING:1] DatabaseConnectionFailed (critical)",
        "[RESOLVED] DatabaseConnectionFailed (critical)",
        "[FIRING:1] HighAnalysisFailureRate (critical)",
    ]
    ended, (told_at, _) = timedelta(minutes=8), team.through("email")[-1]
    assert ended + timedelta(minutes=10) <= told_at <= ended + timedelta(minutes=11)
