"""Alerts that others push, as Prometheus does: they end unless they are pushed again."""

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from prometheus_client import Counter, Gauge

from resumatch_monitor.alerts.alert import Alert, AlertSink, AlertSource
from resumatch_monitor.dispatch.occurrences.firing import FiringAlerts
from resumatch_monitor.dispatch.steady import SteadyTime
from resumatch_monitor.dispatch.waiting import wait_for_signal
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.metrics.labels import Labels

MOST_PUSHED = 50_000
"""Alerts of others that may fire at one time."""

_MOST_LABELS = 64
_LONGEST_LABEL = 2048
_LONGEST_URL = 4096
_MOST_ANNOTATIONS = 64
_EPOCH = datetime.fromtimestamp(0, UTC)
_FARTHEST = timedelta(days=3650)
_LONGEST_PAUSE_SECONDS = 60.0
_MOST_AT_ONCE = 1000


class TooManyAlertsError(Exception):
    """More alerts of others fire than are kept."""


@dataclass(frozen=True, slots=True)
class PushedAlert:
    """An alert in the words of whoever pushes it.

    Attributes:
        starts_at: None for now.
        ends_at: When it has ended, or in the future, when it ends unless it is pushed again; None
            to leave that to the monitor.
        generator_url: Where it comes from; only addresses that a browser may open are kept.
    """

    labels: Labels
    annotations: Mapping[str, str]
    starts_at: datetime | None
    ends_at: datetime | None
    generator_url: str


class ExpiryStore(Protocol):
    """Keeps when pushed alerts end unless they are pushed again."""

    async def load(self) -> dict[str, datetime]:
        """Return the moments by the alerts' fingerprints."""
        ...

    async def save(self, expiries: Mapping[str, datetime]) -> None:
        """Store new and changed ones."""
        ...

    async def remove(self, fingerprints: Sequence[str]) -> None:
        """Delete some."""
        ...


class PushedAlerts:
    """Hands pushed alerts to the dispatcher, and ends those that nobody pushes any more."""

    def __init__(
        self,
        *,
        store: ExpiryStore,
        sink: AlertSink,
        firing: FiringAlerts,
        resolve_timeout: timedelta,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        """Read nothing yet: `load` does.

        Args:
            store: Where the moments are kept at which alerts end.
            sink: Takes the alerts.
            firing: What fires.
            resolve_timeout: After which an alert ends that says nothing about its end.
            clock: What `ends_at` is compared with.
            telemetry: Gets the numbers.
        """
        self._store = store
        self._sink = sink
        self._firing = firing
        self._resolve_timeout = resolve_timeout
        self._clock = clock
        # A wall clock that is set forward must not end what fires.
        self._steady = SteadyTime(clock)
        self._expiries: dict[str, datetime] = {}
        # A heap of moments; an entry whose moment is not the one in `_expiries` is out of date.
        self._due: list[tuple[datetime, str]] = []
        self._lock = asyncio.Lock()
        self._signal = asyncio.Event()
        self._invalid = Counter(
            "resumatch_monitor_pushed_alerts_invalid_total",
            "Pushed alerts that could not be taken.",
            registry=telemetry.registry,
        )
        count = Gauge(
            "resumatch_monitor_pushed_alerts",
            "Pushed alerts that fire.",
            registry=telemetry.registry,
        )
        count.set_function(lambda: len(self._expiries))

    async def load(self) -> None:
        """Read what was pushed before; nobody could push while the monitor was away."""
        async with self._lock:
            now = self._steady.now()
            earliest = now + self._resolve_timeout
            self._expiries = {
                fingerprint: max(min(expires_at, now + _FARTHEST), earliest)
                for fingerprint, expires_at in (await self._store.load()).items()
            }
            self._due = [(at, fingerprint) for fingerprint, at in self._expiries.items()]
            heapq.heapify(self._due)

    async def run(self) -> None:
        """End what is not pushed any more, for ever."""
        while True:
            next_at = await self.expire_due()
            pause_seconds = _LONGEST_PAUSE_SECONDS
            if next_at is not None:
                pause_seconds = (next_at - self._steady.now()).total_seconds()
            await wait_for_signal(
                self._signal, seconds=min(pause_seconds, _LONGEST_PAUSE_SECONDS), clock=self._clock
            )

    async def take(self, pushed: Sequence[PushedAlert]) -> list[str]:
        """Take alerts; when this returns, those that are valid are durable.

        Returns:
            What is wrong with the others.

        Raises:
            TooManyAlertsError: If more would fire than are kept; none of them is taken.
        """
        now = self._clock.now()
        problems: list[str] = []
        firing: dict[str, tuple[Alert, datetime]] = {}
        ended: dict[str, Alert] = {}
        for each in pushed:
            problem = _find_problem(each)
            if problem:
                problems.append(problem)
                continue
            alert = self._build(each, now)
            key = alert.fingerprint
            # Of several words about one alert, the last one holds.
            if each.ends_at is not None and each.ends_at <= now:
                firing.pop(key, None)
                ended[key] = replace(alert, ends_at=max(each.ends_at, alert.starts_at))
            else:
                ended.pop(key, None)
                ends_at = each.ends_at or now + self._resolve_timeout
                # Of two senders that push the same, the one that wants it longer is heard.
                _, known = firing.get(key, (alert, ends_at))
                firing[key] = alert, max(ends_at, known)
        self._invalid.inc(len(problems))
        async with self._lock:
            await self._take_firing(list(firing.values()), now)
            await self._end(list(ended.values()), list(ended))
        self._signal.set()
        return problems

    def expires_at(self, fingerprint: str) -> datetime | None:
        """Return when, by the wall clock, a pushed alert ends unless it is pushed again.

        None for other alerts.
        """
        at = self._expiries.get(fingerprint)
        return None if at is None else self._steady.to_wall(at)

    async def expire_due(self) -> datetime | None:
        """End what nobody has pushed for too long; return when the next one ends."""
        while True:
            async with self._lock:
                expired = self._pop_due(self._steady.now())
                if not expired:
                    return self._due[0][0] if self._due else None
                alerts = [
                    replace(alert, ends_at=max(self._steady.to_wall(at), alert.starts_at))
                    for fingerprint, at in expired.items()
                    if (alert := self._firing.get(fingerprint)) is not None
                    and alert.source is AlertSource.PUSHED
                ]
                await self._end(alerts, list(expired))

    def _pop_due(self, now: datetime) -> dict[str, datetime]:
        expired: dict[str, datetime] = {}
        while self._due and len(expired) < _MOST_AT_ONCE:
            at, fingerprint = self._due[0]
            if self._expiries.get(fingerprint) == at:
                if at > now:
                    break
                expired[fingerprint] = at
            heapq.heappop(self._due)
        # Until it is done, they are due: should it fail, they are tried again.
        for fingerprint, at in expired.items():
            heapq.heappush(self._due, (at, fingerprint))
        return expired

    async def _take_firing(self, firing: Sequence[tuple[Alert, datetime]], now: datetime) -> None:
        if not firing:
            return
        new = {alert.fingerprint for alert, _ in firing} - self._expiries.keys()
        if len(self._expiries) + len(new) > MOST_PUSHED:
            raise TooManyAlertsError(f"more than {MOST_PUSHED} pushed alerts would fire")
        shift = self._steady.now() - now
        expiries: dict[str, datetime] = {}
        for alert, ends_at in firing:
            known = self._expiries.get(alert.fingerprint)
            at = min(ends_at, now + _FARTHEST) + shift
            expiries[alert.fingerprint] = at if known is None else max(at, known)
        # First when it ends: an alert that fires without an end would fire for ever.
        await self._store.save({key: at - shift for key, at in expiries.items()})
        for fingerprint, at in expiries.items():
            if self._expiries.get(fingerprint) != at:
                self._expiries[fingerprint] = at
                heapq.heappush(self._due, (at, fingerprint))
        if len(self._due) > 2 * len(self._expiries) + _MOST_AT_ONCE:
            self._due = [(at, fingerprint) for fingerprint, at in self._expiries.items()]
            heapq.heapify(self._due)
        await self._sink.put([alert for alert, _ in firing])

    async def _end(self, alerts: Sequence[Alert], fingerprints: Sequence[str]) -> None:
        await self._sink.put(alerts)
        known = [each for each in fingerprints if each in self._expiries]
        if known:
            await self._store.remove(known)
            for fingerprint in known:
                self._expiries.pop(fingerprint, None)

    def _build(self, pushed: PushedAlert, now: datetime) -> Alert:
        starts_at = pushed.starts_at
        if starts_at is None or starts_at > now:
            # Nothing has begun that has not begun: the sender's clock is fast.
            known = self._firing.get(pushed.labels.fingerprint)
            starts_at = min(pushed.ends_at or now, now) if known is None else known.starts_at
        url = pushed.generator_url
        is_address = url.startswith(("http://", "https://")) and len(url) <= _LONGEST_URL
        return Alert(
            labels=pushed.labels,
            annotations=pushed.annotations,
            starts_at=max(starts_at, _EPOCH),
            source=AlertSource.PUSHED,
            generator_path=url if is_address else "",
        )


def _find_problem(pushed: PushedAlert) -> str:
    """Return what is wrong with an alert, empty if nothing is."""
    labels, annotations = pushed.labels, pushed.annotations
    if not labels:
        return "at least one label pair required"
    if len(labels) > _MOST_LABELS or len(annotations) > _MOST_ANNOTATIONS:
        return f"{_name(labels)}: more than {_MOST_LABELS} labels or annotations"
    if any(len(name) + len(value) > _LONGEST_LABEL for name, value in labels.pairs):
        return f"{_name(labels)}: a label is longer than {_LONGEST_LABEL} characters"
    begins, ends = pushed.starts_at, pushed.ends_at
    if begins is not None and ends is not None and ends < begins:
        return "start time must be before end time"
    return ""


def _name(labels: Labels) -> str:
    return labels.get("alertname", "an alert")[:100]
