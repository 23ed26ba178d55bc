"""The functions that a template may call: Go's own and Prometheus'."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import quote, quote_plus, urlsplit

from resumatch_monitor.kit.clock import from_milliseconds
from resumatch_monitor.kit.durations import parse_duration
from resumatch_monitor.kit.regex import Regex, RegexError, RegexMatch
from resumatch_monitor.rules.template.go_format import (
    format_float,
    format_printf,
    format_significant,
    format_value,
)
from resumatch_monitor.rules.template.go_time import GoDuration, GoTime
from resumatch_monitor.rules.template.nodes import TemplateError

_LARGE_PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_BINARY_PREFIXES = ("", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
_SMALL_PREFIXES = ("", "m", "u", "n", "p", "f", "a", "z", "y")
_HTML_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;", "\0": "\ufffd"}
)
_SCRIPT_ESCAPES = str.maketrans(
    {each: f"\\u{ord(each):04X}" for each in "<>&=" + "".join(map(chr, range(32)))}
    | {"\\": "\\\\", "'": "\\'", '"': '\\"'}
)
_LONGEST_REPLACED = 64 * 1024
_GO_REFERENCE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


@dataclass(frozen=True, slots=True)
class TemplateSample:
    """A series of a `query` in a template."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class FunctionContext:
    """What functions know beside their arguments."""

    external_url: str
    query: Callable[[str], Sequence[TemplateSample]]
    now_seconds: float
    render: Callable[[str, object], str]


FunctionBody = Callable[[FunctionContext, Sequence[object]], object]


@dataclass(frozen=True, slots=True)
class TemplateFunction:
    """A function and how many arguments it takes; None for any number."""

    body: FunctionBody
    min_arguments: int
    max_arguments: int | None


def is_true(value: object) -> bool:
    """Tell whether Go's templates take `value` for true: not empty and not zero."""
    return bool(value)


def humanize(value: float) -> str:
    """Render with a metric prefix: `1.234k`."""
    if value == 0 or not math.isfinite(value):
        return format_significant(value)
    return _scale(value, 1000)


def humanize_1024(value: float) -> str:
    """Render with a binary prefix: `1.5Mi`."""
    if abs(value) <= 1 or not math.isfinite(value):
        return format_significant(value)
    scaled, prefix = _scale_down(value, 1024, _BINARY_PREFIXES)
    return f"{format_significant(scaled)}{prefix}"


def humanize_duration(value: float) -> str:
    """Render seconds: `1h 2m 3s`, `250ms`."""
    if not math.isfinite(value):
        return format_significant(value)
    if value == 0:
        return "0s"
    if abs(value) < 1:
        return f"{_scale(value, 1000)}s"
    sign, rest = ("-", -value) if value < 0 else ("", value)
    minutes, seconds = divmod(int(rest), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {seconds}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {seconds}s"
    if minutes:
        return f"{sign}{minutes}m {seconds}s"
    return f"{sign}{format_significant(rest)}s"


def humanize_percentage(value: float) -> str:
    """Render a ratio in percent: `5.2%`."""
    return f"{format_significant(value * 100)}%"


def humanize_timestamp(value: float) -> str:
    """Render seconds since the epoch as Go prints a time."""
    if not math.isfinite(value):
        return format_significant(value)
    return str(to_time(value))


def to_time(value: float) -> GoTime:
    """Return seconds since the epoch as a moment."""
    try:
        return GoTime(from_milliseconds(round(value * 1000)))
    except (OverflowError, ValueError, OSError) as error:
        raise TemplateError(f"{format_float(value)} is no moment") from error


def _scale(value: float, base: float) -> str:
    if abs(value) >= 1:
        scaled, prefix = _scale_down(value, base, _LARGE_PREFIXES)
    else:
        scaled, prefix = value, ""
        for prefix in _SMALL_PREFIXES:  # noqa: B007 - the last one is used
            if abs(scaled) >= 1:
                break
            scaled *= base
        else:
            scaled /= base
    return f"{format_significant(scaled)}{prefix}"


def _scale_down(value: float, base: float, prefixes: Sequence[str]) -> tuple[float, str]:
    index = 0
    while abs(value) >= base and index < len(prefixes) - 1:
        value /= base
        index += 1
    return value, prefixes[index]


def _number(value: object) -> float:
    if isinstance(value, GoDuration):
        return value.seconds
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            pass
    raise TemplateError(f"{format_value(value)!r} is not a number")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TemplateError(f"{format_value(value)} is not a text")


def _sample(value: object) -> TemplateSample:
    if isinstance(value, TemplateSample):
        return value
    raise TemplateError("a series of a query is expected")


def _samples(value: object) -> list[TemplateSample]:
    if isinstance(value, list):
        return [_sample(item) for item in cast("list[object]", value)]
    raise TemplateError("the result of a query is expected")


def _compare(arguments: Sequence[object]) -> int:
    """Return -1, 0 or 1 for two numbers or two texts."""
    left, right = arguments
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, int | float) and isinstance(right, int | float):
        return (left > right) - (left < right)
    raise TemplateError(f"{format_value(left)} and {format_value(right)} cannot be compared")


def _index(arguments: Sequence[object]) -> object:
    value, *keys = arguments
    for key in keys:
        value = _take_item(value, key)
    return value


def _take_item(value: object, key: object) -> object:
    if isinstance(value, Mapping):
        return cast("Mapping[object, object]", value).get(key, "")
    if isinstance(value, list) and isinstance(key, int):
        items = cast("list[object]", value)
        if 0 <= key < len(items):
            return items[key]
        raise TemplateError(f"there is no item {key} in a list of {len(items)}")
    raise TemplateError(f"{format_value(cast('object', value))} has no items")


def _slice(arguments: Sequence[object]) -> object:
    value, *bounds = arguments
    if not isinstance(value, str | list):
        raise TemplateError(f"{format_value(value)} cannot be sliced")
    items = cast("str | list[object]", value)
    ends = [each for each in bounds if isinstance(each, int) and 0 <= each <= len(items)]
    if len(ends) != len(bounds) or ends != sorted(ends):
        raise TemplateError(f"{', '.join(map(format_value, bounds))} are no bounds of it")
    return items[ends[0] if ends else 0 : ends[1] if len(ends) > 1 else len(items)]


def _escape_html(text: str) -> str:
    return text.translate(_HTML_ESCAPES)


def _escape_script(text: str) -> str:
    return text.translate(_SCRIPT_ESCAPES)


def _length(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping | list):
        return len(cast("Mapping[object, object] | list[object]", value))
    raise TemplateError(f"{format_value(value)} has no length")


def _print(arguments: Sequence[object]) -> str:
    parts: list[str] = []
    for position, value in enumerate(arguments):
        if position and not isinstance(value, str) and not isinstance(arguments[position - 1], str):
            parts.append(" ")
        parts.append(format_value(value))
    return "".join(parts)


def _compile(pattern: object) -> Regex:
    try:
        return Regex(_text(pattern))
    except RegexError as error:
        raise TemplateError(f"{pattern!r} is not a regular expression: {error}") from error


def _replace_all(arguments: Sequence[object]) -> str:
    pattern, replacement, text = arguments
    length = 0

    def expand(match: RegexMatch) -> str:
        nonlocal length
        expanded = _GO_REFERENCE.sub(lambda each: refer(match, each), _text(replacement))
        length += len(expanded)
        if length > _LONGEST_REPLACED:
            raise TemplateError(f"the text becomes longer than {_LONGEST_REPLACED} characters")
        return expanded

    def refer(match: RegexMatch, reference: re.Match[str]) -> str:
        name = reference[1] or reference[2]
        try:
            return match[int(name) if name.isdigit() else name] or ""
        except (IndexError, ValueError):
            return ""

    return _compile(pattern).replace(_text(text), expand)


def _first(value: object) -> TemplateSample:
    samples = _samples(value)
    if not samples:
        raise TemplateError("first: the query has no result")
    return samples[0]


def _strip_port(host: str) -> str:
    head, colon, port = host.rpartition(":")
    return head.strip("[]") if colon and port.isdigit() else host


def _strip_domain(host: str) -> str:
    bare = _strip_port(host)
    if re.fullmatch(r"[\d.]+|.*:.*", bare):
        return host
    return bare.partition(".")[0] + host[len(bare) :]


def _link(context: FunctionContext, expression: object, tab: str) -> str:
    return f"{context.external_url}/explore?expr={quote(_text(expression), safe='')}&view={tab}"


def _parse_seconds(value: object) -> float:
    try:
        return parse_duration(_text(value)).total_seconds()
    except ValueError as error:
        raise TemplateError(str(error)) from error


def _title(text: str) -> str:
    return re.sub(r"(^|\s)(\S)", lambda match: match[1] + match[2].upper(), text)


def _pure(
    body: Callable[[Sequence[object]], object], least: int, most: int | None
) -> TemplateFunction:
    return TemplateFunction(lambda _, arguments: body(arguments), least, most)


def _of_number(body: Callable[[float], object]) -> TemplateFunction:
    return _pure(lambda arguments: body(_number(arguments[0])), 1, 1)


def _of_text(body: Callable[[str], object]) -> TemplateFunction:
    return _pure(lambda arguments: body(_text(arguments[0])), 1, 1)


def _comparison(accepts: Callable[[int], bool]) -> TemplateFunction:
    return _pure(lambda arguments: accepts(_compare(arguments)), 2, 2)


FUNCTIONS: Mapping[str, TemplateFunction] = {
    # `and` and `or` are listed for the parser; the evaluator runs them, as they stop early.
    "and": _pure(lambda arguments: arguments[-1], 1, None),
    "or": _pure(lambda arguments: arguments[-1], 1, None),
    "not": _pure(lambda arguments: not is_true(arguments[0]), 1, 1),
    "eq": _pure(lambda a: any(_compare((a[0], each)) == 0 for each in a[1:]), 2, None),
    "ne": _comparison(lambda order: order != 0),
    "lt": _comparison(lambda order: order < 0),
    "le": _comparison(lambda order: order <= 0),
    "gt": _comparison(lambda order: order > 0),
    "ge": _comparison(lambda order: order >= 0),
    "index": _pure(_index, 1, None),
    "len": _pure(lambda arguments: _length(arguments[0]), 1, 1),
    "print": _pure(_print, 0, None),
    "println": _pure(lambda a: " ".join(map(format_value, a)) + "\n", 0, None),
    "printf": _pure(lambda a: format_printf(_text(a[0]), a[1:]), 1, None),
    "urlquery": _pure(lambda a: quote_plus(_print(a)), 0, None),
    "urlQueryEscape": _of_text(quote_plus),
    "html": _pure(lambda a: _escape_html(_print(a)), 0, None),
    "js": _pure(lambda a: _escape_script(_print(a)), 0, None),
    "slice": _pure(_slice, 1, 4),
    "humanize": _of_number(humanize),
    "humanize1024": _of_number(humanize_1024),
    "humanizeDuration": _of_number(humanize_duration),
    "humanizePercentage": _of_number(humanize_percentage),
    "humanizeTimestamp": _of_number(humanize_timestamp),
    "toDuration": _of_number(GoDuration),
    "toTime": _of_number(to_time),
    "now": TemplateFunction(lambda context, _: context.now_seconds, 0, 0),
    "parseDuration": _pure(lambda a: _parse_seconds(a[0]), 1, 1),
    "title": _of_text(_title),
    "toUpper": _of_text(str.upper),
    "toLower": _of_text(str.lower),
    "stripPort": _of_text(_strip_port),
    "stripDomain": _of_text(_strip_domain),
    "safeHtml": _of_text(str),
    "match": _pure(lambda a: _compile(a[0]).searches(_text(a[1])), 2, 2),
    "reReplaceAll": _pure(_replace_all, 3, 3),
    "args": _pure(lambda a: {f"arg{i}": each for i, each in enumerate(a)}, 0, None),
    "query": TemplateFunction(lambda context, a: list(context.query(_text(a[0]))), 1, 1),
    "first": _pure(lambda a: _first(a[0]), 1, 1),
    "value": _pure(lambda a: _sample(a[0]).value, 1, 1),
    "label": _pure(lambda a: _sample(a[1]).labels.get(_text(a[0]), ""), 2, 2),
    "strvalue": _pure(lambda a: _sample(a[0]).labels.get("__value__", ""), 1, 1),
    "sortByLabel": _pure(
        lambda a: sorted(_samples(a[1]), key=lambda each: each.labels.get(_text(a[0]), "")), 2, 2
    ),
    "tmpl": TemplateFunction(lambda context, a: context.render(_text(a[0]), a[1]), 2, 2),
    "externalURL": TemplateFunction(lambda context, _: context.external_url, 0, 0),
    "pathPrefix": TemplateFunction(lambda context, _: urlsplit(context.external_url).path, 0, 0),
    "graphLink": TemplateFunction(lambda context, a: _link(context, a[0], "chart"), 1, 1),
    "tableLink": TemplateFunction(lambda context, a: _link(context, a[0], "table"), 1, 1),
}
