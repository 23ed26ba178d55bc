"""The door over real spools, without HTTP."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
import pytest

from resumatch_monitor.kit.spool import FullReason, SpoolFullError
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sentry.categories import Category
from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.intake import Intake, Receipt
from resumatch_monitor.sentry.items import ItemKind, ItemRecord, decode_record
from resumatch_monitor.sentry.limits import ItemLimits
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.outcomes import Outcome, OutcomeLedger, Tally
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.quotas import Quotas
from resumatch_monitor.sentry.refusals import ItemTooLargeError, MalformedError
from resumatch_monitor.sentry.screening import Screening, Sender
from resumatch_monitor.sentry.settings import FilterSettings
from tests.support.clock import FakeClock
from tests.support.ids import SequentialIds

pytestmark = pytest.mark.anyio

_PROJECT = ProjectConfig(id=7, slug="shop", key="a" * 32)
_EVENT_ID = "12c2d058d58442709aa2eca08bf20986"


class Sink:
    """Keeps what is appended, as a spool does."""

    def __init__(self) -> None:
        self.records: list[ItemRecord] = []
        self.failure: SpoolFullError | None = None

    async def append(self, payload: bytes) -> None:
        if self.failure is not None:
            raise self.failure
        self.records.append(decode_record(payload))


class Tallies:
    """Adds up outcomes, as the store does."""

    def __init__(self) -> None:
        self.quantities: Counter[tuple[Category, Outcome, str]] = Counter()

    async def add(self, tallies: Sequence[Tally]) -> None:
        for each in tallies:
            self.quantities[each.category, each.outcome, each.reason] += each.quantity

    async def read_accepted(self, since: datetime) -> Sequence[Tally]:
        return []


class Door:
    """An intake with a sink for some kinds."""

    def __init__(
        self,
        clock: FakeClock,
        *kinds: ItemKind,
        limits: ItemLimits | None = None,
        project: ProjectConfig | None = None,
    ) -> None:
        self.sinks = {kind: Sink() for kind in kinds}
        self.telemetry = Telemetry()
        self.tallies = Tallies()
        self.quotas = Quotas(clock=clock)
        self.outcomes = OutcomeLedger(self.tallies, clock=clock)
        self.project = Projects([project or _PROJECT]).all()[0]
        metrics = DoorMetrics(self.telemetry)
        self.intake = Intake(
            projects=Projects([_PROJECT]),
            sinks=self.sinks,
            limits=limits or ItemLimits(),
            screening=Screening(quotas=self.quotas, outcomes=self.outcomes, metrics=metrics),
            metrics=metrics,
            clock=clock,
            ids=SequentialIds(),
        )

    async def take(self, body: bytes) -> str | None:
        return (await self.send(body)).event_id

    async def send(self, body: bytes, user_agent: str = "") -> Receipt:
        sender = Sender(
            project=self.project,
            key=self.project.keys[0],
            address="203.0.113.77",
            user_agent=user_agent,
        )
        return await self.intake.take_envelope(sender, body)

    def count(self, type: str, outcome: str) -> float:
        name = "resumatch_monitor_errors_items_total"
        labels = {"type": type, "outcome": outcome}
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0


def make_envelope(*items: tuple[Mapping[str, Any], bytes], **headers: Any) -> bytes:
    lines = [orjson.dumps(headers)]
    for header, payload in items:
        lines += [orjson.dumps({**header, "length": len(payload)}), payload]
    return b"\n".join(lines)


async def test_every_kind_goes_to_its_own_sink(clock: FakeClock) -> None:
    door = Door(clock, *ItemKind)
    items = [({"type": kind.value}, b'{"a":1}') for kind in ItemKind]

    event_id = await door.take(make_envelope(*items, event_id=_EVENT_ID))

    assert event_id == _EVENT_ID
    for kind, sink in door.sinks.items():
        assert [record.kind for record in sink.records] == [kind]
    records = [sink.records[0] for sink in door.sinks.values()]
    assert len({record.item_id for record in records}) == len(records)
    assert door.sinks[ItemKind.EVENT].records[0].item_id == _EVENT_ID
    assert {record.project_id for record in records} == {7}
    assert {record.client_address for record in records} == {"203.0.113.0"}
    assert {record.received_at for record in records} == {clock.now()}


async def test_a_kind_without_a_sink_is_counted(clock: FakeClock) -> None:
    door = Door(clock, ItemKind.EVENT)

    await door.take(make_envelope(({"type": "session"}, b"{}"), ({"type": "span"}, b"{}")))

    assert (door.count("session", "not_stored"), door.count("span", "not_stored")) == (1, 1)


@pytest.mark.parametrize(
    ("type_in_payload", "kind"),
    [
        ("transaction", ItemKind.TRANSACTION),
        ("feedback", ItemKind.FEEDBACK),
        ("error", ItemKind.EVENT),
    ],
)
async def test_an_event_is_what_its_payload_says(
    clock: FakeClock, type_in_payload: str, kind: ItemKind
) -> None:
    door = Door(clock, *ItemKind)
    payload = orjson.dumps({"type": type_in_payload, "event_id": _EVENT_ID})

    await door.take(make_envelope(({"type": "event"}, payload)))

    assert [record.event_id for record in door.sinks[kind].records] == [_EVENT_ID]


async def test_what_comes_before_an_event_belongs_to_it(clock: FakeClock) -> None:
    door = Door(clock, ItemKind.EVENT, ItemKind.ATTACHMENT)
    event = orjson.dumps({"event_id": _EVENT_ID, "message": "m"})

    event_id = await door.take(
        make_envelope(
            ({"type": "attachment", "filename": "a.txt"}, b"one\ntwo"), ({"type": "event"}, event)
        )
    )

    (attachment,) = door.sinks[ItemKind.ATTACHMENT].records
    assert (event_id, attachment.event_id) == (_EVENT_ID, _EVENT_ID)
    assert attachment.payload == b"one\ntwo"
    assert attachment.headers["filename"] == "a.txt"


async def test_the_trace_header_goes_with_every_item(clock: FakeClock) -> None:
    door = Door(clock, ItemKind.EVENT, ItemKind.SPAN)
    items = ({"type": "event"}, b'{"message":"m"}'), ({"type": "span"}, b"{}")

    await door.take(make_envelope(*items, trace={"trace_id": "t", "sample_rate": "0.1"}))
    await door.take(make_envelope(*items, trace={"trace_id": "t" * 10_000}))

    for kind in (ItemKind.EVENT, ItemKind.SPAN):
        first, second = door.sinks[kind].records
        assert first.headers["trace"] == {"trace_id": "t", "sample_rate": "0.1"}
        assert "trace" not in second.headers


async def test_a_second_event_does_not_take_the_id_of_the_first(clock: FakeClock) -> None:
    door = Door(clock, ItemKind.EVENT)

    await door.take(
        make_envelope(*[({"type": "event"}, b'{"message":"m"}')] * 2, event_id=_EVENT_ID)
    )

    first, second = door.sinks[ItemKind.EVENT].records
    assert first.item_id == _EVENT_ID != second.item_id


@pytest.mark.parametrize("kind", [ItemKind.FEEDBACK, ItemKind.TRANSACTION])
async def test_an_id_that_two_projects_are_sent_counts_in_each_and_once(
    clock: FakeClock, kind: ItemKind
) -> None:
    body = make_envelope(({"type": "event"}, b'{"type":"%s"}' % kind.encode()), event_id=_EVENT_ID)
    one, other = (
        Door(clock, kind, project=ProjectConfig(id=number, slug=f"p{number}", key="a" * 32))
        for number in (7, 8)
    )

    for door in (one, one, other):
        await door.take(body)

    first, again, elsewhere = one.sinks[kind].records + other.sinks[kind].records
    assert first.item_id == again.item_id != elsewhere.item_id
    assert {first.event_id, elsewhere.event_id} == {_EVENT_ID}


async def test_what_found_no_room_uses_up_no_quota(clock: FakeClock) -> None:
    rule = {"category": "error", "limit": 1, "window": "1h"}
    project = ProjectConfig.model_validate(
        {"id": 7, "slug": "shop", "key": "a" * 32, "quotas": [rule]}
    )
    door = Door(clock, ItemKind.EVENT, project=project)
    body = make_envelope(({"type": "event"}, b'{"message":"m"}'))
    door.sinks[ItemKind.EVENT].failure = SpoolFullError(FullReason.DISK, "no room")

    for _ in range(3):
        with pytest.raises(SpoolFullError):
            await door.take(body)
    door.sinks[ItemKind.EVENT].failure = None
    receipt = await door.send(body)

    assert len(door.sinks[ItemKind.EVENT].records) == 1
    assert receipt.limits == ()


async def test_of_single_sessions_a_hundred_are_taken(clock: FakeClock) -> None:
    door = Door(clock, ItemKind.SESSION)

    await door.take(make_envelope(*[({"type": "session"}, b"{}")] * 120))

    assert len(door.sinks[ItemKind.SESSION].records) == 100
    assert door.count("session", "too_many") == 20


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [
        (ItemKind.EVENT, 1024 * 1024),
        (ItemKind.CHECK_IN, 100 * 1024),
        (ItemKind.ATTACHMENT, 2_000_000),
    ],
)
async def test_an_item_that_is_too_large_is_refused_and_nothing_else(
    clock: FakeClock, kind: ItemKind, allowed: int
) -> None:
    door = Door(clock, *ItemKind, limits=ItemLimits(attachment_max_bytes=2_000_000))
    large = ({"type": kind.value}, b'{"a":"' + b"x" * allowed + b'"}')

    with pytest.raises(ItemTooLargeError):
        await door.take(make_envelope(large))
    await door.take(make_envelope(large, ({"type": "session"}, b"{}")))

    assert door.sinks[kind].records == []
    assert len(door.sinks[ItemKind.SESSION].records) == 1
    assert door.count(kind.value, "too_large") == 2


@pytest.mark.parametrize("kind", [ItemKind.EVENT, ItemKind.TRANSACTION])
@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"{}", b"null", b"\xff"])
async def test_what_must_be_an_event_and_is_none_is_refused(
    clock: FakeClock, kind: ItemKind, payload: bytes
) -> None:
    door = Door(clock, *ItemKind)

    with pytest.raises(MalformedError):
        await door.take(make_envelope(({"type": kind.value}, payload)))


async def test_what_is_not_kept_is_counted(clock: FakeClock) -> None:
    door = Door(clock, ItemKind.EVENT)

    await door.take(make_envelope(({"type": "profile"}, b"{}"), ({"type": "replay_event"}, b"{}")))
    await door.outcomes.flush()

    assert door.tallies.quantities == {
        (Category.PROFILE, Outcome.FILTERED, "not-kept"): 1,
        (Category.REPLAY, Outcome.FILTERED, "not-kept"): 1,
    }


async def test_what_belongs_to_an_event_goes_with_it(clock: FakeClock) -> None:
    project = _PROJECT.model_copy(update={"filters": FilterSettings(messages=["*nobody cares*"])})
    door = Door(clock, ItemKind.EVENT, ItemKind.ATTACHMENT, project=project)
    attachment = ({"type": "attachment"}, b"12345")

    await door.take(
        make_envelope(attachment, ({"type": "event"}, b'{"message":"nobody cares, really"}'))
    )
    with pytest.raises(MalformedError):
        await door.take(make_envelope(attachment, ({"type": "event"}, b"{")))
    await door.outcomes.flush()

    assert door.sinks[ItemKind.ATTACHMENT].records == []
    assert door.tallies.quantities == {
        (Category.ERROR, Outcome.FILTERED, "error-message"): 1,
        (Category.ATTACHMENT, Outcome.FILTERED, "error-message"): 5,
        (Category.ERROR, Outcome.INVALID, "malformed"): 1,
        (Category.ATTACHMENT, Outcome.INVALID, "malformed"): 5,
    }


async def test_streamed_spans_of_health_checks_are_left_out(clock: FakeClock) -> None:
    door = Door(clock, ItemKind.SPAN)
    check = {"attributes": {"sentry.segment.name": {"value": "GET /healthz"}}}
    payload = orjson.dumps({"version": 2, "items": [check, {"name": "work"}, check]})

    await door.take(make_envelope(({"type": "span", "item_count": 3}, payload)))
    await door.outcomes.flush()

    (record,) = door.sinks[ItemKind.SPAN].records
    assert orjson.loads(record.payload)["items"] == [{"name": "work"}]
    assert door.tallies.quantities == {
        (Category.SPAN, Outcome.FILTERED, "filtered-transaction"): 2,
        (Category.SPAN, Outcome.ACCEPTED, ""): 1,
    }


async def test_the_browser_of_a_request_goes_with_an_event_that_names_none(
    clock: FakeClock,
) -> None:
    door = Door(clock, ItemKind.EVENT, ItemKind.TRANSACTION)
    browser = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
    body = make_envelope(
        ({"type": "event"}, b'{"platform":"javascript"}'),
        ({"type": "event"}, b'{"platform":"python"}'),
        ({"type": "transaction"}, b'{"platform":"javascript","type":"transaction"}'),
    )

    await door.send(body, browser)

    headers = [record.headers for sink in door.sinks.values() for record in sink.records]
    assert [each.get("user_agent") for each in headers] == [browser, None, None]
