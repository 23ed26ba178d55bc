"""How what is watched is doing, as pages and other programs are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """How a target is doing.

    Attributes:
        labels: What its series get; `job` and `instance` among them.
        health: `up`, `down`, or `unknown` before the first scrape.
        last_error: Why the last scrape failed or was not stored; empty if all went well.
        samples_scraped: How many the target exposed.
        samples_after_relabelling: How many of them `metric_relabel_configs` left.
        series_added: How many series the last scrape had that the one before had not.
        exceeded_limit: The configuration key of the limit that the last scrape was over; or empty.
        pool: The scrape configuration that it belongs to.
        discovered_labels: What it had before relabelling, without secrets.
    """

    job: str
    instance: str
    url: str
    labels: Mapping[str, str]
    health: str = "unknown"
    last_scrape_at: datetime | None = None
    next_scrape_at: datetime | None = None
    last_error: str = ""
    scrape_duration_seconds: float = 0.0
    samples_scraped: int = 0
    samples_after_relabelling: int = 0
    series_added: int = 0
    exceeded_limit: str = ""
    interval_seconds: float = 0.0
    timeout_seconds: float = 0.0
    pool: str = ""
    discovered_labels: Mapping[str, str] = field(default_factory=dict[str, str])


class TargetSource(Protocol):
    """Something that watches targets."""

    def statuses(self) -> Sequence[TargetStatus]:
        """Return how each is doing."""
        ...


@dataclass(frozen=True, slots=True)
class DroppedTarget:
    """A target that relabelling dropped, with what it had before, without secrets."""

    pool: str
    discovered_labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DiscoveryStatus:
    """How a place that targets come from is doing.

    Attributes:
        kind: `static`, `file` or `http`.
        name: The file's pattern or the address, without secrets.
        targets: How many it names.
        last_error: Why its last answer is not used; the targets are then those of the one before.
    """

    kind: str
    name: str
    targets: int = 0
    last_refresh_at: datetime | None = None
    last_error: str = ""


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """One scrape configuration: where its targets come from, and what became of them.

    Attributes:
        dropped: How many targets relabelling dropped.
        target_limit: How many targets there may be.
        error: What keeps targets from being scraped; empty if nothing does.
    """

    pool: str
    dropped: int = 0
    target_limit: int = 0
    error: str = ""
    discoveries: Sequence[DiscoveryStatus] = ()


class PoolSource(Protocol):
    """Something that finds targets."""

    def pools(self) -> Sequence[PoolStatus]:
        """Return each scrape configuration, in the configuration's order."""
        ...

    def dropped(self) -> Sequence[DroppedTarget]:
        """Return the targets that relabelling dropped; not more than are kept to be shown."""
        ...
