"""Why an alert is not told for now; what mutes implements `Muter`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from resumatch_monitor.alerts.alert import Alert


class MuteKind(StrEnum):
    """What holds an alert back."""

    SILENCED = "silenced"
    INHIBITED = "inhibited"
    DEPENDENT = "dependent"
    TIME = "time"
    QUIET_HOURS = "quiet_hours"
    SNOOZED = "snoozed"
    ACKNOWLEDGED = "acknowledged"
    FLAPPING = "flapping"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class Mute:
    """A reason why an alert is not told for now.

    It holds back what would be told anew: people who believe that an alert fires are told that it
    has ended, whatever mutes it.

    Attributes:
        by: What mutes it: a silence's id, the fingerprint of another alert, an interval's name, a
            person.
        text: For people, for example `silenced by ada until 14:00 UTC: planned maintenance`.
        until: When it ends by itself, if that is known.
    """

    kind: MuteKind
    by: str
    text: str
    until: datetime | None = None


class Muter(Protocol):
    """Tells what mutes an alert; asked often, so it answers from memory."""

    def find(self, alert: Alert, now: datetime) -> Mute | None:
        """Return why `alert` is not told; None if nothing speaks against it.

        Args:
            alert: Which.
            now: The wall time, in whose terms people say when.
        """
        ...


@dataclass(frozen=True, slots=True)
class Muters:
    """Several muters as one: the first that mutes is the reason."""

    parts: Sequence[Muter] = ()

    def find(self, alert: Alert, now: datetime) -> Mute | None:
        """Return the first reason."""
        for part in self.parts:
            mute = part.find(alert, now)
            if mute is not None:
                return mute
        return None

    def find_all(self, alert: Alert, now: datetime) -> list[Mute]:
        """Return every reason, the first of each part."""
        return [mute for part in self.parts if (mute := part.find(alert, now)) is not None]
