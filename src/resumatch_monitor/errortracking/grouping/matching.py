"""What fingerprint rules look at: the event, each of its exceptions, each of its frames."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from resumatch_monitor.errortracking.grouping.globs import Glob
from resumatch_monitor.errortracking.model import Event, ExceptionInfo, Frame
from resumatch_monitor.sentry.values import as_text

_SCRIPTS = frozenset({"javascript", "node"})
_NATIVE = frozenset({"native", "c", "cocoa", "objc", "rust", "swift"})
FAMILIES = ("javascript", "native", "other")

ALIASES: Mapping[str, str] = {
    "type": "error.type",
    "value": "error.value",
    "path": "stack.abs_path",
    "module": "stack.module",
    "function": "stack.function",
    "package": "stack.package",
}
IGNORING_CASE = frozenset({"error.value", "message", "level", "stack.abs_path"})
PATHS = frozenset({"stack.abs_path", "stack.package"})

_OF_EVENT: Mapping[str, Callable[["Facts"], Sequence[str]]] = {
    "message": lambda facts: facts.messages,
    "logger": lambda facts: [facts.event.logger],
    "level": lambda facts: [facts.event.level],
    "release": lambda facts: [facts.event.release],
    "environment": lambda facts: [facts.event.environment],
    "transaction": lambda facts: [facts.event.transaction],
    "family": lambda facts: [family_of(facts.event.platform)],
}
_OF_EXCEPTION: Mapping[str, Callable[[ExceptionInfo], str]] = {
    "error.type": lambda exception: exception.type,
    "error.value": lambda exception: exception.value,
}
_OF_FRAME: Mapping[str, Callable[[Frame], Sequence[str]]] = {
    "stack.abs_path": lambda frame: [_slashes(frame.abs_path), _slashes(frame.filename)],
    "stack.module": lambda frame: [frame.module],
    "stack.function": lambda frame: [frame.function],
    "stack.package": lambda frame: [_slashes(as_text(frame.raw.get("package")))],
    "app": lambda frame: ["yes" if frame.in_app else "no"],
}
NAMES = frozenset({*_OF_EVENT, *_OF_EXCEPTION, *_OF_FRAME})


@dataclass(frozen=True, slots=True)
class Matcher:
    """One `name:pattern`; `name` is one of `NAMES`, or `tags.` and a key."""

    name: str
    pattern: str
    glob: Glob
    is_negated: bool = False

    def holds(self, values: Iterable[str]) -> bool:
        """Tell whether one of the values of a thing matches, or none if it is negated."""
        return any(map(self.glob.matches, values)) != self.is_negated


def family_of(platform: str) -> str:
    """Return Sentry's family of a platform."""
    return "javascript" if platform in _SCRIPTS else "native" if platform in _NATIVE else "other"


class Facts:
    """An event, prepared once for many rules."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self._texts: dict[str, str] = {}

    @cached_property
    def messages(self) -> list[str]:
        """The message, and what the exceptions say: they are hard to tell apart."""
        texts = [self.event.message, *(each.value for each in self.event.exceptions)]
        return [text for text in texts if text]

    @cached_property
    def tags(self) -> dict[str, str]:
        """The tags by key."""
        return dict(self.event.tags)

    def satisfy(self, matchers: Sequence[Matcher]) -> bool:
        """Tell whether all matchers hold: of an exception, or frame, all that are about such."""
        # Most rules are about something else; that much can be told of all frames at once.
        for each in matchers:
            if not each.is_negated and each.glob.literal not in self._all_of(each.name):
                return False
        of_exceptions = [each for each in matchers if each.name in _OF_EXCEPTION]
        of_frames = [each for each in matchers if each.name in _OF_FRAME]
        return (
            all(
                each.holds(self._read(each.name))
                for each in matchers
                if each.name not in _OF_EXCEPTION and each.name not in _OF_FRAME
            )
            and (not of_exceptions or self._has_exception(of_exceptions))
            and (not of_frames or self._has_frame(of_frames))
        )

    def _all_of(self, name: str) -> str:
        """Return all values of a name in one text."""
        known = self._texts.get(name)
        if known is None:
            known = "\n".join(self._values(name))
            if name in IGNORING_CASE:
                known = known.lower()
            self._texts[name] = known
        return known

    def _values(self, name: str) -> Iterable[str]:
        exceptions = self.event.exceptions
        if name in _OF_FRAME:
            read = _OF_FRAME[name]
            return {text for each in exceptions for frame in each.frames for text in read(frame)}
        if name in _OF_EXCEPTION:
            return [_OF_EXCEPTION[name](exception) for exception in exceptions]
        return self._read(name)

    def _read(self, name: str) -> Sequence[str]:
        if name.startswith("tags."):
            value = self.tags.get(name[5:])
            return [] if value is None else [value]
        return _OF_EVENT[name](self)

    def _has_exception(self, matchers: Sequence[Matcher]) -> bool:
        return any(
            all(each.holds([_OF_EXCEPTION[each.name](exception)]) for each in matchers)
            for exception in self.event.exceptions
        )

    def _has_frame(self, matchers: Sequence[Matcher]) -> bool:
        return any(
            all(each.holds(_OF_FRAME[each.name](frame)) for each in matchers)
            for exception in self.event.exceptions
            for frame in exception.frames
        )


def _slashes(path: str) -> str:
    return path.replace("\\", "/")
