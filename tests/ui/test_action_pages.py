from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.handling.handling import Handling
from resumatch_monitor.dispatch.handling.handlings import Handlings
from resumatch_monitor.dispatch.handling.link_actions import LinkActions
from resumatch_monitor.dispatch.handling.links import SignedLinks
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.dispatch.occurrences.occurrence import OccurrenceId
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.context import ActionUrls
from resumatch_monitor.notify.wording import Links
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.handled import SqlHandledAlerts
from resumatch_monitor.storage.sql.handling import SqlHandlings
from resumatch_monitor.storage.sql.silences import SqlSilences
from resumatch_monitor.ui.action_pages import build_action_router
from tests.dispatch.builders import START, make_alert, resolve
from tests.dispatch.practice.drill_receipts import DRILL_ID, Drills
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import serve

pytestmark = pytest.mark.anyio

ALERT = make_alert(
    team="a", evil="<script>alert(1)</script>", annotations={"summary": "<b>up</b> is 0"}
)
ID = OccurrenceId(ALERT.fingerprint, START)
RECIPIENT = "ada@example.org"


@dataclass
class World:
    """A monitor that sent links to Ada, and a browser without a session."""

    client: httpx.AsyncClient
    alerts: SqlAlerts
    handlings: Handlings
    silences: Silences
    reader: SqlHandledAlerts
    links: SignedLinks
    clock: FakeClock

    def urls(self, alert: Alert = ALERT) -> ActionUrls:
        return self.links.urls(alert, RECIPIENT)

    async def handling(self) -> Handling | None:
        handled = await self.reader.get(ID.fingerprint, ID.starts_at)
        return None if handled is None else handled.handling


@asynccontextmanager
async def build_world(database: Database, clock: FakeClock) -> AsyncGenerator[World]:
    reader = SqlHandledAlerts(database)
    links = SignedLinks(links=Links("http://monitor.test"), clock=clock, find_key=lambda: b"key")
    handlings = Handlings(store=SqlHandlings(database), clock=clock)
    silences = Silences(
        store=SqlSilences(database),
        on_change=lambda: None,
        clock=clock,
        ids=SequentialIds(),
        telemetry=Telemetry(),
    )
    actions = LinkActions(
        links=links,
        reader=reader,
        handlings=handlings,
        silences=silences,
        drills=Drills(),
        clock=clock,
    )
    alerts = SqlAlerts(database)
    await alerts.put([ALERT], at=START)
    router = build_action_router(actions=actions, stylesheets=["/assets/a.css"])
    async with serve(router, token=None) as client:
        yield World(client, alerts, handlings, silences, reader, links, clock)


@pytest.fixture
async def world(database: Database, clock: FakeClock) -> AsyncGenerator[World]:
    async with build_world(database, clock) as world:
        yield world


@pytest.mark.parametrize("name", ["acknowledge", "snooze", "silence", "resolve"])
async def test_looking_at_a_link_changes_nothing(world: World, name: str) -> None:
    url = getattr(world.urls(), name)

    pages = [await world.client.get(url) for _ in range(3)]

    assert {page.status_code for page in pages} == {200}
    assert await world.handling() is None
    assert world.silences.list_silences() == []
    assert all('<form method="post">' in page.text for page in pages)
    assert all(RECIPIENT in page.text for page in pages)
    assert "script-src 'self'" in pages[0].headers["content-security-policy"]
    assert pages[0].headers["cache-control"] == "no-store"


async def test_what_others_wrote_is_text(world: World) -> None:
    page = await world.client.get(world.urls().acknowledge)

    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    assert "&lt;b&gt;up&lt;/b&gt; is 0" in page.text
    assert " style=" not in page.text


async def test_the_button_acknowledges_for_whom_the_link_was_sent_to(world: World) -> None:
    first = await world.client.post(world.urls().acknowledge)
    second = await world.client.post(world.urls().acknowledge)

    handling = await world.handling()
    assert handling is not None
    assert handling.acknowledged_by == f"link: {RECIPIENT}"
    assert "Acknowledged by ada@example.org" in first.text == second.text
    assert ">Acknowledge</button>" not in first.text
    journal = await world.reader.list_journal(ID.fingerprint, START, limit=9)
    assert [(each.action, each.actor, each.via.value) for each in journal] == [
        ("acknowledged", f"link: {RECIPIENT}", "link")
    ]


async def test_another_one_who_comes_too_late_takes_nothing_over(world: World) -> None:
    await world.client.post(world.urls().acknowledge)
    later = await world.client.post(world.links.urls(ALERT, "bob@example.org").acknowledge)

    handling = await world.handling()
    assert "Acknowledged by ada@example.org" in later.text
    assert handling is not None
    assert handling.acknowledged_by == f"link: {RECIPIENT}"


async def test_a_snooze_lasts_an_hour_and_is_not_prolonged_by_another_press(world: World) -> None:
    await world.client.post(world.urls().snooze)
    world.clock.jump(timedelta(minutes=30))
    again = await world.client.post(world.urls().snooze)

    handling = await world.handling()
    assert handling is not None
    assert handling.snoozed_until == START + timedelta(hours=1)
    assert "Snoozed until 2026-01-05 13:00 UTC" in again.text


async def test_a_silence_holds_for_this_label_set_and_is_made_once(world: World) -> None:
    await world.client.post(world.urls().silence)
    again = await world.client.post(world.urls().silence)

    (silence,) = world.silences.list_silences()
    assert silence.ends_at == START + timedelta(hours=4)
    assert silence.created_by == f"link: {RECIPIENT}"
    assert world.silences.find(ALERT, START) is not None
    assert world.silences.find(make_alert(team="b"), START) is None
    assert "Silenced until 2026-01-05 16:00 UTC" in again.text
    # The silence itself is in the alert's timeline.
    assert await world.reader.list_journal(ID.fingerprint, START, limit=9) == []


@pytest.mark.parametrize("name", ["acknowledge", "snooze", "silence", "resolve"])
async def test_nothing_is_left_to_do_about_what_is_over(world: World, name: str) -> None:
    await world.alerts.put([resolve(ALERT, START + timedelta(minutes=5))], at=START)

    page = await world.client.post(getattr(world.urls(), name))

    assert page.status_code == 200
    assert "It ended at 2026-01-05 12:05 UTC" in page.text
    assert page.text.count("</button>") == page.text.count(">Comment</button>") == 1
    assert await world.handling() is None


async def test_a_person_resolves_from_a_message_and_everybody_sees_why(world: World) -> None:
    first = await world.client.post(world.urls().resolve, data={"text": "It was the cache"})
    second = await world.client.post(world.urls().resolve)

    handling = await world.handling()
    assert handling is not None
    assert handling.resolved_by == f"link: {RECIPIENT}"
    assert "Resolved by ada@example.org at 2026-01-05 12:00 UTC" in first.text
    assert "Resolved by ada@example.org" in second.text
    journal = await world.reader.list_journal(ID.fingerprint, START, limit=9)
    assert [(each.action, each.text) for each in journal] == [("resolved", "It was the cache")]


async def test_who_acknowledges_may_take_it_and_say_what_they_see(world: World) -> None:
    url = world.urls().acknowledge
    asked = await world.client.get(url)
    done = await world.client.post(url, data={"text": "The disk is full", "take": "1"})
    more = await world.client.post(url, data={"text": "Cleaning up\r\n<b>now</b>"})
    nothing = await world.client.post(url, data={"text": "  ", "take": "1"})

    handling = await world.handling()
    assert handling is not None
    assert (handling.assignee, handling.acknowledged_by) == (RECIPIENT, f"link: {RECIPIENT}")
    assert "Assign it to me" in asked.text
    assert "Assign it to me" not in done.text
    assert all("is in the alert's timeline" in page.text for page in (done, more))
    assert "timeline" not in nothing.text
    journal = await world.reader.list_journal(ID.fingerprint, START, limit=9)
    assert [(each.action, each.text) for each in journal] == [
        ("assigned", RECIPIENT),
        ("acknowledged", "The disk is full"),
        ("commented", "Cleaning up\r\n<b>now</b>"),
    ]


async def test_what_is_over_can_still_be_commented_on(world: World) -> None:
    await world.alerts.put([resolve(ALERT, START + timedelta(minutes=5))], at=START)

    await world.client.post(world.urls().silence, data={"text": "It was the cable", "take": "1"})

    journal = await world.reader.list_journal(ID.fingerprint, START, limit=9)
    assert [(each.action, each.text) for each in journal] == [("commented", "It was the cable")]
    assert world.silences.list_silences() == []


async def test_a_chat_takes_nothing_and_what_is_written_is_bounded(world: World) -> None:
    url = world.links.urls(ALERT, "slack").acknowledge
    page = await world.client.get(url)
    await world.client.post(url, data={"take": "1"})
    too_long = await world.client.post(url, data={"text": "x" * 4097})
    answers = [await world.client.post(url, data={"text": str(n)}) for n in range(201)]

    handling = await world.handling()
    assert handling is not None
    assert "Assign it to me" not in page.text
    assert handling.assignee == ""
    assert 400 <= too_long.status_code < 500
    assert "Enough was said here" in answers[-1].text
    taken = await world.client.post(world.urls().acknowledge, data={"take": "1"})
    assert "Enough was said here" in taken.text
    assert len(await world.reader.list_journal(ID.fingerprint, START, limit=300)) == 200


async def test_a_silence_says_why(world: World) -> None:
    await world.client.post(world.urls().silence, data={"text": "Planned work"})

    (silence,) = world.silences.list_silences()
    assert silence.comment == "Planned work"


async def test_a_link_is_about_one_occurrence(world: World) -> None:
    again = make_alert(
        team="a", evil="<script>alert(1)</script>", starts_at=START + timedelta(hours=1)
    )
    await world.alerts.put([resolve(ALERT, START + timedelta(minutes=5)), again], at=START)

    page = await world.client.post(world.urls().acknowledge)

    assert "It ended" in page.text
    latest = await world.reader.get(ALERT.fingerprint, None)
    assert latest is not None
    assert latest.handling is None


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_that_does_not_work_gets_a_kind_page(world: World, method: str) -> None:
    url = world.urls().acknowledge
    tampered = await world.client.request(method, url[:-4] + "AAAA")
    nonsense = await world.client.request(method, "/act/x")
    unknown = await world.client.request(method, world.urls(make_alert("Gone")).snooze)
    world.clock.jump(timedelta(days=7))
    expired = await world.client.request(method, url)

    pages = [tampered, nonsense, unknown, expired]
    assert [page.status_code for page in pages] == [404, 404, 404, 410]
    assert all("<h1>" in page.text and "/alerts" in page.text for page in pages)
    assert "too old" in expired.text
    assert await world.handling() is None


async def test_whoever_hears_of_a_drill_confirms_it_and_can_do_nothing_else(world: World) -> None:
    drill = replace(make_alert(drill="yes"), generator_path=f"/drills/{DRILL_ID}")
    gone = replace(drill, generator_path="/drills/gone")
    urls = world.urls(drill)

    asked = await world.client.get(urls.acknowledge)
    confirmed = await world.client.post(urls.acknowledge)
    later = await world.client.post(world.links.urls(drill, "bob@example.org").acknowledge)
    missing = await world.client.post(world.urls(gone).acknowledge)

    assert (urls.snooze, urls.silence, urls.resolve) == ("", "", "")
    assert '<form method="post">' in asked.text
    assert "ada@example.org has heard of it" in confirmed.text
    assert "ada@example.org has heard of it" in later.text
    assert missing.status_code == 404
