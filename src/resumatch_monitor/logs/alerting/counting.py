"""Asks the store what a rule wants to know."""

from collections.abc import Sequence
from datetime import datetime

from resumatch_monitor.alerts.state import Observation
from resumatch_monitor.logs.alerting.rule import LONGEST_VALUE, LogRule
from resumatch_monitor.logs.document import to_microseconds
from resumatch_monitor.logs.query.tree import Node
from resumatch_monitor.logs.record import LogRecord
from resumatch_monitor.logs.store import LogQuery, LogReader

GROUPS_MAX = 100
_NEWEST_MAX = 10
"""For how many groups the newest record is looked for; a storm must not take long."""


class UncertainCountError(Exception):
    """It is not known whether a rule's condition holds: looking took too long."""


async def observe(rule: LogRule, reader: LogReader, now: datetime) -> list[Observation]:
    """Return what a rule sees at a moment: the groups for which its condition holds.

    Raises:
        UncertainCountError: If that cannot be known.
    """
    counts = await _count(rule, reader, now)
    observations: list[Observation] = []
    for value, count in counts.items():
        if rule.holds(count):
            node = rule.narrow(value) if rule.label else rule.node
            newest = None
            if len(observations) < _NEWEST_MAX:
                newest = await _find_newest(rule, reader, node, now)
            observations.append(rule.observe(value, count, newest))
    return observations


def make_query(rule: LogRule, node: Node, now: datetime) -> LogQuery:
    """Return what finds the records of a rule's window that ends at a moment."""
    # What is of this very moment belongs to it.
    end_us = to_microseconds(now) + 1_000
    return LogQuery(node, start_us=to_microseconds(now - rule.config.window), end_us=end_us)


async def _count(rule: LogRule, reader: LogReader, now: datetime) -> dict[str, int]:
    if not rule.label:
        return {"": await _count_one(rule, reader, rule.node, now)}
    if rule.config.groups:
        return {
            value: await _count_one(rule, reader, rule.narrow(value), now)
            for value in dict.fromkeys(rule.config.groups)
        }
    query = make_query(rule, rule.node, now)
    top = await reader.top_values(query, rule.field, limit=GROUPS_MAX)
    return merge_long(top.values)


def merge_long(values: Sequence[tuple[str, int]]) -> dict[str, int]:
    """Return counts by value; values that are the same once they are cut are one."""
    counts: dict[str, int] = {}
    for value, count in values:
        short = value[:LONGEST_VALUE]
        counts[short] = counts.get(short, 0) + count
    return counts


async def _count_one(rule: LogRule, reader: LogReader, node: Node, now: datetime) -> int:
    count = await reader.count(make_query(rule, node, now))
    # There are at least so many, which is enough to know that there are too many.
    if not count.is_complete and (rule.config.below is not None or not rule.holds(count.total)):
        raise UncertainCountError("looking at the records takes too long")
    return count.total


async def _find_newest(
    rule: LogRule, reader: LogReader, node: Node, now: datetime
) -> LogRecord | None:
    page = await reader.search(make_query(rule, node, now), limit=1)
    if not page.items and rule.config.below is not None:
        # The last one that there was says since when it is quiet.
        page = await reader.search(LogQuery(node, end_us=to_microseconds(now)), limit=1)
    return page.items[0].record if page.items else None
