"""Relabelling, with Prometheus' own semantics.

https://prometheus.io/docs/prometheus/latest/configuration/configuration/, "relabel_config"
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from resumatch_monitor.kit.models import ConfigModel, Text, drop_nothings
from resumatch_monitor.kit.regex import Regex, RegexError, RegexMatch

_EVERYTHING = "(.*)"
_WHOLE_MATCH = "$1"
_LARGEST_MODULUS = 2**64 - 1
_LONGEST_REGEX = 10_000
# Go's `Regexp.Expand`: `$$`, `$name` as long as it goes, `${name}`.
_REFERENCE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)\})")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,7}")
_LEGACY_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NEEDS_TARGET = frozenset(
    ("replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal")
)
_ONLY_KEYS = {
    "labeldrop": frozenset(("action", "regex")),
    "labelkeep": frozenset(("action", "regex")),
    "keepequal": frozenset(("action", "source_labels", "target_label")),
    "dropequal": frozenset(("action", "source_labels", "target_label")),
}


def is_legacy_name(name: str) -> bool:
    """Tell whether a label may have this name where it is letters, digits and underscores only."""
    return _LEGACY_NAME.fullmatch(name) is not None


class RelabelConfig(ConfigModel):
    """Prometheus' `relabel_config`; `$1` and `${name}` are groups of `regex` here, nothing else."""

    source_labels: list[Text] = Field(default_factory=list[str])
    """The labels whose values, joined by `separator`, `regex` is matched against."""
    separator: Text = ";"
    """Stands between the values of `source_labels`."""
    target_label: Text = ""
    """The label that is written; groups of `regex` may be part of it."""
    regex: Text = _EVERYTHING
    """RE2, matching the whole text."""
    modulus: int = Field(default=0, ge=0, le=_LARGEST_MODULUS)
    """The number of shards, for `hashmod`."""
    replacement: Text = _WHOLE_MATCH
    """What `target_label` gets; empty removes it."""
    action: Literal[
        "replace",
        "keep",
        "drop",
        "hashmod",
        "labelmap",
        "labeldrop",
        "labelkeep",
        "lowercase",
        "uppercase",
        "keepequal",
        "dropequal",
    ] = "replace"
    """What is done."""

    @field_validator("action", mode="before")
    @classmethod
    def _ignore_case(cls, action: object) -> object:
        return action.lower() if isinstance(action, str) else action

    @field_validator("regex")
    @classmethod
    def _check_regex(cls, regex: str) -> str:
        if len(regex) > _LONGEST_REGEX:
            raise ValueError(f"is longer than {_LONGEST_REGEX} characters")
        try:
            Regex(regex, dot_matches_newline=True)
        except RegexError as error:
            raise ValueError(f"{regex!r} is not a valid regular expression: {error}") from error
        return regex

    _skip_nothings = model_validator(mode="before")(drop_nothings)

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        if self.action in _NEEDS_TARGET and not self.target_label:
            raise ValueError(f"the action {self.action} needs target_label")
        if self.action == "hashmod" and not self.modulus:
            raise ValueError("the action hashmod needs a modulus above 0")
        if self.action == "labelmap" and not self.replacement:
            raise ValueError("the action labelmap needs a replacement that is not empty")
        if self.action in ("lowercase", "uppercase") and self.replacement != _WHOLE_MATCH:
            raise ValueError(f"the action {self.action} takes no replacement")
        only = _ONLY_KEYS.get(self.action)
        others = sorted(self.model_fields_set - only) if only is not None else []
        if only is not None and others:
            raise ValueError(f"the action {self.action} takes no {' or '.join(others)}")
        return self


class _Template:
    """A text with references to groups, expanded as Go's `Regexp.Expand` does."""

    def __init__(self, text: str) -> None:
        parts: list[str | int | tuple[str]] = []
        position = 0
        for match in _REFERENCE.finditer(text):
            parts.append(text[position : match.start()])
            position = match.end()
            dollar, plain, braced = match.groups()
            name: str = plain or braced or ""
            if dollar:
                parts.append("$")
            elif _NUMBER.fullmatch(name):
                parts.append(int(name))
            else:
                parts.append((name,))
        parts.append(text[position:])
        self._parts = [part for part in parts if part != ""]
        self.literal = text if "$" not in text else None

    def expand(self, match: RegexMatch) -> str:
        if self.literal is not None:
            return self.literal
        return "".join(
            part if isinstance(part, str) else _group(match, part) for part in self._parts
        )


def _group(match: RegexMatch, group: int | tuple[str]) -> str:
    try:
        return match[group if isinstance(group, int) else group[0]] or ""
    # As in Go, a group that there is not is empty.
    except (IndexError, KeyError):
        return ""


@dataclass(frozen=True, slots=True, eq=False)
class _Rule:
    config: RelabelConfig
    regex: Regex
    target: _Template
    replacement: _Template
    legacy_names: bool

    def source(self, labels: Mapping[str, str]) -> str:
        config = self.config
        return config.separator.join([labels.get(name, "") for name in config.source_labels])


def _replace(rule: _Rule, labels: dict[str, str]) -> bool:
    match = rule.regex.fullmatch(rule.source(labels))
    if match is not None:
        target = rule.target.expand(match)
        # As in Prometheus, a label that cannot be is left out without a word.
        if target and (not rule.legacy_names or is_legacy_name(target)):
            _set(labels, target, rule.replacement.expand(match))
    return True


def _keep(rule: _Rule, labels: dict[str, str]) -> bool:
    return rule.regex.matches(rule.source(labels))


def _drop(rule: _Rule, labels: dict[str, str]) -> bool:
    return not rule.regex.matches(rule.source(labels))


def _keep_equal(rule: _Rule, labels: dict[str, str]) -> bool:
    return labels.get(rule.config.target_label, "") == rule.source(labels)


def _drop_equal(rule: _Rule, labels: dict[str, str]) -> bool:
    return labels.get(rule.config.target_label, "") != rule.source(labels)


def _hash_mod(rule: _Rule, labels: dict[str, str]) -> bool:
    source = rule.source(labels).encode(errors="replace")
    digest = hashlib.md5(source, usedforsecurity=False).digest()
    # The last half alone, as Prometheus has it: shards must agree between the two.
    number = int.from_bytes(digest[8:], "big") % rule.config.modulus
    _set(labels, rule.config.target_label, str(number))
    return True


def _map_labels(rule: _Rule, labels: dict[str, str]) -> bool:
    for name, value in list(labels.items()):
        match = rule.regex.fullmatch(name)
        if match is not None:
            target = rule.replacement.expand(match)
            if target:
                _set(labels, target, value)
    return True


def _drop_labels(rule: _Rule, labels: dict[str, str]) -> bool:
    for name in list(labels):
        if rule.regex.matches(name):
            del labels[name]
    return True


def _keep_labels(rule: _Rule, labels: dict[str, str]) -> bool:
    for name in list(labels):
        if not rule.regex.matches(name):
            del labels[name]
    return True


def _lowercase(rule: _Rule, labels: dict[str, str]) -> bool:
    _set(labels, rule.config.target_label, _map_case(rule.source(labels), str.lower))
    return True


def _uppercase(rule: _Rule, labels: dict[str, str]) -> bool:
    _set(labels, rule.config.target_label, _map_case(rule.source(labels), str.upper))
    return True


def _map_case(text: str, change: Callable[[str], str]) -> str:
    if text.isascii():
        return change(text)
    # Go maps one character to one; Python makes two of some.
    return "".join(new if len(new := change(each)) == 1 else each for each in text)


def _set(labels: dict[str, str], name: str, value: str) -> None:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)


_ACTIONS: Mapping[str, Callable[[_Rule, dict[str, str]], bool]] = {
    "replace": _replace,
    "keep": _keep,
    "drop": _drop,
    "hashmod": _hash_mod,
    "labelmap": _map_labels,
    "labeldrop": _drop_labels,
    "labelkeep": _keep_labels,
    "lowercase": _lowercase,
    "uppercase": _uppercase,
    "keepequal": _keep_equal,
    "dropequal": _drop_equal,
}


class Relabeller:
    """Applies a list of `relabel_config`s, in order."""

    def __init__(self, configs: Sequence[RelabelConfig], *, legacy_names: bool = False) -> None:
        """Compile.

        Args:
            configs: What is done.
            legacy_names: Whether labels are letters, digits and underscores only.
        """
        self._steps = [
            (
                _ACTIONS[config.action],
                _Rule(
                    config,
                    Regex(config.regex, dot_matches_newline=True),
                    _Template(config.target_label),
                    _Template(config.replacement),
                    legacy_names,
                ),
            )
            for config in configs
        ]

    def __bool__(self) -> bool:
        return bool(self._steps)

    def apply(self, labels: Mapping[str, str]) -> dict[str, str] | None:
        """Return the labels that come out, sorted by name on the way in; None if dropped."""
        changed = dict(sorted(labels.items()))
        for act, rule in self._steps:
            if not act(rule, changed):
                return None
        return changed
