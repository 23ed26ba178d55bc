"""One line of an exposition format: its series, its value, its metadata."""

import math
import re
from dataclasses import dataclass
from enum import StrEnum
from sys import intern

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels

_NAME = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(
    rb'[ \t]*(?:"([^"\\]*+(?:\\.[^"\\]*+)*+)"|([a-zA-Z_][a-zA-Z0-9_]*))'
    rb'[ \t]*(?:(=)[ \t]*"([^"\\]*+(?:\\.[^"\\]*+)*+)")?[ \t]*(,|\})',
    re.DOTALL,
)
_CLOSE = re.compile(rb"[ \t]*\}")
_META = re.compile(
    rb"#[ \t]+(HELP|TYPE|UNIT)[ \t]+"
    rb'("[^"\\]*+(?:\\.[^"\\]*+)*+"|[a-zA-Z_:][a-zA-Z0-9_:]*)(?:[ \t]+(.*))?',
    re.DOTALL,
)
LONGEST_LINE = 1024 * 1024
"""Bytes; what one label or text takes to parse is many times its size."""
EXEMPLAR_MARK = b" # "
_LONGEST_HELP = 1024
_LONGEST_EXCERPT = 60
_LARGEST_MILLISECONDS = 2**62
_TYPES = frozenset(
    (
        "counter",
        "gauge",
        "histogram",
        "gaugehistogram",
        "summary",
        "untyped",
        "unknown",
        "info",
        "stateset",
    )
)


class Format(StrEnum):
    """How a text is to be read."""

    TEXT = "text"
    OPEN_METRICS = "openmetrics"


class LineError(ValueError):
    """A line is malformed; the message says how."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a target says of a metric."""

    type: str = "unknown"
    help: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class ParsedExemplar:
    """One observation that a sample stands for.

    Attributes:
        labels: What names it, a trace id usually.
        timestamp_ms: None if the target says none.
    """

    labels: Labels
    value: float
    timestamp_ms: int | None


class MetadataBuilder:
    """Collects `# TYPE`, `# HELP` and `# UNIT` lines; other comments are nothing."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self._found: dict[str, dict[str, str]] = {}

    def add(self, line: bytes) -> None:
        """Take a line that begins with `#`."""
        match = _META.match(line)
        if match is None:
            return
        keyword, raw_name, raw_text = match.groups(b"")
        text = raw_text.decode(errors="replace").strip(" \t\r")
        name = raw_name.decode(errors="replace")
        if name.startswith('"'):
            name = _unescape(name[1:-1])
        found = self._found.setdefault(name, {})
        if keyword == b"TYPE":
            lowered = text.lower()
            found["type"] = lowered if lowered in _TYPES else "unknown"
        elif keyword == b"HELP":
            found["help"] = _unescape(text)[:_LONGEST_HELP]
        elif self._form is Format.OPEN_METRICS:
            found["unit"] = text[:_LONGEST_HELP]

    def build(self) -> dict[str, Metadata]:
        """Return what was found, by metric."""
        return {
            name: Metadata(
                type="unknown" if found.get("type") == "untyped" else found.get("type", "unknown"),
                help=found.get("help", ""),
                unit=found.get("unit", ""),
            )
            for name, found in self._found.items()
        }


def parse_series(line: bytes, *, keep_empty_labels: bool = False) -> tuple[Labels, int]:
    """Parse the series at the beginning of `line`; return it and where its text ends.

    Args:
        line: A line that begins with a series.
        keep_empty_labels: Whether a label with an empty value stays in the label set.

    Raises:
        LineError: If there is none.
    """
    match = _NAME.match(line)
    name = match.group().decode() if match else ""
    end = match.end() if match else 0
    brace = end
    while line[brace : brace + 1] in (b" ", b"\t"):
        brace += 1
    if line[brace : brace + 1] != b"{":
        if not name:
            raise LineError(f"expected a metric's name, found {_excerpt(line)}")
        if line[end : end + 1] not in (b" ", b"\t"):
            raise LineError(
                f"expected a value after {_shorten(name)}, found {_excerpt(line[end:])}"
            )
        return Labels(((METRIC_NAME, name),)), end
    pairs, end = _parse_labels(line, brace + 1, name)
    if not pairs.get(METRIC_NAME):
        raise LineError("the series has no name")
    if keep_empty_labels:
        return Labels.from_sorted(tuple(sorted(pairs.items()))), end
    return Labels(pairs.items()), end


def _parse_labels(line: bytes, position: int, name: str) -> tuple[dict[str, str], int]:
    pairs = {METRIC_NAME: name} if name else {}
    while True:
        close = _CLOSE.match(line, position)
        if close is not None:
            return pairs, close.end()
        match = _LABEL.match(line, position)
        if match is None:
            raise LineError(f"expected a label, found {_excerpt(line[position:])}")
        quoted, plain, equals, value, separator = match.groups()
        # A few names stand on every line, each time anew.
        key = intern(_decode(plain) if plain is not None else _unescape(_decode(quoted)))
        if equals is None:
            # `{"metric.name", label="…"}` is how names in UTF-8 are written.
            if quoted is None:
                raise LineError(f"label {_shorten(key)} has no value")
            key, text = METRIC_NAME, key
        else:
            text = _unescape(_decode(value))
        if key in pairs:
            what = "the name" if key == METRIC_NAME else f"label {_shorten(key)}"
            raise LineError(f"{what} is given twice")
        pairs[key] = text
        position = match.end()
        if separator == b"}":
            return pairs, position


def parse_tail(tail: bytes, form: Format) -> tuple[float, int | None]:
    """Parse what follows a series: the value, and a timestamp in milliseconds if there is one.

    What may follow them, an exemplar, is not part of `tail`.

    Raises:
        LineError: If it is malformed.
    """
    parts = tail.split()
    if not parts:
        raise LineError("the value is missing")
    if len(parts) > 2:
        raise LineError(f"expected the end of the line, found {_excerpt(parts[2])}")
    value = parse_value(parts[0])
    if len(parts) == 1:
        return value, None
    try:
        if form is Format.TEXT:
            return value, _checked(int(parts[1]))
        seconds = parse_value(parts[1])
        return value, _checked(round(seconds * 1000))
    except (ValueError, OverflowError):
        raise LineError(f"{_excerpt(parts[1])} is not a timestamp") from None


def _checked(milliseconds: int) -> int:
    if not -_LARGEST_MILLISECONDS < milliseconds < _LARGEST_MILLISECONDS:
        raise ValueError
    return milliseconds


def parse_exemplar(text: bytes) -> ParsedExemplar:
    """Parse an exemplar: what stands after a sample's `#`.

    Raises:
        LineError: If it is malformed.
    """
    if not text.startswith(b"{"):
        raise LineError(f"expected an exemplar's labels, found {_excerpt(text)}")
    pairs, end = _parse_labels(text, 1, "")
    value, timestamp = parse_tail(text[end:], Format.OPEN_METRICS)
    return ParsedExemplar(Labels(pairs.items()), value, timestamp)


def parse_value(text: bytes) -> float:
    """Parse a number as Prometheus does: decimal, `NaN`, `+Inf`, `-Inf`; nothing hexadecimal.

    Raises:
        LineError: If it is not one.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    else:
        # Python reads `1_000`, Prometheus does not.
        if b"_" not in text:
            return value
    raise LineError(f"{_excerpt(text)} is not a value")


def _decode(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise LineError(f"{_excerpt(raw)} is not UTF-8") from None


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    # Between two backslashes that stand for one, every other begins an escape.
    parts = text.split("\\\\")
    return "\\".join(part.replace("\\n", "\n").replace('\\"', '"') for part in parts)


def _shorten(name: str) -> str:
    return name if len(name) <= _LONGEST_EXCERPT else name[:_LONGEST_EXCERPT] + "…"


def _excerpt(raw: bytes) -> str:
    text = raw[:_LONGEST_EXCERPT].decode(errors="replace")
    return repr(text) + ("…" if len(raw) > _LONGEST_EXCERPT else "")
