"""Traces: from what SDKs and exporters send to segments that are kept and counted."""

from collections.abc import Mapping, Sequence

from resumatch_monitor.app.base import Base, Loops
from resumatch_monitor.kit.spool import SpoolWriter
from resumatch_monitor.sentry.items import ItemKind
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.scrub import Scrubber
from resumatch_monitor.sentry.scrubbers import Scrubbers
from resumatch_monitor.storage.sql.trace_errors import SqlTraceErrors
from resumatch_monitor.tracing.digest import TraceDigest
from resumatch_monitor.tracing.feed import SegmentFeed
from resumatch_monitor.tracing.metrics import TracingMetrics
from resumatch_monitor.tracing.model import SegmentObserver
from resumatch_monitor.tracing.reading import SpanReader
from resumatch_monitor.tracing.receiver import OtlpTraceReceiver
from resumatch_monitor.tracing.retention import TraceRetention


class TraceParts:
    """Everything about traces."""

    def __init__(self, base: Base, *, observers: Sequence[SegmentObserver] = ()) -> None:
        """Build the parts.

        Args:
            base: What everything is built on.
            observers: Who counts segments.
        """
        config, stores = base.config.tracing, base.stores
        scrub_keys = [*base.config.errors.scrub_keys, *config.scrub_keys]
        self.metrics = TracingMetrics(base.telemetry)
        self.sinks: Mapping[ItemKind, SpoolWriter] = dict.fromkeys(
            (ItemKind.TRANSACTION, ItemKind.SPAN), stores.traces_spool
        )
        self.reader = stores.traces
        self.errors = SqlTraceErrors(stores.database)
        self.receiver = OtlpTraceReceiver(
            spool=stores.traces_spool,
            metrics=self.metrics,
            clock=base.clock,
            ids=base.ids,
            spans_max=config.limits.spans_per_request,
        )
        self._digest = TraceDigest(
            spool=stores.traces_spool,
            store=stores.traces,
            reader=SpanReader(
                scrubber=Scrubber(scrub_keys),
                scrubber_of=Scrubbers(base.projects, scrub_keys).of,
                projects=_ProjectNames(base.projects),
                limits=config.limits,
                retention=config.retention,
            ),
            metrics=self.metrics,
            clock=base.clock,
        )
        self._feed = SegmentFeed(
            queue=stores.traces,
            observers=observers,
            settle=config.settle,
            metrics=self.metrics,
            clock=base.clock,
        )
        self._retention = TraceRetention(
            keeper=stores.traces,
            retention=config.retention,
            max_bytes=config.max_bytes,
            metrics=self.metrics,
            clock=base.clock,
            errors=self.errors,
        )

    def loops(self) -> Loops:
        """Return what runs."""
        return {
            "traces: digest": self._digest.run,
            "traces: segments": self._feed.run,
            "traces: retention": self._retention.run,
        }


class _ProjectNames:
    """Finds projects by their slugs too."""

    def __init__(self, projects: Projects) -> None:
        self._projects = projects

    def slug(self, number: int) -> str:
        return self._projects.slug(number)

    def number(self, slug: str) -> int | None:
        return next((each.id for each in self._projects.all() if each.slug == slug), None)
