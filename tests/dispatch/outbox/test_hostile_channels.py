"""Channels that misbehave, on real servers, from the alert to what people see of it."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.outbox.outbox import Outbox
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.dispatch.reading import DeliveryQuery, DeliveryRecord, DeliveryStep
from resumatch_monitor.kit.http import build_client
from resumatch_monitor.kit.loops import Supervisor
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.context import NotifierContext
from resumatch_monitor.notify.notifier import Attempt, NotifyError
from resumatch_monitor.notify.registry import build_integrations
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.outbox import SqlOutbox
from tests.dispatch.builders import make_alert, make_dispatcher, resolve
from tests.notify.catchers import (
    HttpCatcher,
    catch_http,
    catch_mail,
    json_answer,
    make_context,
    make_notification,
)
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

KEY = "0123456789abcdef0123456789abcdef"
ACCEPTED = json_answer(202, {"status": "success", "message": "Event processed"})
BUSY = json_answer(500, {"status": "error"})
ALERT = make_alert()


class World:
    """A dispatcher and an outbox with the channels of a configuration."""

    def __init__(
        self,
        database: Database,
        clock: FakeClock,
        receivers: Sequence[Mapping[str, Any]],
        context: NotifierContext | None = None,
    ) -> None:
        route = {
            "receiver": receivers[0]["name"],
            "group_by": ["alertname"],
            "group_wait": "0s",
            "group_interval": "1m",
        }
        alerting = {"receivers": list(receivers), "route": route}
        config = AlertingConfig.model_validate(alerting)
        integrations = build_integrations(config.receivers, context or make_context())
        self.clock = clock
        self.telemetry = Telemetry()
        self.store = SqlOutbox(database)
        self.dispatcher = make_dispatcher(
            database, clock, SequentialIds(), config=alerting, integrations=integrations
        )
        self.outbox = Outbox(
            store=self.store,
            integrations=integrations,
            clock=clock,
            telemetry=self.telemetry,
            jitter=lambda: 1.0,
            receivers=config.receivers,
        )

    async def tell(self, *alerts: Alert) -> None:
        await self.dispatcher.load()
        await self.dispatcher.put(alerts)
        await self.dispatcher.flush_due()

    async def pass_time(self, minutes: int) -> None:
        for _ in range(minutes):
            await self.clock.advance(60)
            await self.dispatcher.flush_due()
            await self.outbox.deliver_due()

    async def records(self) -> list[DeliveryRecord]:
        return (await self.store.find_deliveries(DeliveryQuery(), before_id=None, limit=50))[::-1]

    async def steps(self, delivery_id: int) -> list[DeliveryStep]:
        detail = await self.store.get_detail(delivery_id)
        assert detail is not None
        return list(detail.steps)


def pagerduty(catcher: HttpCatcher) -> dict[str, Any]:
    return {"routing_key": KEY, "url": catcher.url}


async def test_500_for_an_hour_loses_nothing_and_repeats_nothing(
    database: Database, clock: FakeClock
) -> None:
    async with catch_http() as catcher:
        catcher.default = BUSY
        world = World(database, clock, [{"name": "team", "pagerduty": [pagerduty(catcher)]}])
        await world.tell(ALERT)
        await world.outbox.deliver_due()
        await world.pass_time(60)
        refused = len(catcher.requests)
        catcher.default = ACCEPTED
        await world.pass_time(6)
        await world.tell(resolve(ALERT, clock.now()))
        await world.pass_time(2)

    # Every five minutes at the longest, and not in a hurry.
    assert 12 <= refused <= 30
    keys = {each.headers["idempotency-key"] for each in catcher.requests[: refused + 1]}
    assert len(keys) == 1
    assert [each.json["event_action"] for each in catcher.requests[refused:]] == [
        "trigger",
        "resolve",
    ]
    first, last = await world.records()
    assert [each.status.value for each in (first, last)] == ["sent", "sent"]
    kinds = [each.kind.value for each in await world.steps(first.id)]
    assert kinds == ["queued", *["attempt_failed"] * refused, "accepted"]


async def test_500_for_an_hour_is_told_elsewhere_after_five_minutes(
    database: Database, clock: FakeClock
) -> None:
    async with catch_http() as pager, catch_http() as chat:
        pager.default = BUSY
        receivers = [
            {"name": "team", "pagerduty": [pagerduty(pager)], "fallback": "chat"},
            {"name": "chat", "slack": [{"webhook_url": f"{chat.url}/services/x"}]},
        ]
        world = World(database, clock, receivers)
        await world.tell(ALERT)
        await world.pass_time(4)
        early = len(chat.requests)
        await world.pass_time(56)
        pager.default = ACCEPTED
        await world.tell(resolve(ALERT, clock.now()))
        await world.pass_time(2)

    assert early == 0
    firing, resolved = chat.requests
    assert firing.json["text"].startswith("[FIRING:1]")
    assert "could not be reached" in firing.body.decode()
    assert resolved.json["text"].startswith("[RESOLVED]")


async def test_a_channel_that_hangs_holds_no_other_up_and_ends_with_the_process(
    database: Database, clock: FakeClock
) -> None:
    hung = asyncio.Event()
    never = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hung.set()
        await never.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    async with asyncio.timeout(30), catch_http() as catcher:
        receiver = {"name": "team", "slack": [{"webhook_url": url}]}
        world = World(database, clock, [{**receiver, "webhook": [{"url": catcher.url}]}])
        supervisor = Supervisor(clock=clock, telemetry=world.telemetry)
        for name, loop in world.outbox.loops().items():
            supervisor.start(name, loop)
        await world.tell(ALERT)
        world.outbox.wake()
        await hung.wait()
        await catcher.heard.wait()
        await supervisor.stop()
        never.set()
        server.close()

    statuses = {each.integration: each.status.value for each in await world.records()}
    assert statuses["slack"] in ("queued", "retrying")
    assert statuses["webhook"] == "sent"


async def test_a_mail_server_that_refuses_half_of_the_recipients(
    database: Database, clock: FakeClock
) -> None:
    async with catch_mail() as catcher:
        people = [f"{name}@example.org" for name in ("alice", "bob", "charlie", "dora")]
        catcher.refusals = {
            "bob@example.org": "550 no such user",
            "dora@example.org": "451 greylisted, come back",
        }
        mail = {"to": people, "from": "m@example.org", "host": "127.0.0.1", "tls": "none"}
        world = World(
            database, clock, [{"name": "team", "email": [{**mail, "port": catcher.port}]}]
        )
        await world.tell(ALERT)
        await world.outbox.deliver_due()
        (waiting,) = await world.records()
        del catcher.refusals["dora@example.org"]
        await world.pass_time(1)
        (record,) = await world.records()

    assert [each.rcpt_tos for each in catcher.envelopes] == [
        ["alice@example.org", "charlie@example.org"],
        ["dora@example.org"],
    ]
    assert waiting.status == "retrying"
    assert "d…@example.org refused: 451 greylisted, come back" in waiting.last_error
    assert (record.status, record.attempts) == ("sent", 2)
    words = " ".join(each.detail for each in await world.steps(record.id))
    assert "b…@example.org refused: 550 no such user" in words
    assert "bob@" not in words


async def test_a_redirect_to_a_metadata_address_fails_for_good_and_falls_back(
    database: Database, clock: FakeClock
) -> None:
    async with catch_http() as bad, catch_http() as good:
        bad.default = (
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/meta-data\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        receivers = [
            {"name": "team", "webhook": [{"url": bad.url}], "fallback": "ops"},
            {"name": "ops", "webhook": [{"url": good.url}]},
        ]
        world = World(database, clock, receivers)
        await world.tell(ALERT)
        await world.outbox.deliver_due()

    first, second = await world.records()
    assert (first.status, first.last_error) == ("failed", "the destination answered 302")
    assert (second.status, second.origin_id) == ("sent", first.id)
    assert len(bad.requests) == len(good.requests) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    files = ["-keyout", str(path), "-out", f"{path}.crt", "-subj", "/CN=elsewhere.example.org"]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


@asynccontextmanager
async def serve_tls(certificate: Path) -> AsyncGenerator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    catcher = HttpCatcher()
    server = await asyncio.start_server(catcher.handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    assert catcher.requests == []


@pytest.mark.parametrize("kind", ["slack", "webhook", "pagerduty"])
async def test_a_certificate_that_is_not_trusted_delivers_nothing(
    certificate: Path, kind: str
) -> None:
    async with serve_tls(certificate) as url, build_client() as client:
        channels: dict[str, dict[str, str]] = {
            "slack": {"webhook_url": f"{url}/services/secret-path"},
            "webhook": {"url": f"{url}/secret-path"},
            "pagerduty": {"routing_key": KEY, "url": url},
        }
        config = AlertingConfig.model_validate(
            {"receivers": [{"name": "t", kind: [channels[kind]]}]}
        )
        context = replace(make_context(), client=client)
        (integration,) = build_integrations(config.receivers, context)
        with pytest.raises(NotifyError, match=r"(?i)certificate") as caught:
            await integration.notifier.notify(make_notification(), Attempt("k"))

    assert caught.value.retryable
    assert "secret-path" not in caught.value.message
    assert KEY not in caught.value.message
