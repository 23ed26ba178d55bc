"""The metrics of queries themselves."""

import asyncio

from prometheus_client import Counter, Gauge, Histogram

from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.promql.value import (
    QueryError,
    QueryLimitError,
    QueryTimeoutError,
    StoreUnavailableError,
    UnsupportedError,
)

_KINDS = ("explain", "instant", "range", "read")
_REASONS = (
    "bad_query",
    "execution",
    "internal",
    "limit",
    "timeout",
    "unavailable",
    "unsupported",
)


def name_reason(error: BaseException) -> str:
    """Return why a query has no answer, as the label of its metric."""
    for kind, reason in (
        (QueryTimeoutError, "timeout"),
        (QueryLimitError, "limit"),
        (StoreUnavailableError, "unavailable"),
        (UnsupportedError, "unsupported"),
    ):
        if isinstance(error, kind):
            return reason
    if isinstance(error, asyncio.CancelledError):
        return "cancelled"
    if type(error) is QueryError:
        return "bad_query"
    return "execution" if isinstance(error, QueryError) else "internal"


class QueryMetrics:
    """How long queries take and how they fail."""

    def __init__(self, telemetry: Telemetry) -> None:
        self.duration = Histogram(
            "resumatch_monitor_query_duration_seconds",
            "From a query's arrival to its answer, waiting included.",
            ["kind"],
            buckets=(0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=telemetry.registry,
        )
        self.failures = Counter(
            "resumatch_monitor_query_failures_total",
            "Queries without an answer.",
            ["reason"],
            registry=telemetry.registry,
        )
        self.pending = Gauge(
            "resumatch_monitor_queries_pending",
            "Queries that wait or run.",
            registry=telemetry.registry,
        )
        for kind in _KINDS:
            self.duration.labels(kind)
        for reason in (*_REASONS, "cancelled"):
            self.failures.labels(reason)
