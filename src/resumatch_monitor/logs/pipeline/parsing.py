"""Steps that read a text: JSON, logfmt, access logs, expressions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, TypeAlias, cast

import orjson

from resumatch_monitor.kit.regex import Regex
from resumatch_monitor.logs.attributes import LONGEST_BODY, flatten
from resumatch_monitor.logs.document import (
    ORIGINAL_TIME,
    Defaults,
    read_document,
    settle_time,
    to_microseconds,
)
from resumatch_monitor.logs.pipeline.config import (
    CombinedStep,
    GrokStep,
    JsonStep,
    LogfmtStep,
    ParsingStep,
    RegexStep,
)
from resumatch_monitor.logs.pipeline.draft import Draft, StepError, merge
from resumatch_monitor.logs.pipeline.grok import compile_grok
from resumatch_monitor.logs.query.matching import parse_number
from resumatch_monitor.logs.record import LogRecord

Apply: TypeAlias = Callable[[Draft], None]
"""Does a step's work on a draft; raises StepError where it cannot."""

LONGEST_INPUT = 32 * 1024
"""How much of a text is looked at by an expression."""
_MOST_PAIRS = 500
_LARGEST_INTEGER = 2**63
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ERROR, _INFO = (17, "error"), (9, "info")
_SERVER_ERROR = 500
# https://httpd.apache.org/docs/2.4/logs.html, "Combined Log Format".
_COMBINED = (
    r"^(?P<address>\S+) \S+ (?P<user>.+?) \[(?P<time>[^\]]+)\]"
    r' "(?:(?P<method>[A-Z]+) (?P<url>\S+)(?: HTTP/(?P<version>[0-9.]+))?|(?:[^"\\]|\\.)*)"'
    r" (?P<status>[0-9]{3}) (?P<bytes>[0-9]+|-)"
    r'(?: "(?P<referrer>(?:[^"\\]|\\.)*)" "(?P<agent>(?:[^"\\]|\\.)*)")?'
)
_COMBINED_TIME = "%d/%b/%Y:%H:%M:%S %z"
_COMBINED_TEXTS = {
    "address": "source.address",
    "user": "user.name",
    "method": "http.request.method",
    "url": "url.original",
    "version": "http.version",
    "referrer": "http.request.referrer",
    "agent": "user_agent.original",
}
_COMBINED_NUMBERS = {"status": "http.response.status_code", "bytes": "http.response.body.bytes"}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What steps need beside what they say.

    Attributes:
        oldest: A record that claims to be older is taken to be of its arrival.
        read_user_agent: Returns what a `User-Agent` says, by the names of ECS.
    """

    oldest: timedelta = timedelta(days=365)
    read_user_agent: Callable[[str], Mapping[str, str]] = field(default=lambda _text: {})

    def defaults_of(self, record: LogRecord) -> Defaults:
        """Return what a text that a record holds is read with."""
        return Defaults(
            observed_at=_EPOCH + timedelta(microseconds=record.observed_us),
            source=record.source,
            oldest=self.oldest,
        )


def build_json(step: JsonStep, surroundings: Surroundings) -> Apply:
    """Return what reads a JSON object."""

    def apply(draft: Draft) -> None:
        text = draft.read_text(step.field, LONGEST_BODY)
        try:
            document: object = orjson.loads(text.encode(errors="replace"))
        except orjson.JSONDecodeError:
            raise StepError(f"{step.field} is not JSON") from None
        if not isinstance(document, dict):
            raise StepError(f"{step.field} is no JSON object")
        _take_in(draft, cast("dict[str, Any]", document), step.prefix, surroundings)

    return apply


def build_logfmt(step: LogfmtStep, surroundings: Surroundings) -> Apply:
    """Return what reads logfmt."""

    def apply(draft: Draft) -> None:
        pairs = parse_logfmt(draft.read_text(step.field, LONGEST_INPUT))
        if not pairs:
            raise StepError(f"{step.field} has no key=value")
        _take_in(draft, pairs, step.prefix, surroundings)

    return apply


def build_combined(step: CombinedStep, surroundings: Surroundings) -> Apply:
    """Return what reads a line of an access log."""
    regex = Regex(_COMBINED)

    def apply(draft: Draft) -> None:
        match = regex.search(draft.read_text(step.field, LONGEST_INPUT))
        if match is None:
            raise StepError(f"{step.field} is no line of an access log")
        found: dict[str, Any] = {}
        for group, name in _COMBINED_TEXTS.items():
            value = match[group]
            if value and value != "-":
                found[step.prefix + name] = value
        for group, name in _COMBINED_NUMBERS.items():
            value = match[group]
            if value and value.isdigit() and len(value) < 16:
                found[step.prefix + name] = int(value)
        draft.write_attributes(found)
        _settle_combined(draft, match["time"] or "", int(match["status"] or 0), surroundings)

    return apply


def build_regex(step: RegexStep, _surroundings: Surroundings) -> Apply:
    """Return what reads by an expression with named groups."""
    regex = Regex(step.pattern)
    captures = tuple((name, name, "") for name in regex.group_names)
    return partial(_capture, regex=regex, captures=captures, step=step)


def build_grok(step: GrokStep, _surroundings: Surroundings) -> Apply:
    """Return what reads by grok patterns."""
    grok = compile_grok(step.pattern, step.patterns)
    return partial(_capture, regex=grok.regex, captures=grok.captures, step=step)


def parse_logfmt(text: str) -> dict[str, str]:
    """Return the pairs of a line of logfmt; a word without `=` is no pair."""
    pairs: dict[str, str] = {}
    at, length = 0, len(text)
    while at < length and len(pairs) < _MOST_PAIRS:
        start = at
        while at < length and not text[at].isspace() and text[at] != "=":
            at += 1
        key = text[start:at]
        if at >= length or text[at] != "=":
            at += 1
            continue
        value, at = _read_value(text, at + 1)
        if key and '"' not in key:
            pairs[key] = value
    return pairs


def _read_value(text: str, at: int) -> tuple[str, int]:
    """Return a value that begins at a place, and where it ends."""
    if at >= len(text) or text[at] != '"':
        start = at
        while at < len(text) and not text[at].isspace():
            at += 1
        return text[start:at], at
    parts: list[str] = []
    at += 1
    while at < len(text) and text[at] != '"':
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
            parts.append({"n": "\n", "t": "\t", "r": "\r"}.get(text[at], text[at]))
        else:
            parts.append(text[at])
        at += 1
    return "".join(parts), at + 1


def _take_in(
    draft: Draft, document: Mapping[str, Any], prefix: str, surroundings: Surroundings
) -> None:
    if prefix:
        draft.write_attributes({prefix + name: each for name, each in flatten(document).items()})
        return
    defaults = surroundings.defaults_of(draft.record)
    parsed = read_document(document, defaults)
    merge(draft, parsed)
    if parsed.timestamp_us != to_microseconds(defaults.observed_at):
        draft.write_time(parsed.timestamp_us)


def _capture(
    draft: Draft, *, regex: Regex, captures: tuple[tuple[str, str, str], ...], step: ParsingStep
) -> None:
    match = regex.search(draft.read_text(step.field, LONGEST_INPUT))
    if match is None:
        raise StepError(f"{step.field} does not match")
    for group, name, conversion in captures:
        value = match[group]
        if value is not None:
            draft.write(step.prefix + name, _convert(value, conversion))


def _convert(value: str, conversion: str) -> str | int | float:
    if not conversion or len(value) > 40:
        return value
    number = parse_number(value)
    # Neither JSON nor the index has integers that are larger.
    if number is None or not -_LARGEST_INTEGER <= number < _LARGEST_INTEGER:
        return value
    return int(number) if conversion == "int" else float(number)


def _settle_combined(draft: Draft, text: str, status: int, surroundings: Surroundings) -> None:
    if not draft.record.severity:
        draft.write_severity(*(_ERROR if status >= _SERVER_ERROR else _INFO))
    try:
        stated = datetime.strptime(text[:40], _COMBINED_TIME).astimezone(UTC)
    except (ValueError, OverflowError):
        return
    settle(draft, stated, surroundings)


def settle(draft: Draft, stated: datetime, surroundings: Surroundings) -> None:
    """Set when a record was said, unless that cannot be: then it keeps the time that it has."""
    when, original = settle_time(stated, surroundings.defaults_of(draft.record))
    if original is None:
        draft.write_time(to_microseconds(when))
    else:
        draft.write_attributes({ORIGINAL_TIME: original})
