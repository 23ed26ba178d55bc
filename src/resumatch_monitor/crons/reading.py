"""Reads `check_in` items, whoever sent them."""

import math
import re
from datetime import timedelta

import orjson

from resumatch_monitor.crons.model import CheckIn, JobConfig, RunStatus
from resumatch_monitor.crons.schedule import Schedule, ScheduleError, read_crontab, read_interval
from resumatch_monitor.sentry.items import ItemRecord
from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.values import as_dict, as_int, as_text

DEFAULT_ENVIRONMENT = "production"
_LONGEST_SLUG = 50
_LONGEST_TEXT = 64
_LONGEST_RELEASE = 200
_LONGEST_RUN_SECONDS = 366 * 86_400.0
_MOST_MINUTES = 40_320
_MOST_IN_A_ROW = 720
_NO_RUN = "0" * 32
_STATUSES = {each.value: each for each in (RunStatus.IN_PROGRESS, RunStatus.OK, RunStatus.ERROR)}


class CheckInError(Exception):
    """The item is no check-in; the message says why, without quoting it."""


def read_check_in(record: ItemRecord) -> CheckIn:
    """Return what a record says.

    A configuration that cannot be used does not make the check-in useless.

    Raises:
        CheckInError: If it names no job, or not how the job is.
    """
    try:
        payload = as_dict(parse_json(record.payload)[0])
    except orjson.JSONDecodeError as error:
        raise CheckInError("it is not JSON") from error
    slug = make_slug(as_text(payload.get("monitor_slug")))
    status = _STATUSES.get(as_text(payload.get("status")))
    if not slug or status is None:
        raise CheckInError("it has no slug" if not slug else "its status is not one of Sentry's")
    config, problem = _read_config(payload.get("monitor_config"))
    return CheckIn(
        item_id=record.item_id,
        project_id=record.project_id,
        slug=slug,
        environment=_clean(as_text(payload.get("environment"))) or DEFAULT_ENVIRONMENT,
        check_in_id=_read_id(as_text(payload.get("check_in_id"))),
        status=status,
        at=record.received_at,
        duration=_read_duration(payload.get("duration")),
        release=as_text(payload.get("release"))[:_LONGEST_RELEASE],
        config=config,
        problem=problem,
    )


def make_slug(text: str) -> str:
    """Return a job's name as Sentry makes it: lower case, digits, `-` and `_`, at most 50."""
    return re.sub(r"[^a-z0-9_]+", "-", text[:200].lower()).strip("-")[:_LONGEST_SLUG].strip("-")


def _clean(text: str) -> str:
    return re.sub(r"[\s/\x00-\x1f]+", "-", text[:_LONGEST_TEXT].strip())


def _read_id(text: str) -> str:
    digits = text.replace("-", "").lower()
    return digits if re.fullmatch(r"[0-9a-f]{32}", digits) and digits != _NO_RUN else ""


def _read_duration(value: object) -> timedelta | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not math.isfinite(value) or not 0 <= value <= _LONGEST_RUN_SECONDS:
        return None
    return timedelta(seconds=value)


def _read_config(value: object) -> tuple[JobConfig | None, str]:
    config = as_dict(value)
    if not config:
        return None, ""
    try:
        schedule = _read_schedule(config)
    except ScheduleError as error:
        return None, str(error)
    return (
        JobConfig(
            schedule=schedule,
            margin=timedelta(minutes=_bound(config.get("checkin_margin"), 1, 0, _MOST_MINUTES)),
            max_runtime=timedelta(minutes=_bound(config.get("max_runtime"), 30, 1, _MOST_MINUTES)),
            failure_threshold=_bound(config.get("failure_issue_threshold"), 1, 1, _MOST_IN_A_ROW),
            recovery_threshold=_bound(config.get("recovery_threshold"), 1, 1, _MOST_IN_A_ROW),
        ),
        "",
    )


def _read_schedule(config: dict[str, object]) -> Schedule:
    schedule = as_dict(config.get("schedule"))
    zone = as_text(config.get("timezone"))
    kind = as_text(schedule.get("type"))
    if kind == "crontab":
        return read_crontab(as_text(schedule.get("value")), zone)
    if kind == "interval":
        count = as_int(schedule.get("value")) or 0
        return read_interval(count, as_text(schedule.get("unit")), zone)
    raise ScheduleError("the schedule is neither a crontab nor an interval")


def _bound(value: object, default: int, least: int, most: int) -> int:
    number = as_int(value)
    return default if number is None else max(least, min(most, number))
