"""Payloads of events as they are stored: zstd, with dictionaries learned from earlier events.

The events of a project resemble each other far more than the parts of one event do, so a
dictionary makes them several times smaller, and packs them in half the time. A dictionary is
never changed; better ones get new ids, and each event says which one it needs.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
import zstandard
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import OperationalError

from resumatch_monitor.errortracking.store import DigestedEvent
from resumatch_monitor.storage.sql.database import Database, DatabaseFullError
from resumatch_monitor.storage.sql.issues_write import CompressedEvent
from resumatch_monitor.storage.sql.tables.errors import PAYLOAD_DICTIONARIES

logger = logging.getLogger(__name__)

NO_DICTIONARY = 0
_LEVEL = 3
_DICTIONARY_BYTES = 64 * 1024
_PAYLOAD_MAX_BYTES = 64 * 1024 * 1024
_SAMPLES = 200
_SAMPLE_MAX_BYTES = 16 * 1024
_PROJECTS_LEARNING_MAX = 8
_PROJECTS_MAX = 64
_READERS_MAX = 64
_LOOK_AFTER = 2_000
_WORSE = 1.25


@dataclass(slots=True)
class _Project:
    """What is known of how a project's events pack.

    Attributes:
        samples: Events for the next dictionary, None while none is wanted.
        good_ratio: Packed to raw size just after the dictionary was made; None before that.
        raw_bytes: Of the events since the last look.
    """

    dict_id: int = NO_DICTIONARY
    compressor: zstandard.ZstdCompressor | None = None
    samples: list[bytes] | None = None
    good_ratio: float | None = None
    raw_bytes: int = 0
    packed_bytes: int = 0
    events: int = 0


class PayloadPacker:
    """Packs events and learns from them; one thread at a time.

    After each `look_after` events of a project it looks whether the dictionary still suits them.
    """

    def __init__(self, database: Database, *, look_after: int = _LOOK_AFTER) -> None:
        self._look_after = look_after
        self._database = database
        self._plain = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=False)
        # Who was quiet longest comes first.
        self._projects: OrderedDict[int, _Project] = OrderedDict()

    def pack_all(self, events: Sequence[DigestedEvent]) -> list[CompressedEvent]:
        """Pack events, learning from them; blocks, also for the database now and then."""
        return [self._pack(event) for event in events]

    def _pack(self, event: DigestedEvent) -> CompressedEvent:
        project = self._projects.get(event.project_id)
        if project is None:
            project = self._projects[event.project_id] = self._load(event.project_id)
            if len(self._projects) > _PROJECTS_MAX:
                self._projects.popitem(last=False)
        self._projects.move_to_end(event.project_id)
        compressor = project.compressor or self._plain
        packed = compressor.compress(event.payload)
        packed_event = CompressedEvent(event, project.dict_id, packed)
        self._learn(event, project, len(packed))
        return packed_event

    def _load(self, project_id: int) -> _Project:
        columns = PAYLOAD_DICTIONARIES.c
        newest = (
            select(columns.id, columns.content)
            .where(columns.project_id == project_id)
            .order_by(columns.id.desc())
            .limit(1)
        )
        row = self._database.read_blocking(lambda connection: connection.execute(newest).first())
        if row is None:
            return _Project(samples=self._begin_samples())
        return _Project(row.id, _make_compressor(row.content))

    def _learn(self, event: DigestedEvent, project: _Project, packed: int) -> None:
        project.events += 1
        project.raw_bytes += len(event.payload)
        project.packed_bytes += packed
        if project.samples is not None:
            project.samples.append(event.payload[:_SAMPLE_MAX_BYTES])
            if len(project.samples) >= _SAMPLES:
                self._train(event, project)
        elif project.events >= self._look_after:
            self._look(project)

    def _look(self, project: _Project) -> None:
        """Collect samples again if events no longer resemble those of the dictionary."""
        ratio = project.packed_bytes / max(1, project.raw_bytes)
        if project.compressor is None:
            # It had to make room for others, or its events had nothing in common.
            project.samples = self._begin_samples()
        elif project.good_ratio is None:
            project.good_ratio = ratio
        elif ratio > _WORSE * project.good_ratio:
            project.samples = self._begin_samples()
        project.events = project.raw_bytes = project.packed_bytes = 0

    def _begin_samples(self) -> list[bytes]:
        """Return room for samples; if too many learn, who was quiet longest gives up theirs.

        A project that sends no more would be in the way of the others for ever.
        """
        learning = [each for each in self._projects.values() if each.samples is not None]
        if len(learning) >= _PROJECTS_LEARNING_MAX:
            learning[0].samples = None
        return []

    def _train(self, event: DigestedEvent, project: _Project) -> None:
        samples, project.samples = project.samples or [], None
        project.events = project.raw_bytes = project.packed_bytes = 0
        project.good_ratio = None
        try:
            content = zstandard.train_dictionary(_DICTIONARY_BYTES, cast("Any", samples)).as_bytes()
        except zstandard.ZstdError:
            # Too little, or nothing in common; what there is goes on being used.
            return
        row = {
            "project_id": event.project_id,
            "made_at": event.received_at,
            "content": content,
        }
        query = insert(PAYLOAD_DICTIONARIES).values(row).returning(PAYLOAD_DICTIONARIES.c.id)
        try:
            # Durable before anything needs it.
            project.dict_id = self._database.write_blocking(
                lambda connection: connection.execute(query).scalar_one()
            )
        except (DatabaseFullError, OperationalError) as error:
            logger.warning("A dictionary could not be kept: %s", error)
            return
        project.compressor = _make_compressor(content)


class PayloadReader:
    """Unpacks what is stored; any thread."""

    def __init__(self) -> None:
        self._dictionaries: OrderedDict[int, zstandard.ZstdCompressionDict] = OrderedDict()
        self._lock = threading.Lock()

    def unpack(self, connection: Connection, dict_id: int, payload: bytes) -> Any:
        """Return the JSON value of a stored payload.

        Raises:
            LookupError: If its dictionary is not there.
            zstandard.ZstdError: If it is damaged.
        """
        decompressor = zstandard.ZstdDecompressor(
            dict_data=self._find_dictionary(connection, dict_id)
        )
        return orjson.loads(decompressor.decompress(payload, max_output_size=_PAYLOAD_MAX_BYTES))

    def _find_dictionary(
        self, connection: Connection, dict_id: int
    ) -> zstandard.ZstdCompressionDict | None:
        if dict_id == NO_DICTIONARY:
            return None
        with self._lock:
            found = self._dictionaries.get(dict_id)
        if found is not None:
            return found
        columns = PAYLOAD_DICTIONARIES.c
        content = connection.scalar(select(columns.content).where(columns.id == dict_id))
        if content is None:
            raise LookupError(f"the dictionary {dict_id} is not there")
        found = zstandard.ZstdCompressionDict(content)
        with self._lock:
            self._dictionaries[dict_id] = found
            while len(self._dictionaries) > _READERS_MAX:
                self._dictionaries.popitem(last=False)
        return found


def _make_compressor(content: bytes) -> zstandard.ZstdCompressor:
    dictionary = zstandard.ZstdCompressionDict(content)
    cast("Any", dictionary).precompute_compress(level=_LEVEL)
    return zstandard.ZstdCompressor(
        level=_LEVEL, dict_data=dictionary, write_checksum=False, write_dict_id=False
    )
