"""Delivers what is in the outbox: a worker an integration, with retries that outlive the process.

Deliveries to one integration about one group leave in order. Between a destination's acceptance
and our note of it lies a moment in which a crash makes a second delivery; the attempt's key lets
destinations recognise it. Everything else is sent exactly once or shown as failed.
"""

import asyncio
import logging
import random
import traceback
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram

from resumatch_monitor.dispatch.waiting import wait_for_signal
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.notification import Notification
from resumatch_monitor.notify.notifier import (
    Attempt,
    FailureReason,
    Integration,
    IntegrationId,
    NotifyError,
    Receipt,
)

logger = logging.getLogger(__name__)

GIVE_UP_AFTER = timedelta(hours=24)
"""A delivery that failed for so long, and at least `FEWEST_ATTEMPTS` times, is given up."""
FEWEST_ATTEMPTS = 10
LONGEST_RETRY_AFTER = timedelta(hours=1)
"""A destination that asks for more patience is asked again after this."""

_LONGEST_BACKOFF_SECONDS = 300.0
_ATTEMPT_TIMEOUT_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 60.0
_GRACE_SECONDS = 5.0
_LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery whose time has come.

    Attributes:
        attempts: How many have failed.
        queued_at: When it was put into the outbox, or put back by a person.
        remaining: The recipients that are left from an earlier attempt; empty means all.
    """

    id: int
    notification: Notification
    key: str
    attempts: int
    queued_at: datetime
    remaining: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt: sent, to be retried at `next_attempt_at`, or failed for good.

    Attributes:
        is_sent: The destination has accepted it.
        error: Why it failed, or what went wrong although it was sent.
        detail: What the destination said when it accepted it.
    """

    at: datetime
    is_sent: bool
    error: str = ""
    detail: str = ""
    next_attempt_at: datetime | None = None
    remaining: tuple[str, ...] = ()


class OutboxStore(Protocol):
    """Keeps deliveries."""

    async def take_due(
        self, integration: IntegrationId, *, now: datetime, limit: int
    ) -> list[DueDelivery]:
        """Return deliveries that are due, at most one a group, the oldest of each."""
        ...

    async def next_due_at(self, integration: IntegrationId) -> datetime | None:
        """Return when `take_due` will return something; None if nothing waits."""
        ...

    async def mark(self, delivery_id: int, outcome: Outcome) -> None:
        """Store what became of an attempt, once durable."""
        ...

    async def abandon_others(self, known: Collection[IntegrationId], *, at: datetime) -> int:
        """Fail what waits for integrations that are not `known`; return how many."""
        ...

    async def last_sent_at(self) -> Mapping[IntegrationId, datetime]:
        """Return when each integration last accepted something."""
        ...

    async def count_waiting(self) -> Mapping[IntegrationId, int]:
        """Return how many deliveries wait, by integration."""
        ...


class OutboxMetrics:
    """The outbox' own metrics."""

    def __init__(self, telemetry: Telemetry) -> None:
        registry = telemetry.registry
        names = ["receiver", "integration"]
        self.sent = Counter(
            "resumatch_monitor_notifications_total",
            "Notifications that a destination accepted.",
            names,
            registry=registry,
        )
        self.failed_attempts = Counter(
            "resumatch_monitor_notification_attempts_failed_total",
            "Attempts that failed, whether or not they are repeated.",
            [*names, "reason"],
            registry=registry,
        )
        self.failed = Counter(
            "resumatch_monitor_notifications_failed_total",
            "Notifications that were given up.",
            [*names, "reason"],
            registry=registry,
        )
        self.waiting = Gauge(
            "resumatch_monitor_outbox_pending",
            "Notifications that wait to be delivered.",
            names,
            registry=registry,
        )
        self.latency = Histogram(
            "resumatch_monitor_notification_latency_seconds",
            "From the decision to notify to the destination's acceptance.",
            names,
            buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 86400),
            registry=registry,
        )
        self.last_sent_at = Gauge(
            "resumatch_monitor_notification_last_success_timestamp_seconds",
            "When a destination last accepted a notification; 0 if never.",
            names,
            registry=registry,
        )


class Outbox:
    """All workers, one an integration."""

    def __init__(
        self,
        *,
        store: OutboxStore,
        integrations: Sequence[Integration],
        clock: Clock,
        telemetry: Telemetry,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = OutboxMetrics(telemetry)
        self._workers = [
            _Worker(integration, store, clock, self._metrics, jitter)
            for integration in integrations
        ]

    async def prepare(self) -> None:
        """Fail what no integration will take any more, and recall when things were last sent."""
        known = [worker.integration.id for worker in self._workers]
        abandoned = await self._store.abandon_others(known, at=self._clock.now())
        if abandoned:
            logger.warning("%d notifications waited for integrations that are gone", abandoned)
        for integration_id, at in (await self._store.last_sent_at()).items():
            if integration_id in known:
                labels = (integration_id.receiver, integration_id.kind)
                self._metrics.last_sent_at.labels(*labels).set(at.timestamp())
        await self.observe()

    async def observe(self) -> None:
        """Bring the gauge of what waits up to date."""
        waiting = await self._store.count_waiting()
        totals: dict[tuple[str, str], int] = {}
        for worker in self._workers:
            each = worker.integration.id
            labels = (each.receiver, each.kind)
            totals[labels] = totals.get(labels, 0) + waiting.get(each, 0)
        for labels, count in totals.items():
            self._metrics.waiting.labels(*labels).set(count)

    def wake(self) -> None:
        """Tell the workers that there may be something to deliver."""
        for worker in self._workers:
            worker.signal.set()

    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return the workers' loops by name, to be run until they are cancelled."""
        return {f"outbox {worker.integration.id}": worker.run for worker in self._workers}

    async def deliver_due(self) -> None:
        """Attempt everything that is due, once; the loops do the same for ever."""
        for worker in self._workers:
            await worker.deliver_due()


class _Worker:
    """Delivers to one integration."""

    def __init__(
        self,
        integration: Integration,
        store: OutboxStore,
        clock: Clock,
        metrics: OutboxMetrics,
        jitter: Callable[[], float],
    ) -> None:
        self.integration = integration
        self.signal = asyncio.Event()
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._jitter = jitter
        self._labels = (integration.id.receiver, integration.id.kind)
        self._resume_at = clock.monotonic()
        # What the destination has answered and the store has not yet taken, the disk being full
        # for instance. It must not be sent again meanwhile.
        self._unmarked: dict[int, Outcome] = {}
        for metric in (metrics.sent, metrics.waiting, metrics.latency, metrics.last_sent_at):
            metric.labels(*self._labels)
        for reason in FailureReason:
            metrics.failed.labels(*self._labels, reason.value)
            metrics.failed_attempts.labels(*self._labels, reason.value)

    async def run(self) -> None:
        while True:
            await self.deliver_due()
            await wait_for_signal(self.signal, seconds=await self._find_pause(), clock=self._clock)

    async def deliver_due(self) -> None:
        await self._mark_unmarked()
        seen: set[int] = set()
        while self._clock.monotonic() >= self._resume_at:
            due = await self._store.take_due(
                self.integration.id, now=self._clock.now(), limit=self.integration.concurrency
            )
            # A clock that stands still, or went back, must not make a failing one spin.
            fresh = [delivery for delivery in due if delivery.id not in seen]
            if not fresh:
                break
            seen.update(delivery.id for delivery in fresh)
            await self._finish(fresh)

    async def _find_pause(self) -> float:
        due_at = await self._store.next_due_at(self.integration.id)
        if due_at is None:
            return _LONGEST_PAUSE_SECONDS
        due_in = (due_at - self._clock.now()).total_seconds()
        held_for = self._resume_at - self._clock.monotonic()
        return min(max(due_in, held_for, 0.05), _LONGEST_PAUSE_SECONDS)

    async def _finish(self, deliveries: Sequence[DueDelivery]) -> None:
        """Attempt all of `deliveries`; when cancelled, first let them come to an end for a while.

        To break off an attempt that the destination may have accepted makes a second one.
        """
        tasks = [asyncio.ensure_future(self._attempt(delivery)) for delivery in deliveries]
        try:
            await asyncio.shield(asyncio.wait(tasks))
        except asyncio.CancelledError:
            await asyncio.wait(tasks, timeout=_GRACE_SECONDS)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        # Only when none is under way any more may one that raised stop the loop.
        for task in tasks:
            task.result()

    async def _attempt(self, delivery: DueDelivery) -> None:
        notification = delivery.notification
        if not self.integration.send_resolved and notification.firing_count:
            notification = notification.without_resolved()
        try:
            async with asyncio.timeout(_ATTEMPT_TIMEOUT_SECONDS):
                receipt = await self.integration.notifier.notify(
                    notification, Attempt(delivery.key, delivery.remaining)
                )
        except NotifyError as error:
            outcome = self._note_failure(delivery, error)
        except TimeoutError:
            error = NotifyError(
                f"no answer within {_ATTEMPT_TIMEOUT_SECONDS:.0f} s",
                retryable=True,
                reason=FailureReason.TIMEOUT,
            )
            outcome = self._note_failure(delivery, error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not stop the outbox
            outcome = self._note_failure(delivery, self._describe_fault(error))
        else:
            outcome = self._note_success(delivery, receipt)
        self._unmarked[delivery.id] = outcome
        await self._mark(delivery.id, outcome)

    def _note_success(self, delivery: DueDelivery, receipt: Receipt) -> Outcome:
        now = self._clock.now()
        self._metrics.sent.labels(*self._labels).inc()
        self._metrics.last_sent_at.labels(*self._labels).set(now.timestamp())
        latency_seconds = (now - delivery.queued_at).total_seconds()
        self._metrics.latency.labels(*self._labels).observe(max(latency_seconds, 0.0))
        if receipt.warning:
            logger.warning("%s: %s", self.integration.id, receipt.warning)
        return Outcome(
            at=now,
            is_sent=True,
            error=receipt.warning[:_LONGEST_TEXT],
            detail=receipt.detail[:_LONGEST_TEXT],
        )

    def _note_failure(self, delivery: DueDelivery, error: NotifyError) -> Outcome:
        now = self._clock.now()
        attempts = delivery.attempts + 1
        message, reason = error.message[:_LONGEST_TEXT], error.reason
        self._metrics.failed_attempts.labels(*self._labels, reason.value).inc()
        is_expired = attempts >= FEWEST_ATTEMPTS and now - delivery.queued_at >= GIVE_UP_AFTER
        if error.retryable and not is_expired:
            pause_seconds = self._choose_pause(attempts, error)
            logger.warning(
                "%s: attempt %d failed, next in %.0f s: %s",
                self.integration.id,
                attempts,
                pause_seconds,
                message,
            )
            return Outcome(
                at=now,
                is_sent=False,
                error=message,
                next_attempt_at=now + timedelta(seconds=pause_seconds),
                remaining=error.remaining or delivery.remaining,
            )
        if is_expired:
            reason, message = FailureReason.EXPIRED, f"given up after {attempts} tries: {message}"
        self._metrics.failed.labels(*self._labels, reason.value).inc()
        logger.error("%s: a notification failed for good: %s", self.integration.id, message)
        return Outcome(at=now, is_sent=False, error=message, remaining=error.remaining)

    def _choose_pause(self, attempts: int, error: NotifyError) -> float:
        backoff_seconds = min(2.0 ** min(attempts - 1, 20), _LONGEST_BACKOFF_SECONDS)
        backoff_seconds *= 0.5 + 0.5 * self._jitter()
        if error.retry_after_seconds is None:
            return backoff_seconds
        asked_seconds = min(error.retry_after_seconds, LONGEST_RETRY_AFTER.total_seconds())
        if error.reason is FailureReason.RATE_LIMITED:
            # The limit is the destination's, whichever message ran into it.
            self._resume_at = max(self._resume_at, self._clock.monotonic() + asked_seconds)
        return max(backoff_seconds, asked_seconds)

    def _describe_fault(self, error: Exception) -> NotifyError:
        # The exception's own text may hold anything, a URL with a token for instance.
        kind = type(error).__name__
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("%s: sending raised %s at\n%s", self.integration.id, kind, where)
        return NotifyError(
            f"the monitor failed to send it ({kind}); its log says where",
            retryable=False,
            reason=FailureReason.INTERNAL,
        )

    async def _mark_unmarked(self) -> None:
        for delivery_id, outcome in list(self._unmarked.items()):
            await self._mark(delivery_id, outcome)

    async def _mark(self, delivery_id: int, outcome: Outcome) -> None:
        await self._store.mark(delivery_id, outcome)
        self._unmarked.pop(delivery_id, None)
