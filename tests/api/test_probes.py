from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from resumatch_monitor.api.errors import install_error_handlers
from resumatch_monitor.api.guard import Guard, Principal, Role
from resumatch_monitor.api.probes import build_router
from resumatch_monitor.probes.alerts import build_alert_labels
from resumatch_monitor.probes.cadence import build_thresholds
from resumatch_monitor.probes.config import HTTPProbeConfig, PostgresProbeConfig, ProbeConfig
from resumatch_monitor.probes.outage import ProbeState, advance
from resumatch_monitor.probes.reader import ProbeReader
from resumatch_monitor.probes.store import RunRecord
from resumatch_monitor.probes.tools import ProbeTools
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.probes import SqlProbeStore
from tests.probes.recording import START, at, observe
from tests.support.clock import FakeClock

pytestmark = pytest.mark.anyio

CONFIGS: list[ProbeConfig] = [
    HTTPProbeConfig(name="Backend health", type="http", url="http://u:hush@web/health?k=hush"),
    PostgresProbeConfig(name="db", type="postgres", dsn=SecretStr("postgresql://u:hush@db/x")),
]
START_MS = round(START.timestamp() * 1000)


class Authenticator:
    """Knows one token."""

    async def authenticate_session(self, token: str) -> Principal | None:
        return None

    async def authenticate_bearer(self, token: str) -> Principal | None:
        return Principal("token:test", Role.VIEWER) if token == "good" else None


@pytest.fixture
def store(database: Database) -> SqlProbeStore:
    return SqlProbeStore(database)


@pytest.fixture
async def client(store: SqlProbeStore, clock: FakeClock) -> AsyncGenerator[httpx.AsyncClient]:
    reader = ProbeReader(configs=CONFIGS, tools=ProbeTools(clock=clock), history=store)
    guard = Guard(Authenticator(), is_secure=False)
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(build_router(reader=reader, clock=clock, guard=guard))
    transport = httpx.ASGITransport(app=app)
    headers = {"Authorization": "Bearer good"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://monitor", headers=headers
    ) as client:
        yield client


async def record_history(store: SqlProbeStore, clock: FakeClock, pattern: str) -> None:
    """Record an attempt a minute, the last of them at the clock's time; `b` is a bad one."""
    config = CONFIGS[0]
    state = ProbeState()
    for position, letter in enumerate(pattern):
        observation = observe(position * 60.0, ok=letter != "b")
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
    await clock.advance((len(pattern) - 1) * 60.0 + 1)


async def get(client: httpx.AsyncClient, path: str, status: int = 200) -> Any:
    answer = await client.get(f"/api/monitor/probes{path}")
    assert answer.status_code == status, answer.text
    assert "hush" not in answer.text
    return answer.json()


async def test_a_stranger_is_turned_away(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/monitor/probes", headers={"Authorization": "Bearer bad"})

    assert answer.status_code == 401


async def test_a_probe_without_history_is_unknown(client: httpx.AsyncClient) -> None:
    probe = await get(client, "/db")

    assert probe["status"] == "unknown"
    assert probe["target"] == "postgresql://db/x"
    assert probe["uptime"] == {"24h": None, "7d": None, "30d": None}
    assert [beat["state"] for beat in probe["beats"]] == ["none"] * 60
    assert (probe["last_result"], probe["outage"], probe["since"]) == (None, None, None)


async def test_a_probe_that_is_down_says_since_when_and_why(
    client: httpx.AsyncClient, store: SqlProbeStore, clock: FakeClock
) -> None:
    await record_history(store, clock, "ggggggbbbb")

    probe = await get(client, "/backend-health")

    assert probe["id"] == "backend-health"
    assert probe["name"] == "Backend health"
    assert probe["target"] == "http://web/health?k=…"
    assert probe["status"] == "down"
    assert probe["since"] == "2026-01-05T12:07:00.100Z"
    assert probe["last_result"] == {
        "at": "2026-01-05T12:09:00.000Z",
        "success": False,
        "duration_seconds": 0.1,
        "message": "connection refused",
        "status_code": None,
    }
    assert probe["outage"] == {
        "id": "1",
        "probe_id": "backend-health",
        "started_at": "2026-01-05T12:06:00.000Z",
        "opened_at": "2026-01-05T12:07:00.100Z",
        "ended_at": None,
        "duration_seconds": 181.0,
        "cause": "connection refused",
        "is_open": True,
    }
    assert probe["uptime"]["24h"] == pytest.approx(360 / 540.1, abs=1e-6)
    states = [beat["state"] for beat in probe["beats"]]
    assert states[-10:] == ["up"] * 6 + ["down"] * 4
    assert probe["interval_seconds"] == 60.0


async def test_probes_are_paged(client: httpx.AsyncClient) -> None:
    first = await get(client, "?limit=1")
    second = await get(client, f"?limit=1&cursor={first['next_cursor']}")

    assert [probe["id"] for probe in (*first["items"], *second["items"])] == [
        "backend-health",
        "db",
    ]
    assert second["next_cursor"] is None
    await get(client, "?cursor=nonsense", status=400)
    await get(client, "?limit=0", status=422)


async def test_outages_are_paged_newest_first(
    client: httpx.AsyncClient, store: SqlProbeStore, clock: FakeClock
) -> None:
    await record_history(store, clock, "gbbbgg" * 3)

    first = await get(client, "/backend-health/outages?limit=2")
    second = await get(client, f"/backend-health/outages?limit=2&cursor={first['next_cursor']}")

    outages = [*first["items"], *second["items"]]
    assert [outage["id"] for outage in outages] == ["3", "2", "1"]
    assert outages[-1]["started_at"] == "2026-01-05T12:01:00.000Z"
    assert outages[-1]["ended_at"] == "2026-01-05T12:04:00.000Z"
    assert outages[-1]["duration_seconds"] == 180.0
    assert second["next_cursor"] is None
    await get(client, "/backend-health/outages?cursor=x", status=400)


async def test_the_chart_breaks_where_it_failed(
    client: httpx.AsyncClient, store: SqlProbeStore, clock: FakeClock
) -> None:
    await record_history(store, clock, "gggbbbggg")

    chart = await get(client, "/backend-health/results?from=now-10m&to=now")

    assert chart["step_ms"] == 60_000
    assert chart["t"] == [START_MS + each * 60_000 for each in range(9)]
    [series] = chart["series"]
    assert series == {
        "name": "response time",
        "labels": {},
        "v": [0.1, 0.1, 0.1, None, None, None, 0.1, 0.1, 0.1],
    }
    assert [outage["is_open"] for outage in chart["outages"]] == [False]
    await get(client, "/backend-health/results?from=yesterday", status=400)


async def test_long_ranges_are_thinned_out(
    client: httpx.AsyncClient, store: SqlProbeStore, clock: FakeClock
) -> None:
    await record_history(store, clock, "g" * 120)

    chart = await get(client, "/backend-health/results?from=now-2h&to=now&max_points=10")

    assert len(chart["t"]) <= 10
    assert len(chart["series"][0]["v"]) == len(chart["t"])


@pytest.mark.parametrize("path", ["/nothing", "/nothing/outages", "/nothing/results"])
async def test_what_does_not_exist_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    error = await get(client, path, status=404)

    assert error["error"]["code"] == "not_found"


async def test_the_overview_hears_of_changes(store: SqlProbeStore, clock: FakeClock) -> None:
    reader = ProbeReader(configs=CONFIGS, tools=ProbeTools(clock=clock), history=store)
    await record_history(store, clock, "gbbbggbbb")

    changes = await reader.find_changes(at(0), 10)

    assert [(change.is_opening, change.probe_name) for change in changes] == [
        (True, "Backend health"),
        (False, "Backend health"),
        (True, "Backend health"),
    ]
    assert await reader.count_down() == 1
    assert len(await reader.find_changes(at(400), 10)) == 1
