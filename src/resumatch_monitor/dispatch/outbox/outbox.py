"""Delivers what is in the outbox: a worker an integration, with retries that outlive the process.

Deliveries to one integration about one group leave in order. Between a destination's acceptance
and our note of it lies a moment in which a crash makes a second delivery; the attempt's key lets
destinations recognise it. Everything else is sent exactly once or shown as failed, and what has
failed for good goes to the receiver's fallback, if it has one.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Sequence

from resumatch_monitor.dispatch.outbox.metrics import OutboxMetrics
from resumatch_monitor.dispatch.outbox.store import OutboxStore
from resumatch_monitor.dispatch.outbox.worker import Fallback, Worker
from resumatch_monitor.dispatch.store import NewDelivery
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.notify.config import ReceiverConfig
from resumatch_monitor.notify.notifier import Integration

logger = logging.getLogger(__name__)


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
        receivers: Sequence[ReceiverConfig] = (),
        last_resort: str = "",
    ) -> None:
        """Build all workers.

        Args:
            store: Keeps the deliveries.
            integrations: What can be sent through.
            clock: Tells when.
            telemetry: Gets the metrics.
            jitter: Spreads retries; between 0 and 1.
            receivers: Say what their fallbacks are.
            last_resort: The receiver of what waited for one that is gone.
        """
        self._store = store
        self._clock = clock
        self._metrics = OutboxMetrics(telemetry)
        self._last_resort = last_resort
        self._integrations = _by_receiver(integrations)
        self._fallbacks = {
            each.name: Fallback(self._integrations.get(each.fallback, []), each.fallback_after)
            for each in receivers
            if each.fallback
        }
        self._workers = [
            Worker(
                integration,
                store,
                clock,
                self._metrics,
                jitter,
                self._fallbacks.get(integration.id.receiver),
                # Those of the fallback sleep, and what they inherit is urgent.
                on_heirs=self.wake,
            )
            for integration in integrations
        ]

    async def prepare(self) -> None:
        """Fail what no integration will take any more, and recall when things were last sent."""
        known = [worker.integration.id for worker in self._workers]
        abandoned = await self._store.abandon_others(
            known,
            heirs={name: self._list_heirs(name) for name in self._integrations},
            last_resort=self._list_heirs(self._last_resort),
            at=self._clock.now(),
        )
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

    def _list_heirs(self, receiver: str) -> list[NewDelivery]:
        """Return the integrations of a receiver and of its fallback."""
        fallback = self._fallbacks.get(receiver)
        found = [
            *self._integrations.get(receiver, ()),
            *(fallback.integrations if fallback else ()),
        ]
        return [NewDelivery(each.id, each.notifier.destination) for each in found]


def _by_receiver(integrations: Sequence[Integration]) -> dict[str, list[Integration]]:
    found: dict[str, list[Integration]] = {}
    for integration in integrations:
        found.setdefault(integration.id.receiver, []).append(integration)
    return found
