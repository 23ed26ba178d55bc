import asyncio
import math
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.diagnosis.diagnoser import Diagnoser
from resumatch_monitor.diagnosis.sources import IssueFacts, ProbeFacts, Release
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels
from resumatch_monitor.notify.diagnosis import NO_DIAGNOSIS, Diagnosis
from resumatch_monitor.notify.notification import Notice
from resumatch_monitor.promql.runner import QueryRunner
from resumatch_monitor.promql.value import Matrix, QueryTimeoutError
from tests.dispatch.builders import START, make_alert, resolve
from tests.notify.catchers import make_notification
from tests.support.clock import FakeClock
from tests.support.memory_store import MemoryStore

pytestmark = pytest.mark.anyio

RATE = 'errors:rate5m{job!=""} > 0.05'


@dataclass
class World:
    """What a diagnoser asks; `asked` counts the queries."""

    store: MemoryStore = field(default_factory=MemoryStore)
    issue: IssueFacts | None = None
    new_issue: IssueFacts | None = None
    release: Release | None = None
    probe: ProbeFacts | None = None
    fault: Exception | None = None
    gate: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list[str])

    async def range(self, query: str, *, start_ms: int, end_ms: int, step_ms: int) -> Matrix:
        self.asked.append(query)
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        runner = QueryRunner(
            self.store,
            clock=FakeClock(),
            telemetry=Telemetry(),
            timeout=timedelta(seconds=10),
            max_samples=1_000_000,
            subquery_step=timedelta(seconds=15),
            workers=1,
        )
        try:
            return await runner.range(query, start_ms=start_ms, end_ms=end_ms, step_ms=step_ms)
        finally:
            runner.stop()

    async def get_issue(self, issue_id: int) -> IssueFacts | None:
        return self.issue if self.issue is not None and self.issue.id == issue_id else None

    async def find_new_issue(self, since: datetime, until: datetime) -> IssueFacts | None:
        found = self.new_issue
        return found if found is not None and since <= found.first_seen_at <= until else None

    async def find_last_release(self, until: datetime) -> Release | None:
        if self.fault is not None:
            raise self.fault
        return self.release

    async def find_probe(self, name: str) -> ProbeFacts | None:
        return self.probe if self.probe is not None and self.probe.name == name else None

    @property
    def diagnoser(self) -> Diagnoser:
        return Diagnoser(metrics=self, errors=self, probes=self)


def make_rule_alert(expr: str = RATE, *, job: str = "") -> Alert:
    return replace(
        make_alert("ErrorsHigh", value=0.09, job=job),
        generator_path=f"/explore?expr={quote(expr, safe='')}",
    )


def fill(store: MemoryStore) -> None:
    for job, peak in (("api", 0.09), ("web", 0.02)):
        points = {
            int((START + timedelta(minutes=minute)).timestamp() * 1000): peak
            if minute >= 0
            else 0.01
            for minute in range(-90, 4)
        }
        store.add(Labels.of(__name__="errors:rate5m", job=job), points)


def make_issue(minutes: float) -> IssueFacts:
    return IssueFacts(
        id=7,
        short_id="SHOP-7",
        title="KeyError: 'total'",
        event_count=12,
        user_count=1,
        first_seen_at=START + timedelta(minutes=minutes),
        release="2.1.0",
    )


def make_release(minutes: float) -> Release:
    return Release("shop", "2.1.0", START + timedelta(minutes=minutes), "/issues?project=1")


async def diagnose(world: World, alert: Alert) -> Diagnosis:
    return await world.diagnoser.diagnose(make_notification(alert))


def facts_of(diagnosis: Diagnosis) -> dict[str, str]:
    return {fact.name: fact.text for fact in diagnosis.facts}


async def test_a_rule_is_drawn_with_the_line_that_it_crossed() -> None:
    world = World()
    fill(world.store)

    found = await diagnose(world, make_rule_alert(job="api"))

    assert world.asked == ['errors:rate5m{job!=""}']
    assert facts_of(found) == {"Threshold": "fires above 0.05"}
    assert found.sparkline.startswith("▁")
    assert found.sparkline.endswith("█")
    assert found.chart is not None
    assert found.chart.png.startswith(b"\x89PNG")
    assert (found.chart.width, found.chart.height) == (600, 200)
    assert found.chart.alt == (
        "Chart of the expression: between 0.01 and 0.09, lately 0.09; threshold 0.05"
    )


async def test_the_line_is_the_alerts_own() -> None:
    world = World()
    fill(world.store)

    found = await diagnose(world, make_rule_alert(job="web"))
    missing = await diagnose(world, make_rule_alert(job="db"))

    assert found.chart is not None
    assert "lately 0.02" in found.chart.alt
    assert missing.chart is None


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        ("up == 0", "fires when it is 0"),
        ("up != 1", "fires unless it is 1"),
        ("disk_free_bytes < 1e9", "fires below 1,000,000,000"),
        ("absent(up)", None),
        ("sum(", None),
        ("", None),
    ],
)
async def test_says_when_the_expression_fires(expr: str, words: str | None) -> None:
    found = await diagnose(World(), make_rule_alert(expr))

    assert facts_of(found).get("Threshold") == words


async def test_a_release_shortly_before_is_the_first_to_be_looked_at() -> None:
    world = World(release=make_release(-4), new_issue=make_issue(1))

    found = await diagnose(world, make_rule_alert())

    assert facts_of(found) | {"Threshold": ""} == {
        "Threshold": "",
        "New issue": "KeyError: 'total' (12 events, first 1m after it began)",
        "Last release": "2.1.0 of shop, first seen 4m before it began",
    }
    assert found.todo == (
        "Release 2.1.0 came 4m before this began: compare, and roll it back if in doubt."
    )
    assert {fact.path for fact in found.facts} == {"", "/issues/7", "/issues?project=1"}


async def test_an_old_release_is_a_fact_and_an_ancient_one_is_none() -> None:
    old = await diagnose(World(release=make_release(-60 * 24)), make_rule_alert())
    ancient = await diagnose(World(release=make_release(-60 * 24 * 8)), make_rule_alert())

    assert facts_of(old)["Last release"] == "2.1.0 of shop, first seen 1d before it began"
    assert old.todo.startswith("Look at the chart")
    assert "Last release" not in facts_of(ancient)


async def test_an_issue_from_long_before_has_nothing_to_do_with_it() -> None:
    assert facts_of(await diagnose(World(new_issue=make_issue(-60)), make_rule_alert())) == {
        "Threshold": "fires above 0.05"
    }


async def test_a_runbook_says_itself_what_to_do() -> None:
    alert = replace(make_rule_alert(), annotations={"runbook_url": "https://r.example.org"})

    assert (await diagnose(World(), alert)).todo == ""


async def test_a_probe_says_what_it_last_saw() -> None:
    probe = ProbeFacts("Checkout", "https://shop.test/pay", "502 Bad Gateway", False, "/probes/c")
    alert = replace(make_alert("ProbeDown", probe="Checkout"), source=AlertSource.PROBE)
    world = World(probe=probe)
    world.store.add(
        Labels.of(__name__="probe_duration_seconds", probe="Checkout"),
        {int(START.timestamp() * 1000) - 60_000 * n: 0.2 for n in range(30)},
    )

    found = await diagnose(world, alert)

    assert facts_of(found) == {"Failing": "https://shop.test/pay: 502 Bad Gateway"}
    assert found.todo.startswith("Ask https://shop.test/pay by hand")
    assert found.chart is not None


async def test_an_issue_says_how_often_it_was_met() -> None:
    alert = replace(
        make_alert("NewIssue", is_event=True),
        source=AlertSource.ISSUE,
        generator_path="/issues/7",
    )
    world = World(issue=make_issue(0), new_issue=make_issue(0))

    found = await diagnose(world, alert)

    assert facts_of(found) == {"So far": "12 events, 1 user", "In release": "2.1.0"}
    assert found.todo.startswith("Look at the issue's latest event")
    assert found.chart is None


@pytest.mark.parametrize("fault", [QueryTimeoutError("too slow"), RuntimeError("broken")])
async def test_what_cannot_be_found_out_is_left_out(fault: Exception) -> None:
    found = await diagnose(World(fault=fault, new_issue=make_issue(-1)), make_rule_alert())

    assert set(facts_of(found)) == {"Threshold", "New issue"}
    assert found.chart is None


async def test_channels_share_one_diagnosis() -> None:
    world = World()
    fill(world.store)
    diagnoser, notification = world.diagnoser, make_notification(make_rule_alert(job="api"))

    found = await asyncio.gather(*(diagnoser.diagnose(notification) for _ in range(5)))

    assert len(world.asked) == 1
    assert all(each is found[0] for each in found)


async def test_a_channel_that_gives_up_takes_nothing_from_the_others() -> None:
    world = World(gate=asyncio.Event())
    fill(world.store)
    diagnoser, notification = world.diagnoser, make_notification(make_rule_alert(job="api"))
    hasty = asyncio.create_task(diagnoser.diagnose(notification))
    patient = asyncio.create_task(diagnoser.diagnose(notification))
    await asyncio.sleep(0)
    hasty.cancel()
    assert world.gate is not None
    world.gate.set()

    assert (await patient).chart is not None


async def test_in_a_storm_most_messages_go_without() -> None:
    world = World(gate=asyncio.Event())
    diagnoser = world.diagnoser
    tasks = [
        asyncio.create_task(diagnoser.diagnose(make_notification(make_rule_alert(), id=str(n))))
        for n in range(20)
    ]
    done, waiting = await asyncio.wait(tasks, timeout=1, return_when=asyncio.FIRST_COMPLETED)
    assert world.gate is not None
    world.gate.set()
    await asyncio.wait(waiting)

    assert len(waiting) == 4
    assert all(task.result() == NO_DIAGNOSIS for task in done)


async def test_whoever_looks_at_notifications_leaves_no_message_without() -> None:
    world = World(gate=asyncio.Event())
    diagnoser = world.diagnoser
    notifications = [make_notification(make_rule_alert(), id=str(n)) for n in range(12)]
    looking = [asyncio.create_task(diagnoser.diagnose_for_page(each)) for each in notifications]
    done, waiting = await asyncio.wait(looking, timeout=1, return_when=asyncio.FIRST_COMPLETED)

    sending = [asyncio.create_task(diagnoser.diagnose(each)) for each in notifications[2:6]]
    sent, _ = await asyncio.wait(sending, timeout=0.1, return_when=asyncio.FIRST_COMPLETED)
    assert world.gate is not None
    world.gate.set()
    found = await asyncio.gather(*sending)
    await asyncio.wait(waiting)

    assert (len(done), len(waiting), len(sent)) == (10, 2, 0)
    assert all(each != NO_DIAGNOSIS for each in found)
    # What was sent is known to the pages, too.
    assert await diagnoser.diagnose_for_page(notifications[2]) is found[0]


async def test_a_notice_and_the_end_need_none() -> None:
    notice = replace(make_notification(), alerts=(), firing_count=0, notice=Notice("Digest"))
    world = World(release=make_release(-4))

    ended = await diagnose(world, resolve(make_rule_alert(), START + timedelta(minutes=2)))

    assert await world.diagnoser.diagnose(notice) == NO_DIAGNOSIS
    assert ended.todo == ""


async def test_values_that_are_no_numbers_are_gaps() -> None:
    world = World()
    start = int(START.timestamp() * 1000)
    values = {start - 60_000 * n: math.nan if n == 5 else 0.1 for n in range(30)}
    world.store.add(Labels.of(__name__="errors:rate5m", job="api"), values)

    found = await diagnose(world, make_rule_alert(job="api"))

    assert found.chart is not None
