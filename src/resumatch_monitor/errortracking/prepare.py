"""From a record of the spool to an event that is ready to be stored; pure."""

import hashlib
from datetime import timedelta
from typing import Any

import orjson

from resumatch_monitor.errortracking.clients import add_client
from resumatch_monitor.errortracking.grouping.project import ProjectGrouping, group_event
from resumatch_monitor.errortracking.model import Event, ExceptionInfo
from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.store import DigestedEvent
from resumatch_monitor.errortracking.user_agents import UserAgents
from resumatch_monitor.sentry.addresses import place_address
from resumatch_monitor.sentry.items import ItemRecord, RecordError
from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.sentry.timestamps import correct_clock, parse_timestamp
from resumatch_monitor.sentry.trace_ids import read_span_id, read_trace_id
from resumatch_monitor.sentry.user_agents import USER_AGENT_HEADER
from resumatch_monitor.sentry.values import as_dict, as_text

_TITLE_MAX = 200
_VALUE_MAX = 500
_LABEL_MAX = 120


def prepare(
    record: ItemRecord,
    *,
    scrubber: Scrubber,
    projects: Projects,
    retention: timedelta,
    grouping: ProjectGrouping,
    agents: UserAgents,
) -> DigestedEvent:
    """Read, scrub, normalise and group the event in a record.

    Raises:
        RecordError: If there is no event in it.
        orjson.JSONDecodeError: If it cannot be read.
    """
    raw = as_dict(parse_json(record.payload)[0])
    if not raw:
        raise RecordError("the record's event is empty or not an object")
    raw = place_address(raw, record.client_address)
    raw = add_client(raw, as_text(record.headers.get(USER_AGENT_HEADER)), agents)
    user_hash = hash_user(record.project_id, as_dict(raw.get("user")))
    cleaned = scrubber.clean(raw)
    event = normalise(cleaned.event)
    return _digest(
        record,
        event,
        slug=projects.slug(record.project_id),
        user_hash=user_hash,
        scrubbed=cleaned.scrubbed,
        retention=retention,
        how=grouping,
    )


def hash_user(project_id: int, user: dict[str, Any]) -> bytes | None:
    """Return what tells a user apart without telling who it is; None if nothing does."""
    for key in ("id", "username", "email", "ip_address"):
        value = as_text(user.get(key))
        if value and value != "{{auto}}":
            text = f"{project_id}\x00{key}\x00{value}"
            return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()
    return None


def _digest(
    record: ItemRecord,
    event: Event,
    *,
    slug: str,
    user_hash: bytes | None,
    scrubbed: tuple[str, ...],
    retention: timedelta,
    how: ProjectGrouping,
) -> DigestedEvent:
    grouped = group_event(event, how)
    grouping = grouped.grouping
    trace = as_dict(as_dict(event.raw.get("contexts")).get("trace"))
    kind, value = (grouped.title, "") if grouped.title else describe(event)
    occurred_at = correct_clock(
        parse_timestamp(event.raw.get("timestamp")),
        sent_at=record.sent_at,
        received_at=record.received_at,
        oldest=retention,
    )
    return DigestedEvent(
        project_id=record.project_id,
        project_slug=slug,
        event_id=record.event_id,
        occurred_at=occurred_at,
        received_at=record.received_at,
        grouping_version=grouping.version,
        grouping_key=grouping.key,
        explanation=_encodable(grouping.explanation[:2_000]),
        type=_encodable(kind[:_TITLE_MAX]),
        value=_encodable(_one_line(value)[:_VALUE_MAX]),
        culprit=_encodable(find_culprit(event)[:_TITLE_MAX]),
        level=event.level,
        platform=_encodable(event.platform),
        is_handled=event.is_handled,
        is_synthetic=event.is_synthetic,
        message=_encodable(_one_line(event.message or value)[:_VALUE_MAX]),
        release=_encodable(event.release),
        environment=_encodable(event.environment),
        user_hash=user_hash,
        user_label=_encodable(_label_user(event.user)),
        tags=tuple((_encodable(key), _encodable(value)) for key, value in event.tags),
        payload=orjson.dumps({"event": event.raw, "scrubbed": scrubbed}),
        previous_key=grouped.previous_key,
        trace_id=read_trace_id(trace.get("trace_id")),
        span_id=read_span_id(trace.get("span_id")),
    )


def describe(event: Event) -> tuple[str, str]:
    """Return the type and value that stand for an event in lists."""
    if event.exceptions:
        raised = event.exceptions[-1]
        # For the stack of a message, JavaScript's SDKs make an exception without a type.
        if raised.type or (raised.value and raised.value != event.message):
            return raised.type or "Error", raised.value or event.message
    if event.message:
        return event.logger or "Message", event.message
    if event.exceptions and event.exceptions[-1].frames:
        return "Stack trace", find_culprit(event)
    return event.transaction or "Event without a message", ""


def find_culprit(event: Event) -> str:
    """Return where it happened: the application's own innermost call, else the transaction."""
    for each in reversed(event.exceptions):
        place = _innermost_call(each)
        if place:
            return place
    return event.transaction


def _innermost_call(each: ExceptionInfo) -> str:
    own = [frame for frame in each.frames if frame.in_app] or list(each.frames)
    if not own:
        return ""
    frame = own[-1]
    where = frame.module or frame.filename
    # JavaScript's SDKs call a function without a name so.
    function = "" if frame.function == "?" else frame.function
    return f"{where} in {function}" if where and function else where or frame.function


def _label_user(user: dict[str, Any]) -> str:
    for key in ("id", "username", "name"):
        label = as_text(user.get(key))
        if label:
            return label[:_LABEL_MAX]
    return ""


def _one_line(text: str) -> str:
    return " ".join(text[:4_000].split())


def _encodable(text: str) -> str:
    """Return `text` without the NULs that databases refuse."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}") if "\x00" in text else text
