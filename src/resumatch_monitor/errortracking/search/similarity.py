"""How much two issues are alike: the words of their titles and the frames of their events."""

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from resumatch_monitor.errortracking.model import Event

FRAMES_MAX = 200
_WORD = re.compile(r"[^\W\d_]{3,40}")
_WORDS_MAX = 60
_TITLE_WEIGHT = 0.4
_FRAMES_WEIGHT = 0.6
SCORE_MIN = 0.3
"""Below that, issues only look alike by chance."""

FrameKey = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much two issues are alike, from 0 to 1; `frames` is None if one of them has none."""

    title: float
    frames: float | None

    @property
    def score(self) -> float:
        """Two fifths title and three fifths frames; the title alone counts for four fifths."""
        if self.frames is None:
            return 2 * _TITLE_WEIGHT * self.title
        return _TITLE_WEIGHT * self.title + _FRAMES_WEIGHT * self.frames


def find_words(*texts: str) -> frozenset[str]:
    """Return the words of some texts: letters only, so that ids and numbers do not count."""
    found = dict.fromkeys(word.lower() for text in texts for word in _WORD.findall(text[:2_000]))
    return frozenset(list(found)[:_WORDS_MAX])


def find_frames(event: Event) -> frozenset[FrameKey]:
    """Return where an event's calls were: the application's own, or all if none is."""
    frames = [frame for each in event.exceptions for frame in each.frames]
    own = [frame for frame in frames if frame.in_app] or frames
    return frozenset(
        (frame.module or frame.filename, frame.function) for frame in own[-FRAMES_MAX:]
    )


def share(left: AbstractSet[object], right: AbstractSet[object]) -> float:
    """Return how much of two sets is in both."""
    together = len(left | right)
    return len(left & right) / together if together else 0.0


def compare_frames(left: frozenset[FrameKey], right: frozenset[FrameKey]) -> float | None:
    """Return how much of the frames is in both; None if one has none."""
    return share(left, right) if left and right else None
