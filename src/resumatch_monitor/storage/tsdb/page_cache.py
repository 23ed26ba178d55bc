"""Keeps decoded chunks of sealed blocks, so that a dashboard decodes what it shows but once."""

import random
import threading

from resumatch_monitor.metrics.samples import FloatArray

Key = tuple[int, int]
"""A block's own number and the number of a chunk in it."""


class PageCache:
    """A bounded number of bytes of decoded values; safe from any thread.

    What goes is chosen at random: a query that goes round through more than fits would find nothing
    at all if the oldest went, and finds most of it so.
    """

    def __init__(self, size_bytes: int) -> None:
        self._limit = size_bytes
        self._size = 0
        self._places: dict[Key, int] = {}
        self._entries: list[tuple[Key, FloatArray]] = []
        self._lock = threading.Lock()
        self._random = random.Random(0)  # noqa: S311 - chooses victims, guards nothing

    @property
    def size_bytes(self) -> int:
        """What the values in it take."""
        return self._size

    def get(self, key: Key) -> FloatArray | None:
        """Return the values of a chunk, only for reading, None if they are not here."""
        with self._lock:
            place = self._places.get(key)
            return None if place is None else self._entries[place][1]

    def put(self, key: Key, values: FloatArray) -> None:
        """Keep `values`, which must not change any more."""
        if values.nbytes > self._limit:
            return
        with self._lock:
            if key in self._places:
                return
            while self._size + values.nbytes > self._limit:
                self._remove(self._random.randrange(len(self._entries)))
            self._places[key] = len(self._entries)
            self._entries.append((key, values))
            self._size += values.nbytes

    def forget(self, block: int) -> None:
        """Let go of what belongs to a block that is gone."""
        with self._lock:
            for key in [key for key in self._places if key[0] == block]:
                self._remove(self._places[key])

    def _remove(self, place: int) -> None:
        key, values = self._entries[place]
        self._size -= values.nbytes
        del self._places[key]
        last = self._entries.pop()
        if place < len(self._entries):
            self._entries[place] = last
            self._places[last[0]] = place
