"""Series as tests write them: `name{label="value"}` and the values in expanding notation."""

import re

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels
from resumatch_monitor.metrics.samples import STALE

MOST_VALUES = 10_000_000
"""How many values the series of one test may have."""

_STRING = r'"(?:[^"\\\n]|\\.)*"' + r"|'(?:[^'\\\n]|\\.)*'" + r"|`[^`]*`"
_NAME = re.compile(r"\s*([a-zA-Z_:][\w:]*)?\s*", re.ASCII)
_LABEL = re.compile(
    rf"\s*(?:([a-zA-Z_]\w*|{_STRING})\s*=\s*({_STRING})|({_STRING}))\s*(,|\}})", re.ASCII
)
_NUMBER = r"(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf|nan)"
_VALUE = re.compile(
    rf"(?:(_)|(stale)|([+-]?{_NUMBER}))(?:([+-]{_NUMBER})(?=x))?(?:x(\d{{1,9}}))?", re.IGNORECASE
)
_ESCAPE = re.compile(
    r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL
)
_PLAIN_ESCAPES = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    "'": "'",
    '"': '"',
}


def parse_series(text: str) -> Labels:
    """Parse `name{a="b", c="d"}`; the name, the braces or both may be missing.

    Raises:
        ValueError: If it is not of that form; the message quotes what is not understood.
    """
    head = _NAME.match(text)
    name = head[1] if head is not None else None
    position = head.end() if head is not None else 0
    pairs: dict[str, str] = {} if name is None else {METRIC_NAME: name}
    if position < len(text) and text[position] == "{":
        position = _parse_labels(text, position + 1, pairs)
    if text[position:].strip():
        raise ValueError(f"unexpected {_shorten(text[position:].strip())!r} in a series")
    return Labels.of(pairs)


def _parse_labels(text: str, position: int, pairs: dict[str, str]) -> int:
    while True:
        rest = text[position:].lstrip()
        if rest.startswith("}"):
            return len(text) - len(rest) + 1
        label = _LABEL.match(text, position)
        if label is None:
            raise ValueError(f"labels are expected at {_shorten(rest)!r}")
        if label[3] is not None:
            _add(pairs, METRIC_NAME, unquote(label[3]))
        else:
            name = unquote(label[1]) if label[1][0] in "\"'`" else label[1]
            _add(pairs, name, unquote(label[2]))
        position = label.end()
        if label[4] == "}":
            return position


def _add(pairs: dict[str, str], name: str, value: str) -> None:
    if name in pairs:
        raise ValueError(f"the label {name} is there twice")
    pairs[name] = value


def unquote(text: str) -> str:
    """Return what a quoted string of PromQL means.

    Raises:
        ValueError: If an escape sequence in it has no meaning.
    """
    inner = text[1:-1]
    return inner if text[0] == "`" else _ESCAPE.sub(_unescape, inner)


def _unescape(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    if code:
        return chr(int(code, 16))
    if escape[4]:
        return chr(int(escape[4], 8))
    if escape[5] not in _PLAIN_ESCAPES:
        raise ValueError(f"{escape[0]!r} in a string has no meaning")
    return _PLAIN_ESCAPES[escape[5]]


def expand_values(text: str) -> list[float | None]:
    """Expand `1+2x3 _ stale` to one value an interval; None where there is no sample.

    Raises:
        ValueError: If a part of it is not understood, or there are too many values.
    """
    values: list[float | None] = []
    if "{{" in text:
        raise ValueError("native histograms are not supported in values")
    for item in text.split():
        match = _VALUE.fullmatch(item)
        if match is None or (match[4] is not None and match[3] is None):
            raise ValueError(f"the value {_shorten(item)!r} cannot be understood")
        times = int(match[5]) if match[5] else 0
        if len(values) + times >= MOST_VALUES:
            raise ValueError(f"there are more than {MOST_VALUES:,} values")
        values.extend(_repeat(match, times))
    return values


def _repeat(match: re.Match[str], times: int) -> list[float | None]:
    if match[1]:
        # A missing sample is no value to start from: `_x3` is three of them.
        return [None] * (times if match[5] else 1)
    value = STALE if match[2] else float(match[3])
    step = float(match[4]) if match[4] else 0.0
    if not step:
        return [value] * (times + 1)
    found: list[float | None] = [value]
    for _ in range(times):
        value += step
        found.append(value)
    return found


def _shorten(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"
