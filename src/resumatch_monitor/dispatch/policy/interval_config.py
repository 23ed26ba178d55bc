"""`alerting.time_intervals`: Alertmanager's grammar of recurring stretches of time."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from resumatch_monitor.kit.models import ConfigModel, Text
from resumatch_monitor.kit.zones import find_zone

Span = tuple[int, int]
"""First and last of a range, both included."""

LOCAL = "Local"
"""As a location: the zone of the machine."""

_MOST = 100
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d|24:00")
_MINUTES_OF_DAY = 24 * 60
_WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_WEEKDAY_NUMBERS = {name: number for number, name in enumerate(_WEEKDAYS)}
_MONTH_NUMBERS = {name: number for number, name in enumerate(_MONTHS, start=1)}
_LAST_DAY, _LAST_MONTH, _LAST_YEAR = 31, 12, 9998


def _read_time(value: object) -> object:
    # YAML 1.1 takes 17:30 for a number in base 60: of minutes, then.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MINUTES_OF_DAY:
        return f"{value // 60:02}:{value % 60:02}"
    return value


TimeOfDay = Annotated[str, BeforeValidator(_read_time, json_schema_input_type=str)]
"""`HH:MM`, up to `24:00`."""


class TimeRangeConfig(ConfigModel):
    """A stretch of every day; one across midnight is written as two."""

    start_time: TimeOfDay
    """From here on, as `HH:MM`."""
    end_time: TimeOfDay
    """Until here, the minute itself excluded; at the latest `24:00`."""

    @field_validator("start_time", "end_time")
    @classmethod
    def _check_time(cls, text: str) -> str:
        parse_time(text)
        return text

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if parse_time(self.start_time) >= parse_time(self.end_time):
            raise ValueError(
                "start_time must be before end_time; write a night as two times, one until 24:00"
                " and one from 00:00"
            )
        return self


class TimeIntervalConfig(ConfigModel):
    """Conditions on a moment, all of which must hold; what is left out holds always."""

    times: list[TimeRangeConfig] | None = Field(default=None, min_length=1, max_length=_MOST)
    """Stretches of the day."""
    weekdays: list[str] | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST,
        description="Days and ranges, `sunday` being the first: `saturday`, `monday:friday`.",
    )
    days_of_month: list[Text] | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST,
        description='Days and ranges, negative ones from the end: `"1:5"`, `"-1"`.',
    )
    months: list[Text] | None = Field(
        default=None,
        min_length=1,
        max_length=_MOST,
        description='By name or number, also ranges: `december`, `"1:3"`.',
    )
    years: list[Text] | None = Field(default=None, min_length=1, max_length=_MOST)
    """Also ranges: `2026:2028`."""
    location: str = "UTC"
    """The time zone, as `Europe/Berlin`; `Local` is the machine's."""

    @field_validator("weekdays")
    @classmethod
    def _check_weekdays(cls, texts: list[str] | None) -> list[str] | None:
        parse_weekdays(texts or ())
        return texts

    @field_validator("days_of_month")
    @classmethod
    def _check_days(cls, texts: list[str] | None) -> list[str] | None:
        parse_days(texts or ())
        return texts

    @field_validator("months")
    @classmethod
    def _check_months(cls, texts: list[str] | None) -> list[str] | None:
        parse_months(texts or ())
        return texts

    @field_validator("years")
    @classmethod
    def _check_years(cls, texts: list[str] | None) -> list[str] | None:
        parse_years(texts or ())
        return texts

    @field_validator("location")
    @classmethod
    def _check_location(cls, name: str) -> str:
        if name != LOCAL:
            find_zone(name)
        return name


class NamedIntervalConfig(ConfigModel):
    """Time intervals under the name by which routes and quiet hours call them."""

    name: str = Field(min_length=1)
    """Its name."""
    time_intervals: list[TimeIntervalConfig] = Field(max_length=_MOST)
    """The stretches of time; any of them will do."""


def parse_time(text: str) -> int:
    """Return the minutes since midnight that `HH:MM` names.

    Raises:
        ValueError: If it is not that.
    """
    if _TIME.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no time of day; write HH:MM, from 00:00 to 24:00")
    hours, _, minutes = text.partition(":")
    return int(hours) * 60 + int(minutes)


def parse_weekdays(texts: Sequence[str]) -> tuple[Span, ...]:
    """Return ranges of weekdays, Sunday being 0.

    Raises:
        ValueError: If one is no weekday, or the last day of a range comes before its first.
    """
    return tuple(_parse_span(text, "weekday", _WEEKDAY_NUMBERS, None) for text in texts)


def parse_months(texts: Sequence[str]) -> tuple[Span, ...]:
    """Return ranges of months, January being 1.

    Raises:
        ValueError: If one is no month, or the last month of a range comes before its first.
    """
    return tuple(_parse_span(text, "month", _MONTH_NUMBERS, (1, _LAST_MONTH)) for text in texts)


def parse_years(texts: Sequence[str]) -> tuple[Span, ...]:
    """Return ranges of years.

    Raises:
        ValueError: If one is no year, or the last year of a range comes before its first.
    """
    return tuple(_parse_span(text, "year", {}, (1, _LAST_YEAR)) for text in texts)


def parse_days(texts: Sequence[str]) -> tuple[Span, ...]:
    """Return ranges of days of the month, negative ones counted from its end.

    Raises:
        ValueError: If one is no day, or the last day of a range comes before its first.
    """
    spans: list[Span] = []
    for text in texts:
        first, last = _split(text, "day of the month", {}, (-_LAST_DAY, _LAST_DAY))
        if 0 in (first, last):
            raise ValueError("there is no day 0 in a month")
        if first < 0 < last:
            raise ValueError(f"{text!r} ends before it begins: count both days from the end")
        if (first < 0) == (last < 0) and last < first:
            raise ValueError(f"{text!r} ends before it begins")
        spans.append((first, last))
    return tuple(spans)


def _parse_span(text: str, what: str, names: Mapping[str, int], bounds: Span | None) -> Span:
    first, last = _split(text, what, names, bounds)
    if last < first:
        raise ValueError(f"{text!r} ends before it begins; write it as two")
    return first, last


def _split(text: str, what: str, names: Mapping[str, int], bounds: Span | None) -> Span:
    first, colon, last = text.strip().lower().partition(":")
    begin = _parse_one(first, text, what, names, bounds)
    return begin, _parse_one(last, text, what, names, bounds) if colon else begin


def _parse_one(
    part: str, text: str, what: str, names: Mapping[str, int], bounds: Span | None
) -> int:
    if part in names:
        return names[part]
    digits = part.removeprefix("-")
    if bounds is not None and digits.isascii() and digits.isdigit() and len(digits) <= 4:
        number = int(part)
        if bounds[0] <= number <= bounds[1]:
            return number
    # YAML 1.1 takes 1:5 for the number 65.
    raise ValueError(f"{text!r} is no {what} and no range of them (put a range into quotes)")
