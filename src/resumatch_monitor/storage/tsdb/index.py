"""Which series there are, and which of them matchers select."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt

from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp

IdArray = npt.NDArray[np.int32]
"""Series ids, ascending and distinct unless said otherwise."""

IntT = TypeVar("IntT", bound=np.signedinteger[Any])

_NONE: IdArray = np.empty(0, dtype=np.int32)
_SPECIAL = frozenset(".^$*+?{}[]\\|()")


class Posting:
    """An ascending list of ids that one thread appends to while others read.

    Attributes:
        pair: The label that they have in common, one object for all of them.
    """

    __slots__ = ("_buffer", "_count", "pair")

    def __init__(self, pair: tuple[str, str] = ("", "")) -> None:
        self.pair = pair
        self._buffer: IdArray = np.empty(1, dtype=np.int32)
        self._count = 0

    def append(self, value: int) -> None:
        """Append an id larger than all before."""
        count = self._count
        if count == len(self._buffer):
            larger = np.empty(2 * count, dtype=np.int32)
            larger[:count] = self._buffer
            self._buffer = larger
        self._buffer[count] = value
        self._count = count + 1

    def view(self) -> IdArray:
        """Return the ids appended so far; for reading only."""
        # The count first: the buffer that is there afterwards holds at least as many.
        count = self._count
        return self._buffer[:count]


class SeriesIndex:
    """Numbers label sets and finds them by their labels.

    One thread adds; any thread may read at the same time without a lock: lists only grow, and an
    id is published (in `all`) after everything that leads to it.
    """

    def __init__(self) -> None:
        self._ids: dict[Labels, int] = {}
        # The same by the address of the object that `labels` keeps alive: found ten times faster.
        self._ids_by_address: dict[int, int] = {}
        self._postings: dict[str, dict[str, Posting]] = {}
        self._all = Posting()
        self.labels: list[Labels | None] = []

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def size(self) -> int:
        """One more than the largest id ever given."""
        return len(self.labels)

    def find(self, labels: Labels) -> int | None:
        """Return the id of `labels`, if it has one."""
        return self._ids.get(labels)

    def add(self, labels: Labels) -> int:
        """Return the id of `labels`, giving it one if it has none."""
        known = self._ids.get(labels)
        if known is not None:
            return known
        number = len(self.labels)
        self.labels.append(labels)
        shared: list[tuple[str, str]] = []
        for pair in labels.pairs:
            name, value = pair
            values = self._postings.setdefault(name, {})
            posting = values.get(value)
            if posting is None:
                # Filled before it is visible: a reader never meets an empty posting.
                posting = Posting(pair)
                posting.append(number)
                values[value] = posting
            else:
                posting.append(number)
            shared.append(posting.pair)
        labels.share(tuple(shared))
        self._ids[labels] = number
        self._ids_by_address[id(labels)] = number
        self._all.append(number)
        return number

    def resolve(self, labels: Sequence[Labels]) -> IdArray:
        """Return the ids of `labels`, (S,) in their order, giving one to those that have none."""
        known = list(map(self._ids_by_address.get, map(id, labels)))
        if None in known:
            return np.fromiter((self.add(each) for each in labels), np.int32, len(labels))
        return np.array(known, dtype=np.int32)

    def labels_of(self, ids: Iterable[int] | IdArray) -> list[Labels]:
        """Return the label sets of `ids`, in order."""
        # Iterating over an array makes an object of NumPy's for each number.
        numbers: Iterable[int] = ids.tolist() if isinstance(ids, np.ndarray) else ids
        return cast("list[Labels]", list(map(self.labels.__getitem__, numbers)))

    def values_among(self, name: str, ids: IdArray) -> set[str]:
        """Return the values that label `name` has among the series `ids`."""
        values = list(self._postings.get(name, {}).items())
        if len(values) > len(ids):
            return {value for labels in self.labels_of(ids) if (value := labels.value(name))}
        is_among = self._mark(ids)
        return {value for value, posting in values if _has_any(posting, is_among)}

    def names_among(self, ids: IdArray) -> list[str]:
        """Return the names of the labels that any of the series `ids` has, in no order."""
        is_among = self._mark(ids)
        found: list[str] = []
        for name, values in list(self._postings.items()):
            if len(values) > len(ids):
                has_it = any(labels.value(name) for labels in self.labels_of(ids))
            else:
                has_it = any(_has_any(posting, is_among) for posting in list(values.values()))
            if has_it:
                found.append(name)
        return found

    def _mark(self, ids: IdArray) -> npt.NDArray[np.bool_]:
        marks = np.zeros(self.size, dtype=np.bool_)
        marks[ids] = True
        return marks

    def keep_only(self, ids: IdArray) -> "SeriesIndex":
        """Return an index of `ids` alone, under the same numbers."""
        fresh = SeriesIndex()
        fresh.labels = [None] * len(self.labels)
        numbers: list[int] = ids.tolist()
        for number in numbers:
            labels = self.labels[number]
            if labels is None:
                continue
            fresh.labels[number] = labels
            fresh._ids[labels] = number
            fresh._ids_by_address[id(labels)] = number
            fresh._all.append(number)
            for pair in labels.pairs:
                values = fresh._postings.setdefault(pair[0], {})
                values.setdefault(pair[1], Posting(pair)).append(number)
        return fresh

    def match(self, matchers: Sequence[Matcher]) -> IdArray:
        """Return the ids of the series that all of `matchers` select."""
        every = self._all.view()
        included: list[IdArray] = []
        excluded: list[IdArray] = []
        for matcher in matchers:
            if matcher.matches(""):
                excluded.extend(self._postings_outside(matcher))
            else:
                included.append(_union(self._postings_inside(matcher)))
        included.sort(key=len)
        found = included[0] if included else every
        for other in included[1:]:
            found = intersect(found, other)
        if excluded:
            found = found[~contains(_union(excluded), found)]
        # A series is in its postings a moment before it is in the list of all.
        return found[: int(np.searchsorted(found, len(every) and every[-1], side="right"))]

    def _postings_inside(self, matcher: Matcher) -> list[IdArray]:
        values = self._postings.get(matcher.name, {})
        literals = _literals(matcher)
        if literals is not None:
            return [values[each].view() for each in literals if each in values]
        prefix = _prefix(matcher)
        return [
            posting.view()
            for value, posting in list(values.items())
            if value.startswith(prefix) and matcher.matches(value)
        ]

    def _postings_outside(self, matcher: Matcher) -> list[IdArray]:
        values = self._postings.get(matcher.name, {})
        if matcher.op is MatchOp.NOT_EQUAL:
            return [values[matcher.value].view()] if matcher.value in values else []
        if matcher.op in (MatchOp.REGEX, MatchOp.NOT_REGEX) and matcher.value == ".*":
            return []
        return [
            posting.view() for value, posting in list(values.items()) if not matcher.matches(value)
        ]


def distinct(values: npt.NDArray[IntT]) -> npt.NDArray[IntT]:
    """Return what is in `values`, ascending and each once.

    As `np.unique`, which puts whole numbers into a hash table and takes a hundred times as long.
    """
    ordered = np.sort(values)
    is_first = np.empty(len(ordered), dtype=np.bool_)
    is_first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]


def intersect(left: IdArray, right: IdArray) -> IdArray:
    """Return the ids in both."""
    if len(left) > len(right):
        left, right = right, left
    return left[contains(right, left)]


def contains(haystack: IdArray, needles: IdArray) -> npt.NDArray[np.bool_]:
    """Return which of `needles` (in any order) are in the ascending `haystack`."""
    if not len(haystack):
        return np.zeros(len(needles), dtype=np.bool_)
    positions = np.searchsorted(haystack, needles)
    positions[positions == len(haystack)] = 0
    return haystack[positions] == needles


def _has_any(posting: Posting, is_among: npt.NDArray[np.bool_]) -> bool:
    ids = posting.view()
    # Series that were added meanwhile have larger ids.
    if int(ids[-1]) >= len(is_among):
        ids = ids[: int(np.searchsorted(ids, len(is_among)))]
    return bool(is_among[ids].any())


def _union(parts: list[IdArray]) -> IdArray:
    if not parts:
        return _NONE
    if len(parts) == 1:
        return parts[0]
    return distinct(np.concatenate(parts))


def _literals(matcher: Matcher) -> list[str] | None:
    """Return the values that `matcher` selects if they can be listed: `=` and `=~"a|b"`."""
    if matcher.op is MatchOp.EQUAL:
        return [matcher.value]
    if matcher.op is MatchOp.REGEX:
        parts = matcher.value.split("|")
        if not any(_SPECIAL.intersection(part) for part in parts):
            return list(dict.fromkeys(parts))
    return None


def _prefix(matcher: Matcher) -> str:
    """Return a text that every value that `matcher` selects begins with; it may be empty."""
    if matcher.op is not MatchOp.REGEX or "|" in matcher.value or matcher.value.startswith("(?"):
        return ""
    literal = cast("re.Match[str]", _PLAIN_START.match(matcher.value)).group()
    rest: Any = matcher.value[len(literal) : len(literal) + 1]
    # In `ab*` the last letter may be repeated any number of times, none included.
    return literal[:-1] if rest and rest in "*?{" else literal


_PLAIN_START = re.compile(r"[^.^$*+?{}\[\]\\|()]*")
