"""Which alerts and silences are asked for, in Alertmanager's parameters."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from resumatch_monitor.api.alertmanager_json import MalformedError
from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.kit.regex import Regex, RegexError
from resumatch_monitor.metrics.labels import Matcher

_MOST_FILTERS = 32


@dataclass(frozen=True, slots=True)
class Selection:
    """Which alerts are asked for."""

    matchers: tuple[Matcher, ...]
    receiver: Regex | None
    is_active: bool
    is_silenced: bool
    is_inhibited: bool
    is_muted: bool

    @classmethod
    def parse(cls, request: Request) -> "Selection":
        """Read the parameters.

        Raises:
            MalformedError: If a filter is no matcher or the receiver no regular expression.
        """
        pattern = request.query_params.get("receiver")
        try:
            receiver = None if pattern is None else Regex(pattern)
        except RegexError as error:
            raise MalformedError(f"failed to parse receiver param: {error}") from error
        flags = {
            name: request.query_params.get(name, "true").lower() not in ("false", "0", "f")
            for name in ("active", "silenced", "inhibited", "muted")
        }
        return cls(
            parse_filters(request),
            receiver,
            flags["active"],
            flags["silenced"],
            flags["inhibited"],
            flags["muted"],
        )

    def has_state(self, status: dict[str, Any]) -> bool:
        """Tell whether alerts with this status are asked for."""
        if status["state"] == "active":
            return self.is_active
        return (
            (self.is_silenced or not status["silencedBy"])
            and (self.is_inhibited or not status["inhibitedBy"])
            and (self.is_muted or not status["mutedBy"])
        )

    def has_receiver(self, names: Iterable[str]) -> bool:
        """Tell whether one of the receivers is asked for."""
        return self.receiver is None or any(self.receiver.matches(name) for name in names)


def parse_filters(request: Request) -> tuple[Matcher, ...]:
    """Read the parameters `filter`.

    Raises:
        MalformedError: If one is no matcher, or there are too many.
    """
    texts = request.query_params.getlist("filter")
    if len(texts) > _MOST_FILTERS:
        raise MalformedError(f"there may be at most {_MOST_FILTERS} filters")
    try:
        return tuple(matcher for text in texts for matcher in parse_matchers(text))
    except ValueError as error:
        raise MalformedError(str(error)) from error
