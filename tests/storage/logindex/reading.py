"""Reads everything that a store has, page by page."""

from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.logs.query.tree import Everything, Node
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.store import LogQuery, StoredRecord
from resumatch_monitor.storage.logindex.store import TantivyLogStore
from tests.support.logs import make_record


def recent(body: str, **over: object) -> LogRecord:
    """Return a record that has just arrived, so that its partition is not ended by its age."""
    now_us = int(SystemClock().now().timestamp() * 1e6)
    return make_record(body, **{"timestamp_us": now_us, "observed_us": now_us, **over})


async def read_pages(
    store: TantivyLogStore, node: Node | None = None, *, limit: int = 500, newest: bool = True
) -> list[StoredRecord]:
    """Return what matches, as someone sees it who turns the pages to the end."""
    query = LogQuery(node or Everything())
    items: list[StoredRecord] = []
    after: int | None = None
    while True:
        page = await store.search(query, limit=limit, after=after, is_newest_first=newest)
        items += page.items
        after = page.next_seq
        if after is None:
            return items


async def read_bodies(store: TantivyLogStore, node: Node | None = None) -> list[str]:
    """Return the bodies of what matches, sorted."""
    return sorted(item.record.body for item in await read_pages(store, node))


async def count_missing(store: TantivyLogStore) -> int:
    """Return how many records are said to be damaged, of all."""
    return (await store.search(LogQuery(), limit=100_000)).missing
