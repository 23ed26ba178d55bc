"""What of a request is kept: filters first, then quotas; everything is counted."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from resumatch_monitor.sentry.categories import Category, count_quantity, find_category
from resumatch_monitor.sentry.filters import EventFilter
from resumatch_monitor.sentry.items import ItemKind
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.outcomes import Outcome, OutcomeLedger
from resumatch_monitor.sentry.projects import Project, ProjectKey
from resumatch_monitor.sentry.quotas import Quotas
from resumatch_monitor.sentry.reading import ReadItem
from resumatch_monitor.sentry.span_filter import drop_health_checks

_EVENTS = frozenset({ItemKind.EVENT, ItemKind.TRANSACTION})
_OF_EVENTS = frozenset({ItemKind.ATTACHMENT, ItemKind.PROFILE, ItemKind.USER_REPORT})
"""What is nothing without the event or transaction in whose envelope it comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who sent a request.

    Attributes:
        key: With which of the project's keys.
        address: Where from; empty if unknown.
        user_agent: Of the request.
    """

    project: Project
    key: ProjectKey | None = None
    address: str = ""
    user_agent: str = ""


class Screening:
    """Decides about items; one for all requests."""

    def __init__(self, *, quotas: Quotas, outcomes: OutcomeLedger, metrics: DoorMetrics) -> None:
        self.quotas = quotas
        self.outcomes = outcomes
        self._metrics = metrics
        self._filters: dict[int, EventFilter] = {}

    def begin(self, sender: Sender) -> "RequestScreening":
        """Return what decides about the items of one request."""
        return RequestScreening(self, sender)

    def find_filter(self, project: Project) -> EventFilter:
        """Return the filters of a project as it is at this moment."""
        known = self._filters.get(project.id)
        if known is None or known.settings is not project.settings.filters:
            known = self._filters[project.id] = EventFilter(project.settings.filters)
        return known

    def count(
        self,
        sender: Sender,
        item_type: str,
        category: Category,
        outcome: Outcome,
        reason: str = "",
        quantity: int = 1,
    ) -> None:
        """Count what became of an item, for its project and among the monitor's own metrics."""
        self.outcomes.count(sender.project.id, category, outcome, reason, quantity)
        label = outcome.value if outcome is not Outcome.INVALID else reason
        self._metrics.count_item(item_type, label)

    def give_back(
        self, sender: Sender, category: Category, quantity: int, *, admitted_at: datetime
    ) -> None:
        """Take out of the sender's quotas what was admitted, but then could not be kept."""
        self.quotas.give_back(
            sender.project, sender.key, category, quantity, admitted_at=admitted_at
        )


@dataclass(slots=True)
class RequestScreening:
    """Decides about the items of one request, in order."""

    screening: Screening
    sender: Sender
    _dropped: tuple[Outcome, str] | None = field(default=None)
    """What became of the event that the rest of the envelope belongs to, if it was dropped."""

    def admit(self, item: ReadItem) -> ReadItem | None:
        """Return what of an item is kept, if anything; what is not has been counted."""
        if item.record.kind is ItemKind.SPAN:
            return self._admit_spans(item)
        return item if self._admits(item) else None

    def refuse(self, kind: ItemKind, item_type: str, reason: str) -> None:
        """Count an item that cannot be read, or is too large."""
        if kind in _EVENTS:
            self._dropped = (Outcome.INVALID, reason)
        self.screening.count(self.sender, item_type, find_category(kind), Outcome.INVALID, reason)

    def _admit_spans(self, item: ReadItem) -> ReadItem | None:
        chosen = self.screening.find_filter(self.sender.project)
        record, dropped = drop_health_checks(item.record, chosen)
        if dropped:
            self._drop(item, Outcome.FILTERED, "filtered-transaction", dropped)
        if record is None:
            return None
        kept = replace(item, record=record)
        return kept if self._admits(kept) else None

    def _admits(self, item: ReadItem) -> bool:
        kind, quantity = item.record.kind, count_quantity(item.category, item.record)
        if self._dropped is not None and kind in _OF_EVENTS:
            self._drop(item, *self._dropped, quantity)
            return False
        reason = self._find_filter_reason(item)
        if reason is not None:
            self._drop(item, Outcome.FILTERED, reason, quantity)
            return False
        limit = self.screening.quotas.admit(
            self.sender.project, self.sender.key, item.category, quantity
        )
        if limit is not None:
            self._drop(item, Outcome.RATE_LIMITED, limit.reason, quantity)
            return False
        return True

    def _find_filter_reason(self, item: ReadItem) -> str | None:
        if not item.event:
            return None
        return self.screening.find_filter(self.sender.project).find_reason(
            item.event,
            is_transaction=item.record.kind is ItemKind.TRANSACTION,
            user_agent=self.sender.user_agent,
            client_address=self.sender.address,
        )

    def _drop(self, item: ReadItem, outcome: Outcome, reason: str, quantity: int) -> None:
        if item.event:
            self._dropped = (outcome, reason)
        self.screening.count(
            self.sender, item.record.kind.value, item.category, outcome, reason, quantity
        )
