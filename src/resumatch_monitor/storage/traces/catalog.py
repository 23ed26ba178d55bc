"""Which parts there are."""

import logging
import sqlite3
import threading
from pathlib import Path

from resumatch_monitor.storage.traces.part import (
    Part,
    PartGoneError,
    PartName,
    PartVersionError,
)

logger = logging.getLogger(__name__)

_UNFINISHED = ".tmp"


class Catalog:
    """The parts in order of their numbers; may be asked and changed by several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._parts: dict[int, Part] = {}
        self._highest = 0

    def load(self) -> None:
        """Find what is in the folder, and clear away what a crash left of thinning.

        A file that cannot be read is left where it is, and left out.

        Raises:
            OSError: If the folder cannot be read.
        """
        names: dict[int, list[PartName]] = {}
        for path in sorted(self._folder.iterdir()):
            if f"{_UNFINISHED}-" in path.name or path.name.endswith(_UNFINISHED):
                path.unlink()
            elif (name := PartName.parse(path.name)) is not None:
                names.setdefault(name.number, []).append(name)
        for number, generations in names.items():
            self._highest = max(self._highest, number)
            # A generation is whole before it has its name; what it was made from is superfluous.
            *older, latest = sorted(generations, key=lambda name: name.generation)
            for name in older:
                Part(self._folder, name).drop()
            part = Part(self._folder, latest)
            try:
                part.load()
            except (sqlite3.Error, PartVersionError, PartGoneError) as error:
                logger.warning("Traces in %s cannot be read: %s", part.path.name, error)
                continue
            self._parts[number] = part

    def close(self) -> None:
        """Close the connections to all parts."""
        for part in self.newest_first():
            part.close()

    @property
    def latest(self) -> Part | None:
        """The part with the highest number."""
        with self._lock:
            return self._parts[max(self._parts)] if self._parts else None

    def newest_first(self) -> list[Part]:
        """Return all parts, the highest number first."""
        with self._lock:
            return [self._parts[number] for number in sorted(self._parts, reverse=True)]

    def find(self, number: int) -> Part | None:
        """Return the part with a number; None if it is gone."""
        with self._lock:
            return self._parts.get(number)

    def before(self, part: Part) -> Part | None:
        """Return the part before `part`; None if it is the first."""
        with self._lock:
            numbers = [number for number in self._parts if number < part.name.number]
            return self._parts[max(numbers)] if numbers else None

    def build_next(self) -> Part:
        """Return a part that comes after all others; nothing knows it until it is added."""
        with self._lock:
            self._highest += 1
            return Part(self._folder, PartName(self._highest))

    def add(self, part: Part) -> None:
        """Add a part, or put it where one with its number is."""
        with self._lock:
            self._parts[part.name.number] = part

    def remove(self, part: Part) -> None:
        """Forget a part."""
        with self._lock:
            if self._parts.get(part.name.number) is part:
                del self._parts[part.name.number]
