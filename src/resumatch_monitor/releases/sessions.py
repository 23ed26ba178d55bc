"""Reads `session` and `sessions` items.

https://develop.sentry.dev/sdk/telemetry/sessions/
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

import orjson
import xxhash

from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.timestamps import correct_clock, parse_timestamp
from resumatch_monitor.sentry.values import as_dict, as_int, as_list, as_text

_OLDEST = timedelta(days=5)
_MOST_AGGREGATES = 1_000
_LARGEST_COUNT = 1_000_000_000
_LONGEST_VERSION = 200
_LONGEST_ENVIRONMENT = 64
_DEFAULT_ENVIRONMENT = "production"


class SessionError(Exception):
    """The item is about no session of a release; the message says why, without quoting it."""


class Ending(IntEnum):
    """How a session went; the worst that was said of one counts."""

    HEALTHY = 0
    ERRORED = 1
    ABNORMAL = 2
    CRASHED = 3


@dataclass(frozen=True, slots=True)
class SessionGroup:
    """What sessions are counted by; `hour` is when they began."""

    project_id: int
    version: str
    environment: str
    hour: datetime


@dataclass(frozen=True, slots=True)
class SessionUpdate:
    """What was said of a session, or of many that were counted by the SDK.

    Attributes:
        sid: Tells it from others, 16 bytes; None for those that were counted.
        user: A hash of who it was, 64 bits; None if that is not known.
    """

    item_id: str
    group: SessionGroup
    ending: Ending
    sid: bytes | None = None
    user: int | None = None
    count: int = 1


def read_sessions(record: ItemRecord) -> list[SessionUpdate]:
    """Return what a record says.

    Raises:
        SessionError: If it is not JSON or names no release.
    """
    try:
        payload = as_dict(parse_json(record.payload)[0])
    except orjson.JSONDecodeError as error:
        raise SessionError("it is not JSON") from error
    attributes = as_dict(payload.get("attrs"))
    version = _clean(as_text(attributes.get("release")), _LONGEST_VERSION)
    if not version:
        raise SessionError("it names no release")
    environment = _clean(as_text(attributes.get("environment")), _LONGEST_ENVIRONMENT)

    def group(started: object) -> SessionGroup:
        at = correct_clock(
            parse_timestamp(started),
            sent_at=record.sent_at,
            received_at=record.received_at,
            oldest=_OLDEST,
        )
        hour = at.replace(minute=0, second=0, microsecond=0)
        return SessionGroup(record.project_id, version, environment or _DEFAULT_ENVIRONMENT, hour)

    if record.kind is ItemKind.SESSIONS:
        updates: list[SessionUpdate] = []
        for each in as_list(payload.get("aggregates"))[:_MOST_AGGREGATES]:
            counted = as_dict(each)
            updates += _read_counts(record, counted, group(counted.get("started")))
        return updates
    sid = as_text(payload.get("sid"))
    return [
        SessionUpdate(
            item_id=record.item_id,
            group=group(payload.get("started") or payload.get("timestamp")),
            ending=_read_ending(payload),
            sid=_hash_sid(record.project_id, sid) if sid else None,
            user=_hash_user(record.project_id, payload.get("did")),
        )
    ]


def _read_counts(
    record: ItemRecord, counted: dict[str, Any], group: SessionGroup
) -> list[SessionUpdate]:
    user = _hash_user(record.project_id, counted.get("did"))
    counts = {
        Ending.HEALTHY: _read_count(counted, "exited"),
        Ending.ERRORED: _read_count(counted, "errored") + _read_count(counted, "unhandled"),
        Ending.ABNORMAL: _read_count(counted, "abnormal"),
        Ending.CRASHED: _read_count(counted, "crashed"),
    }
    return [
        SessionUpdate(record.item_id, group, ending, user=user, count=count)
        for ending, count in counts.items()
        if count
    ]


def _read_count(counted: dict[str, Any], name: str) -> int:
    return max(0, min(_LARGEST_COUNT, as_int(counted.get(name)) or 0))


def _read_ending(payload: dict[str, Any]) -> Ending:
    status = as_text(payload.get("status"))
    if status == "crashed":
        return Ending.CRASHED
    if status == "abnormal":
        return Ending.ABNORMAL
    has_errors = (as_int(payload.get("errors")) or 0) > 0
    is_errored = has_errors or status in ("errored", "unhandled")
    return Ending.ERRORED if is_errored else Ending.HEALTHY


def _hash_sid(project_id: int, sid: str) -> bytes:
    text = f"{project_id}:{sid.replace('-', '').lower()}"
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()


def _hash_user(project_id: int, did: object) -> int | None:
    name = as_text(did)
    return (
        xxhash.xxh3_64_intdigest(f"{project_id}:{name}".encode("utf-8", "replace"))
        if name
        else None
    )


def _clean(text: str, longest: int) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", "", text[: longest * 2]).strip()[:longest]
