"""Finds the time and the level in a line that was written for people."""

import re
from datetime import UTC, datetime, tzinfo

from resumatch_monitor.logs.record import parse_severity

_LOOKED_AT = 256
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# At the beginning, or after a word: `ERROR 2026-11-26 07:00:00 …`.
_ISO = re.compile(
    r"^\W{0,3}(?:[A-Za-z]{3,9}\W{1,3})?"
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?"
    r"(?: ?(Z\b|UTC\b|[+-]\d\d:?\d\d\b))?"
)
_ACCESS = re.compile(r"\[(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d:\d\d:\d\d) ([+-]\d{4})\]")

_STATED = re.compile(r"\b(?:level|lvl|severity|levelname)[\"']?\s?[=:]\s?[\"']?([A-Za-z]+)", re.I)
_BRACKETED = re.compile(r"[\[<(]\s{0,8}([A-Za-z]{3,13})\s{0,8}[\])>:]")
_CAPITALS = re.compile(r"(?:^|(?<=[\s|:,-]))([A-Z]{3,9})(?=[\s:|,\]-]|$)")
_FIRST_WORD = re.compile(r"^\W{0,2}([A-Za-z]{3,11}):\s")
_PLAIN_WORDS = frozenset(
    ("TRACE", "DEBUG", "INFO", "NOTICE", "WARN", "WARNING", "ERROR", "ERR", "FATAL", "CRITICAL",
     "CRIT", "ALERT", "EMERG", "PANIC", "SEVERE", "LOG")
)  # fmt: skip


def find_time(line: str, zone: tzinfo = UTC) -> datetime | None:
    """Return when a line says it was written; None if it does not.

    Args:
        line: Its beginning is looked at.
        zone: Which one is meant where the line names none.
    """
    head = line[:_LOOKED_AT]
    found = _ISO.match(head)
    if found is not None:
        year, month, day, time, fraction, offset = found.groups()
        text = f"{year}-{month}-{day}T{time}.{(fraction or '0')[:6].ljust(6, '0')}"
        return _parse(text, offset, zone)
    found = _ACCESS.search(head)
    if found is None or found[2] not in _MONTHS:
        return None
    day, month, year, time, offset = found.groups()
    return _parse(f"{year}-{_MONTHS.index(month) + 1:02}-{day}T{time}", offset, zone)


def find_level(line: str) -> str:
    """Return the word by which a line tells its level; empty if there is none."""
    head = line[:_LOOKED_AT]
    for pattern in (_STATED, _BRACKETED):
        for found in pattern.finditer(head):
            if parse_severity(found[1]):
                return found[1]
    for found in _CAPITALS.finditer(head):
        if found[1] in _PLAIN_WORDS:
            return found[1]
    first = _FIRST_WORD.match(head)
    return first[1] if first is not None and parse_severity(first[1]) else ""


def _parse(text: str, offset: str | None, zone: tzinfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
        if offset is None:
            return moment.replace(tzinfo=zone).astimezone(UTC)
        if offset in ("Z", "UTC"):
            return moment.replace(tzinfo=UTC)
        return datetime.fromisoformat(text + offset).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
