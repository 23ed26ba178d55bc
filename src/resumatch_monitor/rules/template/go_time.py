"""Moments and durations as Go's templates know them."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from typing_extensions import override

from resumatch_monitor.rules.template.nodes import TemplateError

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_LONGEST_LAYOUT = 1000
# The longest first, as Go looks for them.
_LAYOUT = re.compile(
    r"January|Jan|Monday|Mon|MST|2006|Z07:00|Z0700|-07:00|-0700|-07|[.,]0+(?!\d)|[.,]9+(?!\d)"
    r"|002|_2|01|02|03|04|05|06|15|PM|pm|1|2|3|4|5"
)


@dataclass(frozen=True, slots=True)
class GoDuration:
    """A length of time; printed as Go prints it: `1h2m0.5s`."""

    seconds: float

    @override
    def __str__(self) -> str:
        if not math.isfinite(self.seconds):
            raise TemplateError("that is no length of time")
        if self.seconds == 0:
            return "0s"
        sign, rest = ("-", -self.seconds) if self.seconds < 0 else ("", self.seconds)
        if rest < 1:
            for unit, factor in (("ms", 1e3), ("µs", 1e6), ("ns", 1e9)):
                if rest * factor >= 1:
                    return f"{sign}{_trim(rest * factor)}{unit}"
            return "0s"
        minutes, seconds = divmod(rest, 60)
        hours, minutes = divmod(int(minutes), 60)
        text = f"{_trim(seconds)}s"
        if hours:
            return f"{sign}{hours}h{minutes}m{text}"
        return f"{sign}{minutes}m{text}" if minutes else sign + text


@dataclass(frozen=True, slots=True)
class GoTime:
    """A moment in UTC, with those of Go's methods that a text can need."""

    moment: datetime

    def call(self, name: str, arguments: Sequence[object]) -> object:
        """Return what the method `name` returns.

        Raises:
            TemplateError: If there is none, or it takes other arguments.
        """
        if name in _PARTS and not arguments:
            return _PARTS[name](self.moment)
        match name, arguments:
            case "Format", [str(layout)]:
                return format_time(self.moment, layout)
            case "Add", [GoDuration(seconds)]:
                return self._add(seconds)
            case "Sub", [GoTime(other)]:
                return GoDuration((self.moment - other).total_seconds())
            case (("Before" | "After" | "Equal"), [GoTime(other)]):
                return {
                    "Before": self.moment < other,
                    "After": self.moment > other,
                    "Equal": self.moment == other,
                }[name]
            case _:
                raise TemplateError(f"a moment has no method {name} with such arguments")

    @override
    def __str__(self) -> str:
        return format_time(self.moment, "2006-01-02 15:04:05.999 -0700 MST")

    def _add(self, seconds: float) -> "GoTime":
        try:
            return GoTime(self.moment + timedelta(seconds=seconds))
        except (OverflowError, ValueError) as error:
            raise TemplateError("that is no moment") from error


def format_time(moment: datetime, layout: str) -> str:
    """Render `moment` by a layout of Go, in which January 2nd 2006, 15:04:05, shows the form."""
    if len(layout) > _LONGEST_LAYOUT:
        raise TemplateError(f"a layout is longer than {_LONGEST_LAYOUT} characters")
    return _LAYOUT.sub(lambda match: _format_part(moment, match[0]), layout)


def _format_part(moment: datetime, part: str) -> str:
    if part[0] in ".,":
        digits = f"{moment.microsecond:06d}000"[: len(part) - 1].ljust(len(part) - 1, "0")
        if part[1] == "9":
            digits = digits.rstrip("0")
        return part[0] + digits if digits else ""
    if part[0] in "Z-" and part != "Monday":
        return "Z" if part[0] == "Z" else "+00:00" if ":" in part else f"+00{part[3:] and '00'}"
    return _LAYOUT_PARTS[part](moment)


def _trim(number: float) -> str:
    return f"{number:.9f}".rstrip("0").rstrip(".")


def _hour12(moment: datetime) -> int:
    return moment.hour % 12 or 12


_LAYOUT_PARTS: Mapping[str, Callable[[datetime], str]] = {
    "January": lambda at: _MONTHS[at.month - 1],
    "Jan": lambda at: _MONTHS[at.month - 1][:3],
    "Monday": lambda at: _DAYS[at.weekday()],
    "Mon": lambda at: _DAYS[at.weekday()][:3],
    "MST": lambda _: "UTC",
    "2006": lambda at: f"{at.year:04d}",
    "06": lambda at: f"{at.year % 100:02d}",
    "01": lambda at: f"{at.month:02d}",
    "1": lambda at: str(at.month),
    "002": lambda at: f"{at.timetuple().tm_yday:03d}",
    "02": lambda at: f"{at.day:02d}",
    "_2": lambda at: f"{at.day:2d}",
    "2": lambda at: str(at.day),
    "15": lambda at: f"{at.hour:02d}",
    "03": lambda at: f"{_hour12(at):02d}",
    "3": lambda at: str(_hour12(at)),
    "04": lambda at: f"{at.minute:02d}",
    "4": lambda at: str(at.minute),
    "05": lambda at: f"{at.second:02d}",
    "5": lambda at: str(at.second),
    "PM": lambda at: "PM" if at.hour >= 12 else "AM",
    "pm": lambda at: "pm" if at.hour >= 12 else "am",
}
_PARTS: Mapping[str, Callable[[datetime], object]] = {
    "Unix": lambda at: int(at.timestamp()),
    "UnixMilli": lambda at: round(at.timestamp() * 1000),
    "Year": lambda at: at.year,
    "Month": lambda at: _MONTHS[at.month - 1],
    "Day": lambda at: at.day,
    "Hour": lambda at: at.hour,
    "Minute": lambda at: at.minute,
    "Second": lambda at: at.second,
    "Weekday": lambda at: _DAYS[at.weekday()],
    "YearDay": lambda at: at.timetuple().tm_yday,
    "UTC": lambda at: GoTime(at.astimezone(UTC)),
    "String": lambda at: str(GoTime(at)),
}
