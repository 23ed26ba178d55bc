"""What a way of grouping answers."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from resumatch_monitor.errortracking.model import Event


@dataclass(frozen=True, slots=True)
class Component:
    """Something about an event that decides where it belongs.

    Attributes:
        kind: `exception`, `call`, `message`, `logger`, `policy`, `fingerprint` and the like.
    """

    kind: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What counted, and why.

    Attributes:
        reason: For a person.
        frames: The frames that counted, as positions of exception and frame in the event.
        passed: The positions of the exceptions that only passed another one on.
    """

    components: tuple[Component, ...]
    reason: str
    frames: frozenset[tuple[int, int]] = frozenset()
    passed: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Grouping:
    """Where an event belongs.

    Attributes:
        version: Which way of grouping answered.
        key: The same for all events of an issue, within a project.
        explanation: Why they are together, for a person.
    """

    version: int
    key: bytes
    explanation: str
    decision: Decision | None = field(default=None, repr=False)


class Grouper(Protocol):
    """A way of grouping."""

    def __call__(self, event: Event) -> Grouping:
        """Return where `event` belongs; never fails."""
        ...


def hash_components(components: Iterable[Component], *, version: int) -> bytes:
    """Return the key of what counted; 16 bytes."""
    digest = hashlib.blake2b(digest_size=16, person=b"grouping-v%d" % version)
    for component in components:
        for part in (component.kind, *component.values):
            digest.update(part.encode("utf-8", "replace"))
            digest.update(b"\x00")
        digest.update(b"\x01")
    return digest.digest()
