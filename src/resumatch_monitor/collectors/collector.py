"""What a collector is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from resumatch_monitor.metrics.labels import METRIC_NAME, Labels

Series = list[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class Collected:
    """What one round brought.

    Attributes:
        series: Without the target's own labels.
        problems: What could not be read although the server is up, for people.
    """

    series: Series
    problems: Sequence[str] = ()


class CollectError(Exception):
    """The server could not be asked; the text is for people and holds no secret."""


class Collector(Protocol):
    """Asks one server for its statistics."""

    @property
    def job(self) -> str:
        """The value of the label `job`."""
        ...

    @property
    def instance(self) -> str:
        """The value of the label `instance`."""
        ...

    @property
    def url(self) -> str:
        """Where the server is, without secrets."""
        ...

    @property
    def interval(self) -> timedelta:
        """How often it is asked."""
        ...

    @property
    def timeout(self) -> timedelta:
        """How long one round may take; the caller sees to it by cancelling."""
        ...

    @property
    def series_when_down(self) -> Series:
        """What is written when the server cannot be asked, e.g. `pg_up 0`."""
        ...

    async def collect(self) -> Collected:
        """Ask once.

        Raises:
            CollectError: If the server cannot be asked.
        """
        ...

    async def close(self) -> None:
        """Drop the connection; the next `collect` opens another."""
        ...


def sample(name: str, value: float, **labels: str) -> tuple[Labels, float]:
    """Return one sample."""
    return Labels.of(labels, **{METRIC_NAME: name}), value
