"""Alertmanager's API, version 2, in the words that its clients know."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.alertmanager import build_router
from resumatch_monitor.api.alertmanager_reading import AlertmanagerSources
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.dispatch.dispatcher import Dispatcher
from resumatch_monitor.dispatch.muting.dependencies import Dependencies
from resumatch_monitor.dispatch.muting.inhibition import Inhibition
from resumatch_monitor.dispatch.muting.mute import Mute, MuteKind, Muters
from resumatch_monitor.dispatch.muting.silences import Silences
from resumatch_monitor.dispatch.occurrences.pushed import PushedAlerts
from resumatch_monitor.dispatch.policy.alertmanager_yaml import render_alertmanager_config
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.routing.build import build_route
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.wording import Links
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.pushed import SqlExpiries
from resumatch_monitor.storage.sql.silences import SqlSilences
from tests.dispatch.builders import START, make_alert, make_dispatcher
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds
from tests.support.web import BOB, CHARLIE, make_guard, serve

pytestmark = pytest.mark.anyio

CONFIG: dict[str, Any] = {
    "receivers": [{"name": "default"}, {"name": "web"}],
    "route": {
        "receiver": "default",
        "group_by": ["alertname"],
        "routes": [{"matchers": ['team="web"'], "receiver": "web"}],
    },
    "inhibit_rules": [
        {"source_matchers": ['severity="critical"'], "target_matchers": ['severity="info"']}
    ],
}
HOUR = timedelta(hours=1)


class Api:
    """The API over real parts."""

    def __init__(self, database: Database, clock: FakeClock, ids: SequentialIds) -> None:
        alerting = AlertingConfig.model_validate(CONFIG)
        self.clock = clock
        self.dispatcher: Dispatcher = make_dispatcher(database, clock, ids, config=CONFIG)
        firing = self.dispatcher.firing
        self.silences = Silences(
            store=SqlSilences(database),
            on_change=lambda: None,
            clock=clock,
            ids=ids,
            telemetry=Telemetry(),
        )
        inhibition = Inhibition(alerting.inhibit_rules, firing)
        dependencies = Dependencies(alerting.dependencies, firing)
        self.sources = AlertmanagerSources(
            firing=firing,
            silences=self.silences,
            pushed=PushedAlerts(
                store=SqlExpiries(database),
                sink=self.dispatcher,
                firing=firing,
                resolve_timeout=alerting.resolve_timeout,
                clock=clock,
                telemetry=Telemetry(),
            ),
            route=build_route(alerting),
            receivers=["default", "web"],
            mute_of=Muters((self.silences, inhibition, dependencies)).find,
            inhibitors_of=inhibition.inhibitors_of,
            config=lambda: render_alertmanager_config(alerting),
            to_url=Links("http://monitor.test").to,
            resolve_timeout=alerting.resolve_timeout,
            started_at=START,
        )
        self.router = build_router(
            sources=self.sources,
            bodies=BodyReader(max_bytes=1_000_000),
            guard=make_guard(),
            clock=clock,
        )


@pytest.fixture
async def api(database: Database, clock: FakeClock, ids: SequentialIds) -> Api:
    api = Api(database, clock, ids)
    await api.dispatcher.load()
    await api.silences.load()
    return api


@pytest.fixture
async def client(api: Api) -> AsyncGenerator[httpx.AsyncClient]:
    async with serve(api.router, token=BOB) as client:
        yield client


def silence(**over: Any) -> dict[str, Any]:
    return {
        "matchers": [{"name": "team", "value": "web", "isRegex": False, "isEqual": True}],
        "startsAt": isotime(START),
        "endsAt": isotime(START + HOUR),
        "createdBy": "ada",
        "comment": "maintenance",
        **over,
    }


def isotime(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


async def names(client: httpx.AsyncClient, query: str = "") -> list[str]:
    answer = await client.get(f"/api/v2/alerts?{query}")
    assert answer.status_code == 200, answer.text
    return sorted(each["labels"]["alertname"] for each in answer.json())


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v2/alerts"), ("POST", "/api/v2/alerts"), ("GET", "/api/v2/status")],
)
async def test_needs_somebody_who_is_known(api: Api, method: str, path: str) -> None:
    async with serve(api.router, token=None) as client:
        assert (await client.request(method, path, content=b"[]")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v2/alerts"),
        ("POST", "/api/v2/silences"),
        ("DELETE", "/api/v2/silence/00000000-0000-4000-8000-000000000000"),
    ],
)
async def test_a_viewer_changes_nothing(api: Api, method: str, path: str) -> None:
    async with serve(api.router, token=CHARLIE) as client:
        assert (await client.request(method, path, content=b"[]")).status_code == 403


async def test_what_prometheus_pushes_is_listed_with_all_that_clients_read(
    client: httpx.AsyncClient,
) -> None:
    pushed = {
        "labels": {"alertname": "HighThing", "severity": "page", "empty": "", "team": "web"},
        "annotations": {"summary": "thing app is 3.5"},
        "startsAt": "2026-01-05T11:59:00.123456789Z",
        "endsAt": "2026-01-05T13:04:00+01:00",
        "generatorURL": "http://prometheus.test/graph?g0.expr=up",
    }
    answer = await client.post("/api/v2/alerts", json=[pushed])
    assert (answer.status_code, answer.content) == (200, b"")

    (alert,) = (await client.get("/api/v2/alerts")).json()

    fingerprint = alert.pop("fingerprint")
    assert len(fingerprint) == 16
    assert alert == {
        "annotations": {"summary": "thing app is 3.5"},
        "endsAt": "2026-01-05T12:04:00.000Z",
        "startsAt": "2026-01-05T11:59:00.123Z",
        "updatedAt": "2026-01-05T12:00:00.000Z",
        "receivers": [{"name": "web"}],
        "status": {"state": "active", "silencedBy": [], "inhibitedBy": [], "mutedBy": []},
        "generatorURL": "http://prometheus.test/graph?g0.expr=up",
        "labels": {"alertname": "HighThing", "severity": "page", "team": "web"},
    }


async def test_an_alert_that_has_ended_is_not_listed(client: httpx.AsyncClient) -> None:
    for ends_at in ("0001-01-01T00:00:00.000Z", isotime(START)):
        pushed = {"labels": {"alertname": "a"}, "startsAt": isotime(START), "endsAt": ends_at}
        await client.post("/api/v2/alerts", json=[pushed])

    assert await names(client) == []


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ({"labels": {}}, "at least one label pair required"),
        ({}, "0.labels in body is required"),
        (3, "0 is no object"),
        ({"labels": {"alertname": 3}}, "0.labels.alertname in body must be a text"),
        ({"labels": {"a": "b"}, "annotations": {"x": 3}}, "0.annotations.x"),
        ({"labels": {"a": "b"}, "startsAt": "yesterday"}, "0.startsAt in body is no time"),
        ({"labels": {"a": "b"}, "startsAt": 17}, "0.startsAt in body must be a text"),
        (
            {"labels": {"a": "b"}, "startsAt": "2026-02-01T00:00:00Z", "endsAt": "2026-01-01"},
            "start time must be before end time",
        ),
    ],
)
async def test_a_bad_alert_is_named_and_the_others_are_taken(
    client: httpx.AsyncClient, bad: Any, complaint: str
) -> None:
    answer = await client.post("/api/v2/alerts", json=[bad, {"labels": {"alertname": "good"}}])

    assert answer.status_code == 400
    assert complaint in answer.json()
    assert await names(client) == ["good"]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"{}", b'"x"', b"[", b"\xff"])
async def test_what_is_no_list_of_alerts_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post("/api/v2/alerts", content=body)

    assert answer.status_code == 400
    assert isinstance(answer.json(), str)


async def test_a_body_that_is_too_large_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v2/alerts", content=b" " * 1_000_001)

    assert answer.status_code == 413


async def test_alerts_are_filtered_by_state_labels_and_receiver(
    api: Api, client: httpx.AsyncClient
) -> None:
    await api.dispatcher.put(
        [
            make_alert("Disk", instance="a"),
            make_alert("Noise", severity="info"),
            make_alert("Page", severity="warning", team="web"),
        ]
    )
    await client.post("/api/v2/silences", json=silence())

    assert await names(client) == ["Disk", "Noise", "Page"]
    assert await names(client, "active=false") == ["Noise", "Page"]
    assert await names(client, "silenced=false") == ["Disk", "Noise"]
    assert await names(client, "inhibited=false") == ["Disk", "Page"]
    assert await names(client, "silenced=false&inhibited=false&unprocessed=false") == ["Disk"]
    assert await names(client, "receiver=w.b") == ["Page"]
    assert await names(client, "receiver=w") == []
    assert await names(client, "filter=instance%3D%22a%22") == ["Disk"]
    assert await names(client, 'filter=team=""&filter=severity=~"c.*|info"') == ["Disk", "Noise"]


async def test_what_suppresses_an_alert_is_named(api: Api, client: httpx.AsyncClient) -> None:
    critical = make_alert("DatabaseConnectionFailed", team="web")
    await api.dispatcher.put(
        [critical, make_alert("Noise", severity="info"), make_alert("HighErrorRate")]
    )
    silence_id = (await client.post("/api/v2/silences", json=silence())).json()["silenceID"]

    statuses = {
        each["labels"]["alertname"]: each["status"]
        for each in (await client.get("/api/v2/alerts")).json()
    }

    nothing: dict[str, Any] = {
        "silencedBy": [],
        "inhibitedBy": [],
        "mutedBy": [],
        "state": "suppressed",
    }
    assert statuses == {
        "DatabaseConnectionFailed": {**nothing, "silencedBy": [silence_id]},
        "Noise": {**nothing, "inhibitedBy": sorted_fingerprints(api, "severity", "critical")},
        "HighErrorRate": {**nothing, "inhibitedBy": [critical.fingerprint]},
    }


async def test_what_a_time_interval_mutes_is_said_to_be_muted(api: Api) -> None:
    def mute_of(alert: Alert, now: datetime) -> Mute | None:
        del now
        kinds = {"Night": MuteKind.TIME, "Busy": MuteKind.ACKNOWLEDGED}
        return Mute(kinds[alert.name], "nights", "at night") if alert.name in kinds else None

    router = build_router(
        sources=replace(api.sources, mute_of=mute_of),
        bodies=BodyReader(max_bytes=1000),
        guard=make_guard(),
        clock=api.clock,
    )
    await api.dispatcher.put([make_alert("Night"), make_alert("Busy")])

    async with serve(router) as client:
        statuses = {
            each["labels"]["alertname"]: (each["status"]["state"], each["status"]["mutedBy"])
            for each in (await client.get("/api/v2/alerts")).json()
        }
        assert statuses == {"Night": ("suppressed", ["nights"]), "Busy": ("active", [])}
        assert await names(client, "muted=false") == ["Busy"]


def sorted_fingerprints(api: Api, name: str, value: str) -> list[str]:
    return [each.fingerprint for each in api.sources.firing if each.labels.get(name) == value]


async def test_groups_are_by_receiver_and_by_the_labels_of_the_route(
    api: Api, client: httpx.AsyncClient
) -> None:
    await api.dispatcher.put(
        [
            make_alert("Disk", instance="a"),
            make_alert("Disk", instance="b"),
            make_alert("Page", team="web"),
        ]
    )

    groups = (await client.get("/api/v2/alerts/groups")).json()
    of_web = (await client.get("/api/v2/alerts/groups?receiver=web")).json()

    assert [(each["receiver"]["name"], each["labels"], len(each["alerts"])) for each in groups] == [
        ("default", {"alertname": "Disk"}, 2),
        ("web", {"alertname": "Page"}, 1),
    ]
    assert of_web == groups[1:]


@pytest.mark.parametrize(
    "query", ["filter=nonsense", 'filter=a=~"("', "receiver=(", "&".join(["filter=a=b"] * 40)]
)
@pytest.mark.parametrize("path", ["alerts", "alerts/groups"])
async def test_a_filter_that_is_none_is_refused(
    client: httpx.AsyncClient, path: str, query: str
) -> None:
    answer = await client.get(f"/api/v2/{path}?{query}")

    assert answer.status_code == 400
    assert isinstance(answer.json(), str)


async def test_a_silence_is_made_changed_and_expired(
    api: Api, client: httpx.AsyncClient, clock: FakeClock
) -> None:
    made = await client.post("/api/v2/silences", json=silence())
    silence_id = made.json()["silenceID"]
    assert made.json() == {"silenceID": silence_id}
    assert (await client.get(f"/api/v2/silence/{silence_id}")).json() == {
        "id": silence_id,
        "status": {"state": "active"},
        "updatedAt": "2026-01-05T12:00:00.000Z",
        "comment": "maintenance",
        "createdBy": "ada",
        "startsAt": "2026-01-05T12:00:00.000Z",
        "endsAt": "2026-01-05T13:00:00.000Z",
        "matchers": [{"name": "team", "value": "web", "isRegex": False, "isEqual": True}],
    }

    longer = silence(id=silence_id, endsAt=isotime(START + 2 * HOUR))
    assert (await client.post("/api/v2/silences", json=longer)).json()["silenceID"] == silence_id
    other = {**longer, "matchers": [{"name": "team", "value": "w.*", "isRegex": True}]}
    other_id = (await client.post("/api/v2/silences", json=other)).json()["silenceID"]
    assert other_id != silence_id
    listed = (await client.get("/api/v2/silences")).json()
    assert [(each["id"], each["status"]["state"]) for each in listed] == [
        (other_id, "active"),
        (silence_id, "expired"),
    ]

    answer = await client.delete(f"/api/v2/silence/{other_id}")
    assert (answer.status_code, answer.content) == (200, b"")
    assert api.silences.find(make_alert(team="web"), clock.now()) is None


async def test_silences_are_filtered_by_their_matchers(client: httpx.AsyncClient) -> None:
    await client.post("/api/v2/silences", json=silence())
    other = [{"name": "team", "value": "ops", "isEqual": False}]
    await client.post("/api/v2/silences", json=silence(matchers=other))

    found = (await client.get('/api/v2/silences?filter=team!="ops"')).json()

    assert [each["matchers"] for each in found] == [
        [{"name": "team", "value": "ops", "isRegex": False, "isEqual": False}]
    ]


async def test_who_makes_a_silence_need_not_be_said(client: httpx.AsyncClient) -> None:
    body = silence()
    del body["createdBy"]
    await client.post("/api/v2/silences", json=body)

    (made,) = (await client.get("/api/v2/silences")).json()

    assert made["createdBy"] == "bob@example.org"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ([], 400),
        ({}, 400),
        (silence(matchers=[]), 400),
        (silence(matchers="x"), 400),
        (silence(matchers=[3]), 400),
        (silence(matchers=[{"name": "a"}]), 400),
        (silence(matchers=[{"name": "a", "value": ""}]), 400),
        (silence(matchers=[{"name": "a", "value": "(", "isRegex": True}]), 400),
        (silence(matchers=[{"name": "a", "value": "b", "isRegex": "no"}]), 400),
        (silence(matchers=[{"name": "a", "value": "b"}] * 101), 400),
        (silence(startsAt="soon"), 400),
        (silence(endsAt=None), 400),
        (silence(endsAt=isotime(START - HOUR)), 400),
        (silence(comment=17), 400),
        (silence(id="00000000-0000-4000-8000-000000000000"), 404),
    ],
)
async def test_what_is_no_silence_is_refused(
    client: httpx.AsyncClient, body: Any, status: int
) -> None:
    answer = await client.post("/api/v2/silences", json=body)

    assert answer.status_code == status
    assert isinstance(answer.json(), str)
    assert (await client.get("/api/v2/silences")).json() == []


@pytest.mark.parametrize("ends_at", ["9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-14:00"])
async def test_for_ever_is_a_long_time(client: httpx.AsyncClient, ends_at: str) -> None:
    made = await client.post("/api/v2/silences", json=silence(endsAt=ends_at))
    pushed = {"labels": {"alertname": "x"}, "startsAt": ends_at, "endsAt": ends_at}

    assert made.status_code == 200
    assert (await client.get("/api/v2/silences")).json()[0]["endsAt"].startswith("9998-")
    assert (await client.post("/api/v2/alerts", json=[pushed])).status_code == 200
    assert await names(client) == ["x"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_silence_is_not_found(client: httpx.AsyncClient, method: str) -> None:
    for silence_id in ("00000000-0000-4000-8000-000000000000", "x"):
        answer = await client.request(method, f"/api/v2/silence/{silence_id}")
        assert answer.status_code == 404


async def test_status_and_receivers(client: httpx.AsyncClient) -> None:
    status = (await client.get("/api/v2/status")).json()

    assert status["cluster"] == {"name": "", "status": "disabled", "peers": []}
    assert status["uptime"] == "2026-01-05T12:00:00.000Z"
    assert status["versionInfo"].keys() >= {"version", "revision", "branch", "goVersion"}
    assert "receiver: web" in status["config"]["original"]
    assert (await client.get("/api/v2/receivers")).json() == [{"name": "default"}, {"name": "web"}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_FIELDS = ("labels", "annotations", "startsAt", "endsAt", "generatorURL", "matchers", "id")
MISSHAPEN = st.dictionaries(st.sampled_from((*_FIELDS, "comment", "createdBy")), JSON)


def test_nothing_that_is_sent_makes_it_fail(database: Database) -> None:
    @settings(max_examples=60, deadline=None)
    @given(alerts=st.lists(MISSHAPEN | JSON, max_size=3), silence=MISSHAPEN)
    def check(alerts: list[Any], silence: dict[str, Any]) -> None:
        anyio.run(send, database, alerts, silence)

    check()


async def send(database: Database, alerts: list[Any], silence: dict[str, Any]) -> None:
    api = Api(database, FakeClock(), SequentialIds())
    await api.dispatcher.load()
    async with serve(api.router) as client:
        for path, body in (("alerts", alerts), ("silences", silence)):
            content = json.dumps(body).encode()
            answer = await client.post(f"/api/v2/{path}", content=content)
            assert answer.status_code < 500, answer.text
