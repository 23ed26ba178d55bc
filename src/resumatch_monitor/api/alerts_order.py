"""In which order lists of alerts are, and where a page begins."""

import base64
import binascii
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from resumatch_monitor.api.alerts_render import StandingAlert
from resumatch_monitor.api.paging import BadCursorError, parse_number
from resumatch_monitor.dispatch.reading import PageMark
from resumatch_monitor.kit.clock import from_milliseconds, to_milliseconds

_SEVERITY_RANKS = {"critical": 0, "warning": 1, "info": 2}

SortName = Literal["newest", "oldest", "severity", "name"]

_SORT_KEYS: dict[str, Callable[[StandingAlert], tuple[Any, ...]]] = {
    "newest": lambda each: (-to_milliseconds(each.alert.starts_at),),
    "oldest": lambda each: (to_milliseconds(each.alert.starts_at),),
    "severity": lambda each: (
        rank_severity(each.alert.severity),
        -to_milliseconds(each.alert.starts_at),
    ),
    "name": lambda each: (each.alert.name, -to_milliseconds(each.alert.starts_at)),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins: after an alert that is not over, or after one that is.

    Attributes:
        key: What the last alert of the page before is sorted by.
        is_over: The list has come to what is over.
        mark: The last of those of the page before; None at the first.
    """

    key: tuple[Any, ...] | None = None
    is_over: bool = False
    mark: PageMark | None = None

    def is_before(self, each: StandingAlert, sort: SortName) -> bool:
        """Tell whether an alert that is not over comes after this place.

        Raises:
            BadCursorError: If the place is one of another order.
        """
        if self.key is None:
            return True
        key = _sort_key(each, sort)
        if [type(part) for part in key] != [type(part) for part in self.key]:
            raise BadCursorError
        return key > self.key

    @classmethod
    def parse(cls, text: str | None) -> "Place":
        """Read a cursor.

        Raises:
            BadCursorError: If it is none.
        """
        if not text:
            return cls()
        if text == "s":
            return cls(is_over=True)
        if text[0] == "l":
            return cls(key=_parse_key(text[1:]))
        numbers = [parse_number(part) for part in text[1:].split("-")]
        match text[0], numbers:
            case "s", [int(at_ms), int(last_id)]:
                with suppress(OverflowError, OSError, ValueError):
                    mark = PageMark(from_milliseconds(at_ms), last_id)
                    return cls(is_over=True, mark=mark)
            case _:
                pass
        raise BadCursorError

    @staticmethod
    def render_key(last: StandingAlert, sort: SortName) -> str:
        """Return the cursor of what follows `last`, which is not over."""
        text = base64.urlsafe_b64encode(orjson.dumps(_sort_key(last, sort)))
        return "l" + text.decode().rstrip("=")

    @staticmethod
    def render_mark(mark: PageMark | None) -> str:
        """Return the cursor of what follows an alert that is over."""
        return "s" if mark is None else f"s{to_milliseconds(mark.at)}-{mark.id}"


def _parse_key(text: str) -> tuple[Any, ...]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        raise BadCursorError from None
    if not isinstance(found, list):
        raise BadCursorError
    return tuple(found)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _sort_key(each: StandingAlert, sort: SortName) -> tuple[Any, ...]:
    return (*_SORT_KEYS[sort](each), each.alert.fingerprint)


def sort_alerts(live: Sequence[StandingAlert], sort: SortName) -> list[StandingAlert]:
    """Return `live` in order."""
    return sorted(live, key=lambda each: _sort_key(each, sort))


def rank_severity(severity: str) -> int:
    """Return what puts the gravest first; an unknown severity is a warning."""
    return _SEVERITY_RANKS.get(severity, 1)
