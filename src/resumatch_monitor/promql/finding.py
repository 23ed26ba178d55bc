"""What is found out about a query that has no result, and how its text could be put right."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from resumatch_monitor.kit.durations import format_duration, parse_duration
from resumatch_monitor.metrics.labels import METRIC_NAME, Matcher, MatchOp, escape_label_value

_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_RANGE = re.compile(r"\[\s*([0-9][0-9a-z]*)\s*(?=[\]:])")


class FindingKind(StrEnum):
    """Why there is nothing."""

    UNKNOWN_METRIC = "unknown_metric"
    UNKNOWN_LABEL = "unknown_label"
    UNKNOWN_VALUE = "unknown_value"
    NO_COMBINATION = "no_combination"
    NO_SAMPLES = "no_samples"
    RANGE_TOO_SHORT = "range_too_short"
    FILTERED = "filtered"
    NO_MATCH = "no_match"
    NO_BUCKETS = "no_buckets"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Something to try instead.

    Attributes:
        text: What differs: a name, a value, a range.
        expr: The whole query with it; None if its place in the text was not found.
    """

    text: str
    expr: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason.

    Attributes:
        text: A sentence or two for people.
        selector: The selector that it is about, None if it is about an operator or a function.
        suggestions: The likeliest first.
        sample_at_ms: The last sample before the range, or else the first one after it.
    """

    kind: FindingKind
    text: str
    selector: str | None = None
    suggestions: tuple[Suggestion, ...] = ()
    sample_at_ms: int | None = None


def render_selector(matchers: tuple[Matcher, ...]) -> str:
    """Render as a query names it: `up{job="api"}`."""
    name = ""
    rest: list[str] = []
    for matcher in matchers:
        if not name and is_metric_name(matcher) and _NAME.fullmatch(matcher.value):
            name = matcher.value
        else:
            rest.append(repr(matcher))
    return f"{name}{{{', '.join(rest)}}}" if rest or not name else name


def is_metric_name(matcher: Matcher) -> bool:
    """Tell whether `matcher` asks for one metric."""
    return matcher.name == METRIC_NAME and matcher.op is MatchOp.EQUAL


def with_metric(query: str, old: str, new: str) -> str | None:
    """Return `query` with one metric's name for another's, None if it is not written there."""
    if not _NAME.fullmatch(new):
        return None
    pattern = rf"(?<![\w:\"'`]){re.escape(old)}(?![\w:])"
    return _substitute(pattern, lambda _: new, query)


def with_value(query: str, matcher: Matcher, value: str) -> str | None:
    """Return `query` with `matcher` asking for `value`, None if it is not written there."""
    written = "|".join(
        re.escape(each) for each in {matcher.value, escape_label_value(matcher.value)}
    )
    pattern = (
        rf"(?<!\w){re.escape(matcher.name)}\s*{re.escape(matcher.op)}\s*([\"'`])(?:{written})\1"
    )
    return _substitute(pattern, lambda _: f'{matcher.name}="{escape_label_value(value)}"', query)


def with_range(query: str, old_ms: int, new_ms: int) -> str | None:
    """Return `query` with its ranges of `old_ms` made `new_ms` long, None if there is none."""
    is_changed = False

    def widen(match: re.Match[str]) -> str:
        nonlocal is_changed
        if parse_duration(match[1]) != timedelta(milliseconds=old_ms):
            return match[0]
        is_changed = True
        return f"[{format_duration(timedelta(milliseconds=new_ms))}"

    widened = _RANGE.sub(widen, query)
    return widened if is_changed else None


def _substitute(
    pattern: str, replacement: Callable[[re.Match[str]], str], query: str
) -> str | None:
    changed, count = re.subn(pattern, replacement, query)
    return changed if count else None
