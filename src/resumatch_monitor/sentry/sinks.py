"""Where the items of an envelope go: a spool for each kind."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence

from resumatch_monitor.kit.spool import SpoolFullError, SpoolWriter
from resumatch_monitor.sentry.categories import Category, count_quantity, find_category
from resumatch_monitor.sentry.items import ItemKind, encode_record
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.outcomes import Outcome
from resumatch_monitor.sentry.reading import ReadItem
from resumatch_monitor.sentry.refusals import CategoriesFullError
from resumatch_monitor.sentry.screening import Screening, Sender


class ItemSinks:
    """Hands items to the spools of their kinds."""

    def __init__(
        self,
        sinks: Mapping[ItemKind, SpoolWriter],
        *,
        screening: Screening,
        metrics: DoorMetrics,
    ) -> None:
        self._sinks = sinks
        self._screening = screening
        self._metrics = metrics
        self.kinds = sinks.keys()

    async def append_all(self, sender: Sender, items: Sequence[ReadItem]) -> None:
        """Keep `items`, and count what became of each; those that are kept are durable.

        Raises:
            CategoriesFullError: If there is no room for some; the others are kept.
        """
        appends = [
            self._sinks[item.record.kind].append(encode_record(item.record)) for item in items
        ]
        outcomes = await _wait_for_all(appends)
        for item, failure in zip(items, outcomes, strict=True):
            outcome = Outcome.RATE_LIMITED if failure else Outcome.ACCEPTED
            reason = str(failure.reason) if isinstance(failure, SpoolFullError) else ""
            quantity = count_quantity(item.category, item.record)
            self._screening.count(
                sender, item.record.kind, item.category, outcome, reason, quantity
            )
            if failure:
                self._screening.give_back(
                    sender, item.category, quantity, admitted_at=item.record.received_at
                )
        failures = [outcome for outcome in outcomes if outcome is not None]
        if failures:
            if isinstance(failures[0], SpoolFullError):
                self._metrics.rejected.labels("errors", failures[0].reason).inc()
                refused = [item for item, each in zip(items, outcomes, strict=True) if each]
                raise CategoriesFullError(failures[0], self._find_categories(refused))
            raise failures[0]

    def _find_categories(self, refused: Sequence[ReadItem]) -> tuple[Category, ...]:
        """Return everything that waits where there is no room; none for everything that there is.

        Traces that wait must not keep SDKs from sending errors.
        """
        full = [self._sinks[item.record.kind] for item in refused]
        found = dict.fromkeys(
            find_category(kind) for kind, sink in self._sinks.items() if sink in full
        )
        return () if Category.ERROR in found else tuple(found)


async def _wait_for_all(
    appends: Sequence[Coroutine[None, None, None]],
) -> Sequence[BaseException | None]:
    """Return how each ended: with what it raised, or None."""
    if len(appends) > 1:
        return await asyncio.gather(*appends, return_exceptions=True)
    # Without a task of its own; nearly every envelope has one item.
    try:
        for append in appends:
            await append
    except Exception as error:  # noqa: BLE001 - whoever gathers tells the cause
        return [error]
    return [None] * len(appends)
