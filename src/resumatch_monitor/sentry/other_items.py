"""Items that go into no spool: metrics, and what SDKs have discarded themselves."""

from functools import partial

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.spool import SpoolFullError
from resumatch_monitor.sentry.categories import Category, read_item_count
from resumatch_monitor.sentry.envelope import Item
from resumatch_monitor.sentry.limits import ItemLimits
from resumatch_monitor.sentry.measurements import MeasurementSink, read_measurements
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.outcomes import Outcome
from resumatch_monitor.sentry.reports import read_client_report
from resumatch_monitor.sentry.screening import Screening, Sender


class OtherItems:
    """Takes what has no kind of its own."""

    def __init__(
        self,
        *,
        screening: Screening,
        metrics: DoorMetrics,
        clock: Clock,
        limits: ItemLimits,
        measurements: MeasurementSink | None,
    ) -> None:
        self._screening = screening
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._measurements = measurements

    async def take(self, sender: Sender, item: Item) -> None:
        """Store what an item measured, or count what it says.

        Raises:
            SpoolFullError: If there is no room for what was measured.
        """
        if item.type == "trace_metric" and self._measurements is not None:
            await self._take_measurements(sender, item, self._measurements)
            return
        self._metrics.count_item(item.type, "not_stored")
        if item.type == "client_report":
            for discard in read_client_report(item.payload):
                self._metrics.count_discard(discard.category, discard.reason, discard.quantity)
                self._screening.outcomes.count(
                    sender.project.id,
                    discard.category,
                    discard.outcome,
                    discard.reason,
                    discard.quantity,
                )

    async def _take_measurements(
        self, sender: Sender, item: Item, measurements: MeasurementSink
    ) -> None:
        category = Category.TRACE_METRIC
        count = partial(self._screening.count, sender, item.type, category)
        if len(item.payload) > self._limits.event_max_bytes:
            count(Outcome.INVALID, "too_large", read_item_count(item.headers.get("item_count")))
            return
        found = read_measurements(item.payload)
        if not found:
            count(Outcome.INVALID, "malformed")
            return
        now = self._clock.now()
        limit = self._screening.quotas.admit(sender.project, sender.key, category, len(found))
        if limit is not None:
            count(Outcome.RATE_LIMITED, limit.reason, len(found))
            return
        try:
            refused = await measurements.take(sender.project.slug, found)
        except SpoolFullError as error:
            count(Outcome.RATE_LIMITED, str(error.reason), len(found))
            self._screening.give_back(sender, category, len(found), admitted_at=now)
            raise
        if refused:
            count(Outcome.INVALID, "malformed", min(refused, len(found)))
        if refused < len(found):
            count(Outcome.ACCEPTED, "", len(found) - refused)
