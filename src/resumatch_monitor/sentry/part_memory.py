"""What became of parts of events that come again and again: frames, contexts, requests.

Whatever fails, it fails at the same lines of the same code. Most of what is sent was sent before.
"""

from dataclasses import dataclass
from typing import Any

_MOST_BYTES = 2 * 1024 * 1024
_PART_MAX_BYTES = 4 * 1024
_PLACE_BYTES = 512
"""What a part takes beside its JSON; most that are new each time are a few bytes long."""


@dataclass(frozen=True, slots=True)
class CleanedPart:
    """A part that may be stored; nobody changes it.

    Attributes:
        scrubbed: Where in it something was taken out.
    """

    value: Any
    scrubbed: tuple[str, ...]


class PartMemory:
    """Remembers a few thousand parts, by who cleaned them, as what, and their JSON.

    Any thread may ask; two that ask at once at worst clean the same part twice.
    """

    def __init__(self, *, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._known: dict[tuple[object, str, bytes], CleanedPart] = {}
        self._size = 0

    def find(self, cleaner: object, kind: str, json: bytes) -> CleanedPart | None:
        """Return what became of a part; None if that is not known."""
        return self._known.get((cleaner, kind, json))

    def remember(self, cleaner: object, kind: str, json: bytes, part: CleanedPart) -> None:
        """Remember what became of a part, unless it is large."""
        if len(json) > _PART_MAX_BYTES:
            return
        size = _PLACE_BYTES + len(json)
        self._size += size
        if self._size > self._most_bytes:
            # Those that come again are known again soon.
            self._known.clear()
            self._size = size
        self._known[cleaner, kind, json] = part
