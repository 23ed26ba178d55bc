"""What users write."""

from collections.abc import Mapping

from resumatch_monitor.app.base import Base
from resumatch_monitor.errortracking.feedback import FeedbackProcessor
from resumatch_monitor.sentry.items import ItemKind, ItemProcessor
from resumatch_monitor.storage.sql.feedback import SqlFeedback


class FeedbackParts:
    """Everything about feedback."""

    def __init__(self, base: Base) -> None:
        self.store = SqlFeedback(base.stores.database, retention=base.config.errors.retention)
        processor = FeedbackProcessor(
            store=self.store, cleaners=base.scrubbers, telemetry=base.telemetry
        )
        self.processors: Mapping[ItemKind, ItemProcessor] = {
            ItemKind.FEEDBACK: processor,
            ItemKind.USER_REPORT: processor,
        }
