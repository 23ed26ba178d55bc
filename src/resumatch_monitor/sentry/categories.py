"""Sentry's categories of data: what quotas, rate limits and client reports count.

https://develop.sentry.dev/sdk/expected-features/rate-limiting/
"""

from collections.abc import Mapping
from enum import StrEnum

from resumatch_monitor.sentry.items import ItemKind, ItemRecord
from resumatch_monitor.sentry.values import as_int, as_text

_MOST_IN_AN_ITEM = 100_000


class Category(StrEnum):
    """A kind of data as SDKs and quotas name it."""

    DEFAULT = "default"
    ERROR = "error"
    TRANSACTION = "transaction"
    SPAN = "span"
    SECURITY = "security"
    SESSION = "session"
    ATTACHMENT = "attachment"
    PROFILE = "profile"
    PROFILE_CHUNK = "profile_chunk"
    REPLAY = "replay"
    MONITOR = "monitor"
    FEEDBACK = "feedback"
    LOG_ITEM = "log_item"
    TRACE_METRIC = "trace_metric"
    INTERNAL = "internal"


_OF_KIND: Mapping[ItemKind, Category] = {
    ItemKind.EVENT: Category.ERROR,
    ItemKind.TRANSACTION: Category.TRANSACTION,
    ItemKind.SPAN: Category.SPAN,
    ItemKind.SESSION: Category.SESSION,
    ItemKind.SESSIONS: Category.SESSION,
    ItemKind.CHECK_IN: Category.MONITOR,
    ItemKind.FEEDBACK: Category.FEEDBACK,
    ItemKind.USER_REPORT: Category.FEEDBACK,
    ItemKind.ATTACHMENT: Category.ATTACHMENT,
    ItemKind.LOG: Category.LOG_ITEM,
    ItemKind.PROFILE: Category.PROFILE,
    ItemKind.PROFILE_CHUNK: Category.PROFILE_CHUNK,
    ItemKind.REPLAY_EVENT: Category.REPLAY,
    ItemKind.REPLAY_RECORDING: Category.REPLAY,
}
_IN_BYTES = frozenset({Category.ATTACHMENT})
_IN_CONTAINERS = frozenset({Category.SPAN, Category.LOG_ITEM})


def find_category(kind: ItemKind, *, is_report: bool = False) -> Category:
    """Return what items of `kind` count as; reports of browsers (CSP) are events of their own."""
    if is_report and kind is ItemKind.EVENT:
        return Category.SECURITY
    return _OF_KIND[kind]


def count_quantity(category: Category, record: ItemRecord) -> int:
    """Return how much of `category` an item is: bytes of attachments, else how many there are."""
    if category in _IN_BYTES:
        return max(1, len(record.payload))
    if category in _IN_CONTAINERS:
        return read_item_count(record.headers.get("item_count"))
    return 1


def read_item_count(value: object) -> int:
    """Return how many things the header of an item says it holds; 1 if it says nothing."""
    return min(max(1, as_int(value) or 1), _MOST_IN_AN_ITEM)


def parse_category(value: object) -> Category:
    """Return the category of that name; `default` if there is none."""
    try:
        return Category(as_text(value))
    except ValueError:
        return Category.DEFAULT
