from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from resumatch_monitor.alerts.alert import Alert, AlertSource
from resumatch_monitor.api.overview import Counts, OverviewSources, build_router, judge
from resumatch_monitor.probes.alerts import build_alert_labels
from resumatch_monitor.probes.cadence import build_thresholds
from resumatch_monitor.probes.config import HTTPProbeConfig, ProbeConfig
from resumatch_monitor.probes.outage import ProbeState, advance
from resumatch_monitor.probes.reader import ProbeReader
from resumatch_monitor.probes.store import RunRecord
from resumatch_monitor.probes.tools import ProbeTools
from resumatch_monitor.storage.sql.alerts import SqlAlerts
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.issues_read import SqlIssueReader
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from resumatch_monitor.storage.sql.probes import SqlProbeStore
from tests.dispatch.builders import START, make_alert, resolve
from tests.probes.recording import observe
from tests.support.clock import FakeClock
from tests.support.errors import (
    ENVELOPE_URL,
    build_stack,
    make_envelope,
    make_event,
    make_exception,
)
from tests.support.web import CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

PROBES: list[ProbeConfig] = [
    HTTPProbeConfig(name="Backend health", type="http", url="http://web/health"),
    HTTPProbeConfig(name="Shop", type="http", url="http://shop/health"),
]
PATH = "/api/monitor/overview"


@asynccontextmanager
async def overview(
    database: Database,
    clock: FakeClock,
    *,
    pending: Sequence[Alert] = (),
    still_open: Mapping[str, int] | None = None,
    targets_down: int = 0,
    token: str | None = CHARLIE,
) -> AsyncGenerator[httpx.AsyncClient]:
    """Yield a client of the overview over what the database holds."""
    probes = SqlProbeStore(database)

    async def count_open() -> Mapping[str, int]:
        return still_open or {}

    sources = OverviewSources(
        alerts=SqlAlerts(database),
        deliveries=SqlOutbox(database),
        issues=SqlIssueReader(database),
        probes=ProbeReader(configs=PROBES, tools=ProbeTools(clock=clock), history=probes),
        count_open=count_open,
        pending=lambda: pending,
        receivers=lambda _labels: ["default"],
        has_channel=lambda: False,
        count_targets_down=lambda: targets_down,
        started_at=START - timedelta(hours=1),
    )
    router = build_router(sources=sources, clock=clock, guard=make_guard())
    async with serve(router, token=token) as client:
        yield client


async def take_down(database: Database, clock: FakeClock) -> None:
    """Record an outage of the first probe, a check a minute, the last at the clock's time."""
    config = PROBES[0]
    state = ProbeState()
    store = SqlProbeStore(database)
    letters = "ggbbb"
    for position, letter in enumerate(letters):
        observation = observe(position * 60.0, ok=letter == "g")
        state, transitions = advance(state, observation, build_thresholds(config))
        await store.record(
            RunRecord(
                probe_id="backend-health",
                observation=observation,
                verdict=observation.judge(config.slow_after),
                state=state,
                transitions=transitions,
                longest_gap=timedelta(seconds=135),
                alert_labels=build_alert_labels(config),
            )
        )
    await clock.advance((len(letters) - 1) * 60.0 + 1)


async def read(client: httpx.AsyncClient) -> Any:
    answer = await client.get(PATH)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_needs_somebody_who_is_known(database: Database, clock: FakeClock) -> None:
    async with overview(database, clock, token=None) as client:
        assert (await client.get(PATH)).status_code == 401
        assert (await client.get("/api/monitor/nav")).status_code == 401


async def test_says_that_nothing_is_wrong(database: Database, clock: FakeClock) -> None:
    async with overview(database, clock) as client:
        shown = await read(client)
        nav = (await client.get("/api/monitor/nav")).json()

    assert (shown["status"], shown["has_channel"]) == ("ok", False)
    assert set(shown["counts"].values()) == {0}
    assert (shown["firing"], shown["issues"]) == ([], [])
    assert [probe["status"] for probe in shown["probes"]] == ["unknown", "unknown"]
    assert [change["kind"] for change in shown["changes"]] == ["monitor_started"]
    assert set(nav.values()) == {0}


async def test_shows_an_alert_an_issue_and_an_outage(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        await stack.client.post(ENVELOPE_URL, content=make_envelope(make_event(1)))
        await stack.drain()
    await take_down(database, clock)
    warning = make_alert("SlowAnalysis", severity="warning", annotations={})
    critical = make_alert()
    await SqlAlerts(database).put([warning, critical], at=START)

    async with overview(
        database,
        clock,
        pending=[make_alert("Waits")],
        still_open={"critical": 2, "warning": 1},
        targets_down=1,
    ) as client:
        shown = await read(client)
        nav = (await client.get("/api/monitor/nav")).json()

    assert shown["status"] == "down"
    assert shown["sentence"] == (
        "1 critical alert, 1 warning firing: DatabaseConnectionFailed, SlowAnalysis. "
        "1 monitor down, 1 target not answering."
    )
    assert shown["counts"] == {
        "firing_alerts": 2,
        "firing_critical": 1,
        "firing_warning": 1,
        "pending": 1,
        "unresolved_issues": 1,
        "probes_down": 1,
        "targets_down": 1,
        "failed_deliveries": 0,
    }
    assert [alert["severity"] for alert in shown["firing"]] == ["critical", "warning"]
    assert shown["firing"][0]["receivers"] == ["default"]
    assert [probe["status"] for probe in shown["probes"]] == ["down", "unknown"]
    assert [issue["event_count"] for issue in shown["issues"]] == [1]
    kinds = [change["kind"] for change in shown["changes"]]
    assert sorted(kinds) == [
        "alert_firing",
        "alert_firing",
        "issue_new",
        "monitor_started",
        "outage_opened",
        "release_seen",
    ]
    moments = [change["at"] for change in shown["changes"]]
    assert moments == sorted(moments, reverse=True)
    assert nav == {
        "unresolved_issues": 1,
        "firing_alerts": 2,
        "firing_critical": 1,
        "open_alerts": 3,
        "open_critical": 2,
        "probes_down": 1,
    }


async def test_tells_how_many_fire_where_it_shows_the_most_urgent(
    database: Database, clock: FakeClock
) -> None:
    severities = ["info"] * 3 + ["warning"] * 8 + ["critical"] * 4
    alerts = [make_alert(f"A{n}", severity=each) for n, each in enumerate(severities)]
    await SqlAlerts(database).put(alerts, at=START)

    async with overview(database, clock) as client:
        shown = await read(client)

    assert shown["counts"]["firing_alerts"] == 15
    assert [alert["severity"] for alert in shown["firing"]] == ["critical"] * 4 + ["warning"] * 6


async def test_what_an_issue_raised_is_told_as_the_issue_and_what_ended_as_ok(
    database: Database, clock: FakeClock
) -> None:
    over = make_alert(annotations={})
    await SqlAlerts(database).put([over, make_alert("NewIssue", is_event=True)], at=START)
    await SqlAlerts(database).put([resolve(over, START + timedelta(minutes=5))], at=START)
    await clock.advance(600)

    async with overview(database, clock) as client:
        shown = await read(client)

    assert shown["status"] == "ok"
    told = [(change["kind"], change["severity"], change["title"]) for change in shown["changes"]]
    assert told == [
        ("alert_resolved", "ok", "DatabaseConnectionFailed"),
        ("alert_firing", "critical", "DatabaseConnectionFailed"),
        ("monitor_started", "info", "ResuMatch Monitor"),
    ]
    assert over.source is AlertSource.RULE


async def test_many_new_issues_hide_nothing_else(
    tmp_path: Path, database: Database, clock: FakeClock
) -> None:
    async with build_stack(tmp_path, database=database, clock=clock) as stack:
        for number in range(1, 31):
            exception = {"values": [make_exception(f"Kind{number}Error", "broke", "work")]}
            content = make_envelope(make_event(number, exception=exception))
            await stack.client.post(ENVELOPE_URL, content=content)
        await stack.drain()

    async with overview(database, clock) as client:
        changes = (await read(client))["changes"]

    new = [change for change in changes if change["kind"] == "issue_new"]
    assert len(new) == 7
    assert (new[-1]["title"], new[-1]["path"]) == ("24 more before", "/issues?sort=first_seen")
    assert {change["kind"] for change in changes} >= {"monitor_started", "release_seen"}


async def test_an_unchanged_overview_is_not_sent_again(
    database: Database, clock: FakeClock
) -> None:
    async with overview(database, clock) as client:
        etag = (await client.get(PATH)).headers["etag"]
        await clock.advance(1)
        again = await client.get(PATH, headers={"If-None-Match": etag})
        await SqlAlerts(database).put([make_alert()], at=START)
        changed = await client.get(PATH, headers={"If-None-Match": etag})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


def count(**numbers: int) -> Counts:
    nothing = dict.fromkeys(Counts.__slots__, 0)
    return Counts(**{**nothing, **numbers})


@pytest.mark.parametrize(
    ("counts", "degraded", "names", "verdict"),
    [
        (count(), 0, [], ("ok", "No alert is firing, and whatever is watched answers.")),
        (count(pending=3, unresolved_issues=9), 0, [], ("ok", None)),
        (count(firing_warning=1), 0, ["Slow"], ("degraded", "1 warning firing: Slow.")),
        (
            count(firing_critical=1, firing_warning=2),
            0,
            ["A", "B", "B"],
            ("down", "1 critical alert, 2 warnings firing: A, B."),
        ),
        (
            count(firing_critical=5),
            0,
            ["A", "B", "C", "D", "E"],
            ("down", "5 critical alerts firing: A, B, C and 2 more."),
        ),
        (count(probes_down=2), 1, [], ("down", "2 monitors down, 1 monitor degraded.")),
        (count(), 1, [], ("degraded", "1 monitor degraded.")),
        (count(targets_down=1), 0, [], ("degraded", "1 target not answering.")),
        (count(failed_deliveries=2), 0, [], ("degraded", "2 notifications not delivered.")),
    ],
)
def test_judges_by_the_worst(
    counts: Counts, degraded: int, names: list[str], verdict: tuple[str, str | None]
) -> None:
    status, sentence = judge(counts, degraded, names)

    assert status == verdict[0]
    if verdict[1] is not None:
        assert sentence == verdict[1]
