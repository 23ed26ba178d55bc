"""Alertmanager's JSON: what its clients send, and what they expect."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import orjson

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.dispatch.muting.silence import Silence, SilenceDraft
from resumatch_monitor.dispatch.occurrences.pushed import PushedAlert
from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp

_MOST_ALERTS = 20_000
_MOST_MATCHERS = 100
_ZERO_YEAR = 1
# Who means for ever says the last moment that there is; some time must be left for zones.
_FOR_EVER = datetime(9998, 1, 1, tzinfo=UTC)

Json = Mapping[str, Any]


class MalformedError(ValueError):
    """What was sent is not what it should be; the message names the place."""


def parse_alerts(body: bytes) -> tuple[list[PushedAlert], list[str]]:
    """Read the body of `POST /api/v2/alerts`: the alerts, and what is wrong with the others.

    Raises:
        MalformedError: If it is no list.
    """
    data = _load(body)
    if not isinstance(data, list):
        raise MalformedError("the body is no list of alerts")
    items = cast("list[object]", data)
    if len(items) > _MOST_ALERTS:
        raise MalformedError(f"the body holds more than {_MOST_ALERTS} alerts")
    alerts: list[PushedAlert] = []
    problems: list[str] = []
    for index, item in enumerate(items):
        try:
            alerts.append(_parse_alert(_mapping(item, str(index)), str(index)))
        except MalformedError as error:
            problems.append(str(error))
    return alerts, problems


def _parse_alert(item: Json, place: str) -> PushedAlert:
    return PushedAlert(
        labels=Labels(_texts(item.get("labels"), f"{place}.labels").items()),
        annotations=_texts(item.get("annotations") or {}, f"{place}.annotations"),
        starts_at=_moment(item.get("startsAt"), f"{place}.startsAt"),
        ends_at=_moment(item.get("endsAt"), f"{place}.endsAt"),
        generator_url=_text(item.get("generatorURL") or "", f"{place}.generatorURL"),
    )


def parse_silence(body: bytes, *, author: str) -> SilenceDraft:
    """Read the body of `POST /api/v2/silences`.

    Args:
        body: What was sent.
        author: Who it is made by if it does not say.

    Raises:
        MalformedError: If it is no silence.
    """
    data = _mapping(_load(body), "the body")
    matchers = data.get("matchers")
    if not isinstance(matchers, list) or not matchers:
        raise MalformedError("matchers in body should have at least 1 items")
    items = cast("list[object]", matchers)
    if len(items) > _MOST_MATCHERS:
        raise MalformedError(f"matchers in body should have at most {_MOST_MATCHERS} items")
    starts_at, ends_at = (
        _moment(data.get("startsAt"), "startsAt"),
        _moment(data.get("endsAt"), "endsAt"),
    )
    if starts_at is None or ends_at is None:
        raise MalformedError("startsAt and endsAt in body are required")
    return SilenceDraft(
        matchers=tuple(
            _parse_matcher(_mapping(item, f"matchers.{index}"), f"matchers.{index}")
            for index, item in enumerate(items)
        ),
        starts_at=starts_at,
        ends_at=ends_at,
        created_by=_text(data.get("createdBy") or "", "createdBy") or author,
        comment=_text(data.get("comment") or "", "comment"),
        id=_text(data.get("id") or "", "id"),
    )


def _parse_matcher(item: Json, place: str) -> Matcher:
    is_regex = _flag(item.get("isRegex"), False, f"{place}.isRegex")
    is_equal = _flag(item.get("isEqual"), True, f"{place}.isEqual")
    ops = {
        (True, True): MatchOp.REGEX,
        (True, False): MatchOp.NOT_REGEX,
        (False, True): MatchOp.EQUAL,
        (False, False): MatchOp.NOT_EQUAL,
    }
    name, value = (
        _text(item.get("name"), f"{place}.name"),
        _text(item.get("value"), f"{place}.value"),
    )
    try:
        return Matcher(name, ops[is_regex, is_equal], value)
    except ValueError as error:
        raise MalformedError(f"invalid label matcher {place}: {error}") from error


def render_silence(silence: Silence, now: datetime) -> dict[str, Any]:
    """Render a `GettableSilence`."""
    return {
        "id": silence.id,
        "status": {"state": silence.state(now).value},
        "updatedAt": isoformat(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": isoformat(silence.ends_at),
        "startsAt": isoformat(silence.starts_at),
        "matchers": [
            {
                "name": each.name,
                "value": each.value,
                "isRegex": each.op in (MatchOp.REGEX, MatchOp.NOT_REGEX),
                "isEqual": each.op in (MatchOp.REGEX, MatchOp.EQUAL),
            }
            for each in silence.matchers
        ],
    }


def render_alert(
    alert: Alert,
    *,
    generator_url: str,
    receivers: Iterable[str],
    ends_at: datetime,
    updated_at: datetime,
    silenced_by: Sequence[str],
    inhibited_by: Sequence[str],
    muted_by: Sequence[str],
) -> dict[str, Any]:
    """Render a `GettableAlert`; `ends_at` is when it ends if nobody says anything more."""
    is_suppressed = bool(silenced_by or inhibited_by or muted_by)
    return {
        "annotations": dict(alert.annotations),
        "endsAt": isoformat(ends_at),
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in receivers],
        "startsAt": isoformat(alert.starts_at),
        "status": {
            "inhibitedBy": list(inhibited_by),
            "mutedBy": list(muted_by),
            "silencedBy": list(silenced_by),
            "state": "suppressed" if is_suppressed else "active",
        },
        "updatedAt": isoformat(updated_at),
        "generatorURL": generator_url,
        "labels": dict(alert.labels),
    }


def _load(body: bytes) -> object:
    try:
        return cast("object", orjson.loads(body))
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"the body is no JSON: {error}") from error


def _mapping(value: object, place: str) -> Json:
    if not isinstance(value, dict):
        raise MalformedError(f"{place} is no object")
    return cast("dict[str, Any]", value)


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise MalformedError(f"{place} in body must be a text")
    return value


def _texts(value: object, place: str) -> dict[str, str]:
    if value is None:
        raise MalformedError(f"{place} in body is required")
    return {
        name: _text(each, f"{place}.{name[:100]}") for name, each in _mapping(value, place).items()
    }


def _flag(value: object, default: bool, place: str) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise MalformedError(f"{place} in body must be true or false")
    return value


def _moment(value: object, place: str) -> datetime | None:
    """Return a time; None if there is none, which Go writes as the first of January of year 1."""
    if value is None or value == "":
        return None
    try:
        moment = datetime.fromisoformat(_text(value, place))
        if moment.year == _ZERO_YEAR:
            return None
        if moment.year > _FOR_EVER.year:
            return _FOR_EVER
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError(f"{place} in body is no time: {str(value)[:100]!r}") from error
