"""Client reports: what SDKs say that they dropped before it was sent."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from resumatch_monitor.sentry.categories import Category, parse_category
from resumatch_monitor.sentry.lenient import parse_json
from resumatch_monitor.sentry.outcomes import Outcome
from resumatch_monitor.sentry.values import as_dict, as_int, as_list, as_text

_ENTRIES_MAX = 100
_QUANTITY_MAX = 1_000_000
# https://develop.sentry.dev/sdk/telemetry/client-reports/, and what SDKs send beside it. Any
# other text would let a sender fill the statistics with names.
_REASONS = frozenset(
    """
    queue_overflow cache_overflow buffer_overflow ratelimit_backoff network_error sample_rate
    before_send event_processor send_error internal_sdk_error insufficient_data backpressure
    invalid ignored no_parent_span callback_error missing_snapshot
    """.split()  # noqa: SIM905 - a line a word would hide what belongs together
)
_LISTS = {
    "discarded_events": Outcome.CLIENT_DISCARD,
    "rate_limited_events": Outcome.RATE_LIMITED,
    "filtered_events": Outcome.FILTERED,
    "filtered_sampling_events": Outcome.FILTERED,
}


@dataclass(frozen=True, slots=True)
class Discard:
    """So much of a category was dropped by an SDK."""

    outcome: Outcome
    category: Category
    reason: str
    quantity: int


def read_client_report(payload: bytes) -> Iterator[Discard]:
    """Yield what a client report says; nothing if it says nothing that can be read."""
    try:
        report = as_dict(parse_json(payload)[0])
    except orjson.JSONDecodeError:
        return
    for name, outcome in _LISTS.items():
        for entry in as_list(report.get(name))[:_ENTRIES_MAX]:
            said = as_dict(entry)
            quantity = min(as_int(said.get("quantity")) or 0, _QUANTITY_MAX)
            reason = as_text(said.get("reason"))
            if quantity > 0:
                yield Discard(
                    outcome,
                    parse_category(said.get("category")),
                    reason if reason in _REASONS else "other",
                    quantity,
                )
