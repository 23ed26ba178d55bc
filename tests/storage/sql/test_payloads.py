from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from sqlalchemy import select

from resumatch_monitor.errortracking.grouping.project import ProjectGrouping
from resumatch_monitor.errortracking.prepare import prepare
from resumatch_monitor.errortracking.store import DigestedEvent
from resumatch_monitor.errortracking.user_agents import UserAgents
from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.payloads import NO_DICTIONARY, PayloadPacker, PayloadReader
from resumatch_monitor.storage.sql.tables.errors import PAYLOAD_DICTIONARIES
from tests.support.errors import make_event, make_exception, make_frame

_NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def digest(number: int, *, project: int = 1, **over: Any) -> DigestedEvent:
    frames = [
        make_frame(f"function_{index}", vars={"n": f"{number}-{index}"}) for index in range(8)
    ]
    event = make_event(
        number, exception={"values": [make_exception(stacktrace={"frames": frames})]}, **over
    )
    record = ItemRecord(
        ItemKind.EVENT, project, f"{number:032x}", _NOW, orjson.dumps(event), f"{number:032x}"
    )
    return prepare(
        record,
        scrubber=Scrubber(),
        projects=Projects([]),
        retention=timedelta(days=90),
        grouping=ProjectGrouping(),
        agents=UserAgents(),
    )


def unpack_all(database: Database, packed: Sequence[Any]) -> list[bytes]:
    reader = PayloadReader()
    return database.read_blocking(
        lambda connection: [
            orjson.dumps(reader.unpack(connection, each.dict_id, each.payload)) for each in packed
        ]
    )


def count_dictionaries(database: Database) -> int:
    query = select(PAYLOAD_DICTIONARIES.c.id)
    return len(database.read_blocking(lambda connection: connection.execute(query).all()))


def test_what_is_packed_before_and_after_a_dictionary_is_made_comes_back(
    database: Database,
) -> None:
    packer = PayloadPacker(database)
    events = [digest(number) for number in range(260)]

    packed = packer.pack_all(events)

    assert packed[0].dict_id == NO_DICTIONARY
    assert packed[-1].dict_id != NO_DICTIONARY
    assert len(packed[-1].payload) < len(packed[0].payload) / 2
    assert unpack_all(database, packed) == [event.payload for event in events]


def test_a_dictionary_is_used_again_after_a_restart(database: Database) -> None:
    PayloadPacker(database).pack_all([digest(number) for number in range(260)])

    packed = PayloadPacker(database).pack_all([digest(999)])

    assert packed[0].dict_id != NO_DICTIONARY
    assert count_dictionaries(database) == 1


def test_projects_have_dictionaries_of_their_own(database: Database) -> None:
    packer = PayloadPacker(database)
    packed = packer.pack_all([digest(number, project=1 + number % 2) for number in range(500)])

    assert packed[-1].dict_id != packed[-2].dict_id
    assert count_dictionaries(database) == 2


def test_a_new_dictionary_is_made_once_events_no_longer_resemble_the_old(
    database: Database,
) -> None:
    packer = PayloadPacker(database, look_after=50)
    packer.pack_all([digest(number) for number in range(300)])
    others = [
        digest(number, extra={f"k{n}": f"{number * n:x} something else" for n in range(80)})
        for number in range(320)
    ]

    packed = packer.pack_all(others)

    assert count_dictionaries(database) == 2
    assert unpack_all(database, packed[-3:]) == [event.payload for event in others[-3:]]


def test_many_new_projects_do_not_all_learn_at_once(database: Database) -> None:
    event = digest(1)

    def send(project: int, count: int) -> None:
        numbers = range(count)
        packer.pack_all(
            [
                replace(event, project_id=project, payload=event.payload + b" %d" % n)
                for n in numbers
            ]
        )

    packer = PayloadPacker(database, look_after=250)
    for project in range(1, 10):
        send(project, 1)

    send(1, 220)
    # It was quiet when the ninth came, and that one learns in its place.
    assert count_dictionaries(database) == 0
    send(9, 220)
    assert count_dictionaries(database) == 1
    # Its turn comes again, although the others are silent since.
    send(1, 260)
    assert count_dictionaries(database) == 2


def test_a_payload_whose_dictionary_is_missing_says_so(database: Database) -> None:
    with pytest.raises(LookupError):
        database.read_blocking(lambda connection: PayloadReader().unpack(connection, 77, b"x"))
