"""Digests check-ins."""

import logging
from collections.abc import Callable, Sequence

from prometheus_client import Counter

from resumatch_monitor.crons.model import CheckIn
from resumatch_monitor.crons.reading import CheckInError, read_check_in
from resumatch_monitor.crons.store import CheckInStore
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sentry.items import ItemRecord

logger = logging.getLogger(__name__)


class CheckInProcessor:
    """Implements `ItemProcessor` for check-ins."""

    def __init__(
        self, *, store: CheckInStore, telemetry: Telemetry, on_incidents: Callable[[], None]
    ) -> None:
        self._store = store
        self._on_incidents = on_incidents
        self._counted = Counter(
            "resumatch_monitor_check_ins_total",
            "Check-ins of scheduled jobs, by what became of them.",
            ["outcome"],
            registry=telemetry.registry,
        )
        for outcome in ("stored", "unreadable", "refused"):
            self._counted.labels(outcome)

    async def process(self, records: Sequence[ItemRecord]) -> None:
        """Take check-ins in; see `ItemProcessor`."""
        check_ins: list[CheckIn] = []
        for record in records:
            try:
                check_ins.append(read_check_in(record))
            except CheckInError as error:
                logger.warning("A check-in of project %d is left out: %s", record.project_id, error)
                self._counted.labels("unreadable").inc()
        recorded = await self._store.record(records, check_ins)
        self._counted.labels("stored").inc(recorded.stored)
        self._counted.labels("refused").inc(recorded.refused)
        if recorded.has_incidents:
            self._on_incidents()
