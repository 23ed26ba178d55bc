"""Patterns: what messages have in common, mined from those that match (Drain)."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from resumatch_monitor.logs.fields import Field
from resumatch_monitor.logs.query.tree import And, Equals, Node, Words, split_words
from resumatch_monitor.logs.record import name_severity
from resumatch_monitor.logs.store import LogQuery, LogReader, StoredRecord

PLACEHOLDER = "<*>"
MAX_SAMPLE = 10_000
_PAGE = 1_000
_LONGEST_MESSAGE = 400
_MOST_TOKENS = 60
_MOST_PATTERNS = 500
_SERVICES = 5
_LONGEST_TEMPLATE = 1_000
# How alike two messages have to be: https://ieeexplore.ieee.org/document/8029742
_SIMILARITY = 0.5
_WORD = re.compile(r"[^\W_]+")
_CHAIN = re.compile(r"<\*>(?:[-.:,/_+]+<\*>)+")


@dataclass(frozen=True, slots=True)
class LogPattern:
    """A template, and the records that it stands for.

    Attributes:
        template: A message with `<*>` for what differs.
        first_us: The time of the first of them; `last_us` of the last.
        example: The newest of them.
        is_new: Whether no record from before a release has its words; None if nobody asked.
    """

    template: str
    count: int
    first_us: int
    last_us: int
    example: StoredRecord
    severities: dict[str, int]
    services: tuple[str, ...]
    is_new: bool | None = None

    @property
    def phrases(self) -> list[tuple[str, ...]]:
        """What does not differ, as words that adjoin."""
        runs = (split_words(part) for part in self.template.split(PLACEHOLDER))
        return [tuple(run) for run in runs if run]

    @property
    def query(self) -> str:
        """A query that finds such records, and perhaps a few others."""
        return " ".join(f'"{" ".join(words)}"' for words in self.phrases)


@dataclass(slots=True)
class _Group:
    """Records of one template, gathered from the newest on."""

    example: StoredRecord
    template: str
    first_us: int = 0
    last_us: int = 0
    count: int = 0
    severities: Counter[str] = field(default_factory=Counter[str])
    services: Counter[str] = field(default_factory=Counter[str])

    def add(self, stored: StoredRecord, template: str) -> None:
        """Take one more."""
        when = stored.record.timestamp_us
        self.template = template
        self.first_us = when if not self.count else min(self.first_us, when)
        self.last_us = max(self.last_us, when)
        self.count += 1
        self.severities[name_severity(stored.record.severity)] += 1
        if stored.record.service:
            self.services[stored.record.service] += 1


async def sample_records(logs: LogReader, query: LogQuery, size: int) -> list[StoredRecord]:
    """Return the newest records that match, `size` or `MAX_SAMPLE` at most."""
    found: list[StoredRecord] = []
    wanted, after = min(size, MAX_SAMPLE), None
    while len(found) < wanted:
        page = await logs.search(query, limit=min(_PAGE, wanted - len(found)), after=after)
        found.extend(page.items)
        if page.next_seq is None or not page.is_complete:
            break
        after = page.next_seq
    return found


def mine_patterns(records: Iterable[StoredRecord]) -> list[LogPattern]:
    """Return the patterns of `records`, which come newest first, the most frequent first."""
    # It takes a third of a second to load, and most monitors never need it.
    from drain3.drain import Drain  # noqa: PLC0415

    miner = Drain(sim_th=_SIMILARITY, max_clusters=_MOST_PATTERNS, param_str=PLACEHOLDER)
    groups: dict[int, _Group] = {}
    for stored in records:
        cluster, _ = miner.add_log_message(mask(stored.record.body))
        template = cluster.get_template()
        group = groups.setdefault(cluster.cluster_id, _Group(stored, template))
        group.add(stored, template)
    ordered = sorted(groups.values(), key=lambda group: group.count, reverse=True)
    return [_finish(group) for group in ordered]


def mask(message: str) -> str:
    """Return the beginning of a message with placeholders for words that have digits."""
    beginning = message[:_LONGEST_MESSAGE].split("\n", 1)[0]
    masked = _WORD.sub(lambda found: _mask_word(found[0]), beginning)
    return " ".join(_CHAIN.sub(PLACEHOLDER, masked).split()[:_MOST_TOKENS])


async def mark_new(
    logs: LogReader, patterns: Sequence[LogPattern], release: str
) -> list[LogPattern]:
    """Return `patterns`, each with whether it is new since a release was first heard of.

    The whole store is asked, not only what patterns were mined from. A pattern without words of
    its own is never called new.
    """
    first = await logs.search(
        LogQuery(Equals(Field.RELEASE, release)), limit=1, is_newest_first=False
    )
    if not first.items:
        return [replace(each, is_new=False) for each in patterns]
    began_us = first.items[0].record.timestamp_us
    marked: list[LogPattern] = []
    for each in patterns:
        node = _find_words(each)
        is_new = False
        if node is not None and each.first_us >= began_us:
            # A place is in whole milliseconds.
            before = LogQuery(node, end_us=began_us // 1_000 * 1_000)
            is_new = not (await logs.search(before, limit=1)).items
        marked.append(replace(each, is_new=is_new))
    return marked


def _mask_word(word: str) -> str:
    return PLACEHOLDER if any(character.isdigit() for character in word) else word


def _finish(group: _Group) -> LogPattern:
    return LogPattern(
        template=group.template[:_LONGEST_TEMPLATE],
        count=group.count,
        first_us=group.first_us,
        last_us=group.last_us,
        example=group.example,
        severities=dict(group.severities),
        services=tuple(name for name, _ in group.services.most_common(_SERVICES)),
    )


def _find_words(pattern: LogPattern) -> Node | None:
    phrases = [Words(words) for words in pattern.phrases]
    if len(phrases) > 1:
        return And(tuple(phrases))
    return phrases[0] if phrases else None
