"""Which alerts a list holds, as parameters say it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api.alerts_actions import parse_all
from resumatch_monitor.api.errors import BadRequestError
from resumatch_monitor.dispatch.handling.handled import AlertFilter, AlertState
from resumatch_monitor.dispatch.handling.handling import Handling
from resumatch_monitor.dispatch.matchers import match_all
from resumatch_monitor.metrics.labels import Matcher

LIVE_STATES = frozenset(AlertState) - {AlertState.RESOLVED}
"""Of alerts that are not over."""

_LONGEST_MATCHER = 1_000
_MOST_VALUES = 20

StatusName = Literal["firing", "pending", "resolved"]
_Text = Annotated[str, Query(max_length=200)]
_Texts = Annotated[list[str] | None, Query(max_length=_MOST_VALUES)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which alerts a list holds; an empty field means all."""

    states: frozenset[AlertState]
    where: AlertFilter
    matchers: Sequence[Matcher]
    text: str
    assignee: str | None

    @classmethod
    def parse(
        cls,
        state: _Texts = None,
        status: StatusName | None = None,
        severity: _Texts = None,
        source: _Texts = None,
        name: _Texts = None,
        text: _Text = "",
        matcher: _Texts = None,
        assignee: Annotated[str | None, Query(max_length=254)] = None,
    ) -> "Wanted":
        """Read the parameters; those that are lists may be repeated or hold commas.

        Raises:
            BadRequestError: For a state or a matcher that there is not.
        """
        where = AlertFilter(tuple(_split(severity)), tuple(_split(source)), tuple(name or ()))
        if any(len(each) > _LONGEST_MATCHER for each in matcher or ()):
            raise BadRequestError(
                f"A matcher has at most {_LONGEST_MATCHER} characters.", code="bad_matcher"
            )
        matchers = parse_all(matcher or ())
        return cls(_parse_states(state, status), where, matchers, text.strip().lower(), assignee)

    def selects(self, alert: Alert) -> bool:
        """Tell whether the list holds `alert`, whatever its state and whoever has it."""
        where = self.where
        return (
            (not where.severities or alert.severity in where.severities)
            and (not where.sources or alert.source.value in where.sources)
            and (not where.names or alert.name in where.names)
            and (not self.matchers or match_all(self.matchers, alert.labels))
            and (not self.text or self._is_mentioned_in(alert))
        )

    def is_assigned(self, handling: Handling | None) -> bool:
        """Tell whether it is the one whose alerts are wanted who has this one."""
        if self.assignee is None:
            return True
        return (handling.assignee if handling is not None else "") == self.assignee

    def _is_mentioned_in(self, alert: Alert) -> bool:
        texts = (alert.name, *alert.labels.mapping.values(), *alert.annotations.values())
        return any(self.text in text.lower() for text in texts)


def _split(values: Sequence[str] | None) -> list[str]:
    return [part for value in values or () for part in value.split(",") if part]


def _parse_states(state: Sequence[str] | None, status: StatusName | None) -> frozenset[AlertState]:
    names = _split(state)
    try:
        states = frozenset(AlertState(name) for name in names) or frozenset(AlertState)
    except ValueError:
        known = ", ".join(AlertState)
        raise BadRequestError(f"state: one or several of {known}", code="bad_state") from None
    if status == "firing":
        return states & (LIVE_STATES - {AlertState.PENDING})
    return states if status is None else states & {AlertState(status)}
