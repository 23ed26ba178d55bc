"""How much is measured."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.metrics.data import INTERVAL_MS

Result = dict[str, Any]
"""What a section measured; written as JSON."""

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The sizes of one run.

    Attributes:
        folder: Where the systems keep their data; emptied between sections.
        systems: The names of those that take part.
        repeats: How often each query is asked of each system.
        live_samples: A series, in the section that writes as an agent does.
        write_series: How many series are in a remote-write request.
        write_samples: How many samples of each of them, when loading in bulk.
        start_samples: A series, for the start on a full head.
    """

    folder: Path
    systems: tuple[str, ...]
    series: int = 10_000
    hours: int = 4
    repeats: int = 7
    live_samples: int = 120
    write_series: int = 2_000
    write_samples: int = 20
    idle_seconds: float = 10.0
    settle_seconds: float = 13.0
    scrape_seconds: float = 40.0
    rule_count: int = 200
    rule_seconds: float = 40.0
    growth_series: tuple[int, ...] = (1_000, 3_000, 10_000, 30_000, 100_000)
    growth_samples: int = 60
    start_samples: int = 1_000

    @property
    def samples(self) -> int:
        """How many samples a series has."""
        return self.hours * _HOUR_MS // INTERVAL_MS

    @property
    def span_ms(self) -> int:
        """The time from the first sample to the last."""
        return self.hours * _HOUR_MS


def make_quick(folder: Path, systems: tuple[str, ...]) -> Plan:
    """Return a plan that shows whether everything works, in a minute or two."""
    return Plan(
        folder,
        systems,
        series=2_000,
        hours=1,
        repeats=3,
        live_samples=40,
        idle_seconds=3.0,
        settle_seconds=3.0,
        scrape_seconds=6.0,
        rule_seconds=6.0,
        growth_series=(1_000, 3_000, 9_000),
        growth_samples=20,
        start_samples=200,
    )
