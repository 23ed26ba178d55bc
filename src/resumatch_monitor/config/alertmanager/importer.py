"""An `alertmanager.yml` as the `alerting` section of the monitor."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import yaml
from pydantic import ValidationError

from resumatch_monitor.config.alertmanager.receivers import convert_receiver
from resumatch_monitor.config.alertmanager.section import (
    Notes,
    Remark,
    Secret,
    Section,
    UnreadableError,
    keep_dollars,
)
from resumatch_monitor.dispatch.policy.config import AlertingConfig
from resumatch_monitor.kit.yamltree import YamlError, parse_yaml
from resumatch_monitor.metrics.labels import escape_label_value

# What Alertmanager takes for granted, and what differs from the monitor's own.
_ROOT: Mapping[str, Any] = {
    "group_by": [],
    "group_wait": "30s",
    "group_interval": "5m",
    "repeat_interval": "4h",
}
_TIMING = ("group_wait", "group_interval", "repeat_interval")
_INTERVALS = ("mute_time_intervals", "active_time_intervals")
_GLOBAL = (
    *("resolve_timeout", "smtp_smarthost", "smtp_from", "smtp_auth_username"),
    *("smtp_auth_password", "smtp_auth_password_file", "smtp_require_tls"),
    *("slack_api_url", "slack_api_url_file", "pagerduty_url"),
)
_STAND_IN = {
    "PAGERDUTY": "0" * 32,
    "SLACK": "https://hooks.slack.com/services/x",
    "WEBHOOK_URL": "https://receiver.invalid/",
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file.

    Attributes:
        alerting: The section, with placeholders for secrets.
        config: The same, checked.
        remarks: What is different in the monitor.
        secrets: What the placeholders stand for.
    """

    alerting: Mapping[str, Any]
    config: AlertingConfig
    remarks: tuple[Remark, ...]
    secrets: tuple[Secret, ...]

    def render(self) -> str:
        """Return the section as YAML, with what has to be done in comments."""
        lines = [
            "# Made from an alertmanager.yml. What Alertmanager has no word for is as the monitor",
            "# does it by itself: dependencies, flapping, 60 messages an hour to a receiver.",
        ]
        if self.secrets:
            lines.append("# Secrets are left to the environment; set")
            lines += [f"#   {each.variable}: {each.origin}" for each in self.secrets]
        dumped: str = yaml.safe_dump(
            {"alerting": dict(self.alerting)}, sort_keys=False, allow_unicode=True
        )
        return "\n".join([*lines, dumped])


def import_alertmanager(text: str) -> Imported:
    """Convert the text of an `alertmanager.yml`.

    Raises:
        UnreadableError: If it is none, or holds what cannot be.
    """
    try:
        # As texts: 17:00 is no number, and 1:5 none either.
        tree = parse_yaml(text, as_text=True)
    except YamlError as error:
        raise UnreadableError(error.message, error.position) from error
    notes = Notes(tree)
    root = Section.of(notes, (), tree.value)
    alerting = _convert(root)
    config = _check(alerting, notes)
    remarks = sorted(notes.remarks, key=lambda each: (each.position.line, each.position.column))
    return Imported(alerting, config, tuple(remarks), tuple(notes.secrets.values()))


def _convert(root: Section) -> dict[str, Any]:
    settings = root.section("global")
    settings.remark_unless(*_GLOBAL)
    if "route" not in root.values:
        raise UnreadableError("there is no route", root.notes.tree.position(()))
    alerting: dict[str, Any] = {
        "receivers": [convert_receiver(each, settings) for each in root.sections("receivers")],
        "route": {**_ROOT, **_convert_route(root.section("route"))},
    }
    intervals = [*root.sections("time_intervals"), *root.sections("mute_time_intervals")]
    if intervals:
        alerting["time_intervals"] = [_convert_interval(each) for each in intervals]
    if rules := [_convert_rule(each) for each in root.sections("inhibit_rules")]:
        alerting["inhibit_rules"] = rules
    if timeout := settings.text("resolve_timeout"):
        alerting["resolve_timeout"] = timeout
    if root.texts("templates"):
        root.remark("templates", "what a message says is the monitor's own")
    root.remark_unless(
        *("global", "route", "receivers", "time_intervals", "mute_time_intervals"),
        *("inhibit_rules", "templates"),
    )
    return alerting


def _convert_route(route: Section) -> dict[str, Any]:
    converted: dict[str, Any] = {}
    if receiver := route.text("receiver"):
        converted["receiver"] = receiver
    if matchers := _convert_matchers(route, ""):
        converted["matchers"] = matchers
    if "group_by" in route.values:
        converted["group_by"] = route.texts("group_by")
    converted |= {key: route.text(key) for key in _TIMING if key in route.values}
    converted |= {key: route.texts(key) for key in _INTERVALS if route.texts(key)}
    if route.flag("continue", False):
        converted["continue"] = True
    if routes := [_convert_route(each) for each in route.sections("routes")]:
        converted["routes"] = routes
    route.remark_unless(
        *("receiver", "matchers", "match", "match_re", "group_by", "continue", "routes"),
        *_TIMING,
        *_INTERVALS,
    )
    return converted


def _convert_matchers(section: Section, prefix: str) -> list[str]:
    """Return the matchers in today's form: `match` and `match_re` are yesterday's."""
    found: list[str] = []
    for key, op in ((f"{prefix}match", "="), (f"{prefix}match_re", "=~")):
        pairs = section.section(key)
        found += [f'{name}{op}"{escape_label_value(pairs.text(name))}"' for name in pairs.values]
    return [keep_dollars(each) for each in (*found, *section.texts(f"{prefix}matchers"))]


def _convert_rule(rule: Section) -> dict[str, Any]:
    converted: dict[str, Any] = {
        "source_matchers": _convert_matchers(rule, "source_"),
        "target_matchers": _convert_matchers(rule, "target_"),
    }
    if name := rule.text("name"):
        converted["name"] = name
    if equal := rule.texts("equal"):
        converted["equal"] = equal
    rule.remark_unless(
        *("source_match", "source_match_re", "source_matchers"),
        *("target_match", "target_match_re", "target_matchers", "equal", "name"),
    )
    return converted


def _convert_interval(interval: Section) -> dict[str, Any]:
    known = ("times", "weekdays", "days_of_month", "months", "years", "location")
    parts: list[dict[str, Any]] = []
    for part in interval.sections("time_intervals"):
        converted: dict[str, Any] = {}
        if times := list(part.sections("times")):
            converted["times"] = [
                {key: each.text(key) for key in ("start_time", "end_time")} for each in times
            ]
        converted |= {key: part.texts(key) for key in known[1:-1] if part.texts(key)}
        if location := part.text("location"):
            converted["location"] = location
        part.remark_unless(*known)
        parts.append(converted)
    interval.remark_unless("name", "time_intervals")
    return {"name": interval.text("name"), "time_intervals": parts}


def _check(alerting: Mapping[str, Any], notes: Notes) -> AlertingConfig:
    values = {
        f"${{{name}}}": secret.value or _stand_in(name) for name, secret in notes.secrets.items()
    }
    try:
        return AlertingConfig.model_validate(_fill(alerting, values))
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(step) for step in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        position = notes.tree.position(_find_place(detail["loc"]))
        raise UnreadableError(f"{place}: {message}" if place else message, position) from error


def _find_place(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return the place in the file that a place in the result comes from, as near as it goes."""
    kinds = {"email", "slack", "webhook", "pagerduty"}
    is_receiver = bool(loc) and loc[0] == "receivers"
    return tuple(f"{each}_configs" if is_receiver and each in kinds else each for each in loc)


def _stand_in(variable: str) -> str:
    return next(
        (value for prefix, value in _STAND_IN.items() if variable.startswith(prefix)), "secret"
    )


def _fill(value: Any, secrets: Mapping[str, str]) -> Any:
    """Return `value` as the monitor would read it with these secrets in its environment."""
    if isinstance(value, str):
        return secrets.get(value) or value.replace("$$", "$")
    if isinstance(value, Mapping):
        mapping = cast("Mapping[str, Any]", value)
        return {key: _fill(each, secrets) for key, each in mapping.items()}
    if isinstance(value, list):
        return [_fill(each, secrets) for each in cast("list[Any]", value)]
    return value
