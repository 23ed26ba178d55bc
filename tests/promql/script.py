"""Reads promqltest scripts: `load`, `clear`, `eval` and what is expected."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from resumatch_monitor.kit.durations import parse_duration
from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.samples import STALE

_STRING = r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'" + r"|`[^`]*`"
_METRIC = re.compile(r"([a-zA-Z_:][\w:]*)?\s*(?:\{(?!\{)((?:" + _STRING + r"|[^}\"'`])*)\})?")
_LABEL = re.compile(
    rf"\s*(?:([\w.:]+|{_STRING})\s*=\s*({_STRING})|({_STRING}))\s*(?:,|$)", re.DOTALL
)
_EVAL = re.compile(
    r"eval(?:_(?P<mode>fail|ordered|warn|info))?\s+(?:instant\s+at\s+(?P<at>\S+)"
    r"|range\s+from\s+(?P<start>\S+)\s+to\s+(?P<end>\S+)\s+step\s+(?P<step>\S+))\s+(?P<query>.*)",
    re.DOTALL,
)
_TOKEN = re.compile(r"\{\{.*?\}\}(?:[+-]\{\{.*?\}\})?(?:x\d+)?|\S+")
_SCALAR = re.compile(r"[+-]?(?:\d[\w.+-]*|\.\d[\w.+-]*|inf|nan)", re.IGNORECASE)
_EXPANSION = re.compile(
    r"(?P<first>[+-]?(?:\d[\d.]*(?:e[+-]?\d+)?|\.\d+|inf|nan|0x[0-9a-f]+))"
    r"(?:(?P<step>[+-](?:\d[\d.]*(?:e[+-]?\d+)?|\.\d+|inf|nan)))?(?:x(?P<times>\d+))?",
    re.IGNORECASE,
)


class HistogramSampleError(ValueError):
    """The script uses a native histogram where only a number can be understood."""


@dataclass(frozen=True)
class Load:
    """Series to store: values `step_ms` apart from 0 on, None for no sample."""

    step_ms: int
    series: list[tuple[Labels, list[float | None]]]


@dataclass(frozen=True)
class Clear:
    """Forget what was loaded."""


@dataclass
class Eval:
    """A query and what it should answer."""

    line: int
    query: str
    start_ms: int
    end_ms: int
    step_ms: int
    is_instant: bool
    series: list[tuple[Labels, list[float | None]]] = field(
        default_factory=list[tuple[Labels, list[float | None]]]
    )
    scalar: float | None = None
    text: str | None = None
    fails: bool = False
    fail_text: str | None = None
    fail_pattern: str | None = None
    is_ordered: bool = False
    has_range_vector: bool = False
    vector_start_ms: int = 0
    vector_step_ms: int = 0
    has_histograms: bool = False
    warns: bool | None = None
    informs: bool | None = None
    remarks: list[tuple[str, re.Pattern[str]]] = field(
        default_factory=list[tuple[str, re.Pattern[str]]]
    )


def parse_script(text: str) -> Iterator[Load | Clear | Eval]:
    """Yield the commands of a script.

    Raises:
        ValueError: If a line cannot be understood.
    """
    lines = [_strip(line) for line in text.splitlines()]
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if not line:
            continue
        body: list[str] = []
        first = index
        if not line.startswith("clear"):
            while index < len(lines) and lines[index]:
                body.append(lines[index])
                index += 1
        if line.startswith("clear"):
            yield Clear()
        elif line.startswith("load"):
            yield _parse_load(line, body)
        elif line.startswith("eval"):
            yield _parse_eval(line, body, first)
        else:
            raise ValueError(f"line {first}: {line!r} is no command")


def _strip(line: str) -> str:
    stripped = line.strip()
    return "" if stripped.startswith("#") else stripped


def _parse_load(line: str, body: list[str]) -> Load:
    series: list[tuple[Labels, list[float | None]]] = []
    for each in body:
        labels, rest = parse_metric(each)
        values, _ = expand_values(rest)
        series.append((labels, values))
    return Load(_parse_ms(line.split()[1]), series)


def _parse_eval(line: str, body: list[str], number: int) -> Eval:
    match = _EVAL.fullmatch(line)
    if match is None:
        raise ValueError(f"line {number}: {line!r} cannot be understood")
    is_instant = match["at"] is not None
    start_ms = _parse_ms(match["at"] or match["start"])
    case = Eval(
        line=number,
        query=match["query"],
        start_ms=start_ms,
        end_ms=start_ms if is_instant else _parse_ms(match["end"]),
        step_ms=1000 if is_instant else _parse_ms(match["step"]),
        is_instant=is_instant,
        fails=match["mode"] == "fail",
        is_ordered=match["mode"] == "ordered",
    )
    for each in body:
        _parse_expectation(case, each)
    return case


def _parse_expectation(case: Eval, line: str) -> None:
    if line.startswith("expect "):
        _parse_expect(case, line.removeprefix("expect ").strip())
    elif _SCALAR.fullmatch(line):
        case.scalar = _parse_number(line)
    elif line.startswith("expected_fail_message"):
        case.fail_text = line.removeprefix("expected_fail_message").strip()
    else:
        labels, rest = parse_metric(line)
        values, has_histograms = expand_values(rest)
        case.has_histograms |= has_histograms
        case.series.append((labels, values))


def _parse_expect(case: Eval, what: str) -> None:
    kind, _, detail = what.partition(" ")
    match kind:
        case "fail":
            case.fails = True
            if detail.strip().startswith("msg:"):
                case.fail_text = detail.strip().removeprefix("msg:").strip()
            elif detail.strip().startswith("regex:"):
                case.fail_pattern = detail.strip().removeprefix("regex:").strip()
        case "ordered":
            case.is_ordered = True
        case "string":
            case.text = unquote(detail.strip())
        case "warn" | "no_warn":
            case.warns = kind == "warn"
            _parse_remark(case, kind, detail.strip())
        case "info" | "no_info":
            case.informs = kind == "info"
            _parse_remark(case, kind, detail.strip())
        case "range":
            case.has_range_vector = True
            words = detail.split()
            case.vector_start_ms, case.vector_step_ms = _parse_ms(words[2]), _parse_ms(words[6])
        case _:
            raise ValueError(f"expect {what!r} cannot be understood")


def _parse_remark(case: Eval, kind: str, detail: str) -> None:
    """Note the text, or the pattern of it, that a warning or an info should have."""
    if detail.startswith("msg:"):
        case.remarks.append((kind, re.compile(re.escape(detail.removeprefix("msg:").strip()))))
    elif detail.startswith("regex:"):
        case.remarks.append((kind, re.compile(detail.removeprefix("regex:").strip())))


def parse_metric(text: str) -> tuple[Labels, str]:
    """Split `name{a="b"} rest` into the label set and the rest."""
    match = _METRIC.match(text)
    assert match is not None
    pairs: list[tuple[str, str]] = [(METRIC_NAME, match[1])] if match[1] else []
    inner, position = (match[2] or "").strip(), 0
    while position < len(inner):
        label = _LABEL.match(inner, position)
        if label is None:
            raise ValueError(f"the labels {inner!r} cannot be understood")
        if label[3]:
            pairs.append((METRIC_NAME, unquote(label[3])))
        else:
            name = unquote(label[1]) if label[1][0] in "\"'`" else label[1]
            pairs.append((name, unquote(label[2])))
        position = label.end()
    return Labels(pairs), text[match.end() :].strip()


def unquote(text: str) -> str:
    """Return what a quoted string means."""
    inner = text[1:-1]
    if text[0] == "`" or "\\" not in inner:
        return inner
    return inner.encode("latin-1", "backslashreplace").decode("unicode_escape")


def expand_values(text: str) -> tuple[list[float | None], bool]:
    """Expand `1+2x3 _ stale`, and tell whether there were native histograms (left out)."""
    values: list[float | None] = []
    has_histograms = False
    for token in _TOKEN.findall(text):
        if token.startswith("{{"):
            has_histograms = True
            repeats = re.search(r"\}\}x(\d+)$", token)
            values.extend([None] * (int(repeats[1]) + 1 if repeats else 1))
        elif token == "stale":
            values.append(STALE)
        elif token.startswith("_"):
            values.extend([None] * (int(token[2:]) if len(token) > 1 else 1))
        else:
            values.extend(_expand(token))
    return values, has_histograms


def _expand(token: str) -> list[float | None]:
    match = _EXPANSION.fullmatch(token)
    if match is None:
        return [_parse_number(token)]
    first = _parse_number(match["first"])
    if match["times"] is None:
        return [_parse_number(token)] if match["step"] is None else [first]
    step = _parse_number(match["step"]) if match["step"] else 0.0
    values: list[float | None] = []
    for _ in range(int(match["times"]) + 1):
        values.append(first)
        first += step
    return values


def _parse_number(text: str) -> float:
    lowered = text.strip().lower().replace("_", "")
    if lowered.lstrip("+-").startswith("0x"):
        return float(int(lowered, 16))
    return float(lowered)


def _parse_ms(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    bare = text.lstrip("+-")
    try:
        return sign * round(float(bare) * 1000)
    except ValueError:
        return sign * round(parse_duration(bare).total_seconds() * 1000)


def is_close(actual: float, expected: float) -> bool:
    """Compare as Prometheus' own runner does: within 1e-6."""
    if math.isnan(actual) or math.isnan(expected):
        return math.isnan(actual) and math.isnan(expected)
    if actual == expected:
        return True
    scale = abs(actual) + abs(expected)
    if math.isinf(scale):
        return (
            abs(actual / 2 - expected / 2) / (abs(actual) / 2 + abs(expected) / 2) < 1e-6
            if (math.isfinite(actual) and math.isfinite(expected))
            else False
        )
    return abs(actual - expected) / scale < 1e-6
