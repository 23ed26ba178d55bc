"""Renders issues and events as docs/http-api.md describes them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from resumatch_monitor.errortracking.issues import Issue, IssueDetail, StoredEvent
from resumatch_monitor.errortracking.model import ExceptionInfo, Frame
from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.workflow.model import (
    Archive,
    default_priority,
    find_substatus,
)
from resumatch_monitor.kit.clock import isoformat, isoformat_or_none, to_milliseconds
from resumatch_monitor.sentry.timestamps import parse_timestamp
from resumatch_monitor.sentry.values import (
    as_dict,
    as_list,
    as_text,
    list_of_pairs,
    list_of_values,
)


def present_issue(issue: Issue, now: datetime) -> dict[str, Any]:
    """Render ISSUE."""
    return {
        "id": str(issue.id),
        "short_id": issue.short_id,
        "project": {"id": issue.project_id, "slug": issue.project_slug},
        "category": issue.category,
        "issue_type": issue.issue_type,
        "type": issue.type,
        "value": issue.value,
        "culprit": issue.culprit,
        "level": issue.level,
        "status": issue.status.value,
        "is_regressed": issue.is_regressed,
        "is_handled": issue.is_handled,
        "event_count": issue.event_count,
        "user_count": issue.user_count,
        "first_seen_at": isoformat(issue.first_seen_at),
        "last_seen_at": isoformat(issue.last_seen_at),
        "first_release": issue.first_release,
        "last_release": issue.last_release,
        "sparkline": list(issue.sparkline),
        "resolved_at": isoformat_or_none(issue.resolved_at),
        "is_synthetic": issue.is_synthetic,
        "stored_count": issue.stored_count,
        **present_workflow(issue, now),
    }


def present_workflow(issue: Issue, now: datetime) -> dict[str, Any]:
    """Render what people decided about an issue."""
    substatus = find_substatus(
        issue.status,
        is_regressed=issue.is_regressed,
        is_escalating=issue.is_escalating,
        first_seen_at=issue.first_seen_at,
        now=now,
    )
    return {
        "substatus": None if substatus is None else substatus.value,
        "resolution": (
            {
                "kind": issue.resolution,
                "release": issue.resolution_release,
                "commit": issue.resolution_commit,
            }
            if issue.resolution
            else None
        ),
        "archive": _present_archive(issue),
        "assignee": issue.assignee,
        "priority": issue.priority or default_priority(issue.level).value,
        "revision": issue.revision,
    }


def _present_archive(issue: Issue) -> dict[str, Any] | None:
    if not issue.archive:
        return None
    archive = Archive.from_json(issue.archive)
    window, events, users = archive.window, archive.events, archive.users
    if window is None and events is not None:
        events = max(0, events - issue.event_count)
    return {
        "kind": archive.kind.value,
        "until": isoformat_or_none(archive.until),
        "events": events,
        "users": None if users is None else max(0, users - issue.user_count),
        "window_seconds": None if window is None else window.total_seconds(),
    }


def present_detail(detail: IssueDetail, now: datetime) -> dict[str, Any]:
    """Render ISSUE with what its page adds."""
    return {
        **present_issue(detail.issue, now),
        "title": detail.issue.title,
        "environments": list(detail.environments),
        "releases": [
            {
                "version": each.version,
                "first_seen_at": isoformat(each.first_seen_at),
                "event_count": each.event_count,
            }
            for each in detail.releases
        ],
        "tags": [
            {
                "key": tag.key,
                "total": tag.total,
                "values": [{"value": value, "count": count} for value, count in tag.values],
            }
            for tag in detail.tags
        ],
        "activity": [
            {"at": isoformat(each.at), "kind": each.kind, "actor": each.actor, "text": each.text}
            for each in detail.activity
        ],
        "grouping": {"version": detail.grouping_version, "explanation": detail.explanation},
        "counts": {
            "t": [to_milliseconds(at) for at, _ in detail.counts],
            "v": [count for _, count in detail.counts],
        },
    }


def present_event(
    stored: StoredEvent, describe_frame: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    """Render EVENT.

    Args:
        stored: The event.
        describe_frame: Returns what else there is to say of one of its frames.
    """
    event = normalise(stored.raw)
    contexts = as_dict(stored.raw.get("contexts"))
    return {
        "event_id": stored.event_id,
        "previous_event_id": stored.previous_event_id,
        "next_event_id": stored.next_event_id,
        "occurred_at": isoformat(stored.occurred_at),
        "received_at": isoformat(stored.received_at),
        "level": event.level,
        "platform": event.platform,
        "release": event.release or None,
        "environment": event.environment or None,
        "server_name": event.server_name or None,
        "transaction": event.transaction or None,
        "sdk": {"name": event.sdk_name, "version": event.sdk_version},
        "message": event.message,
        "exceptions": [
            _present_exception(each, describe_frame) for each in reversed(event.exceptions)
        ],
        "breadcrumbs": _present_breadcrumbs(stored.raw.get("breadcrumbs")),
        "tags": [{"key": key, "value": value} for key, value in event.tags],
        "user": event.user or None,
        "request": _present_request(as_dict(stored.raw.get("request"))),
        "contexts": contexts,
        "extra": as_dict(stored.raw.get("extra")),
        "trace_id": as_text(as_dict(contexts.get("trace")).get("trace_id")) or None,
        "scrubbed": list(stored.scrubbed),
    }


def _present_exception(
    each: ExceptionInfo, describe_frame: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    return {
        "type": each.type,
        "value": each.value,
        "module": each.module,
        "handled": each.handled,
        "mechanism": each.mechanism,
        "frames": [
            {**_present_frame(frame), **describe_frame(frame.raw)}
            for frame in reversed(each.frames)
        ],
    }


def _present_frame(frame: Frame) -> dict[str, Any]:
    return {
        "function": frame.function,
        "module": frame.module,
        "filename": frame.filename,
        "abs_path": frame.abs_path,
        "line": frame.line,
        "column": frame.column,
        "in_app": frame.in_app,
        "context_line": frame.context_line,
        "pre_context": frame.pre_context,
        "post_context": frame.post_context,
        "vars": frame.vars,
    }


def _present_breadcrumbs(value: object) -> list[dict[str, Any]]:
    crumbs: list[dict[str, Any]] = []
    for crumb in map(as_dict, list_of_values(value)):
        at = parse_timestamp(crumb.get("timestamp"))
        crumbs.append(
            {
                "at": isoformat_or_none(at),
                "category": as_text(crumb.get("category")),
                "type": as_text(crumb.get("type")) or "default",
                "level": as_text(crumb.get("level")) or "info",
                "message": as_text(crumb.get("message")),
                "data": as_dict(crumb.get("data")),
            }
        )
    return crumbs


def _present_request(request: dict[str, Any]) -> dict[str, Any] | None:
    if not request:
        return None
    return {
        "method": as_text(request.get("method")),
        "url": as_text(request.get("url")),
        "query": as_text(request.get("query_string")),
        "headers": [
            [name, as_text(value) or ", ".join(map(as_text, as_list(value)))]
            for name, value in list_of_pairs(request.get("headers"))
        ],
        "data": request.get("data"),
    }
