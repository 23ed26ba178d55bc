"""Which exception of a chain is the bug, and which only pass it on."""

from collections.abc import Sequence

from resumatch_monitor.errortracking.grouping.v2.frames import is_own
from resumatch_monitor.errortracking.grouping.v2.words import is_generic
from resumatch_monitor.errortracking.model import ExceptionInfo, Frame

_MEMBERS_MAX = 8
_DEPTH_MAX = 20

Story = list[int]
"""Positions in the event's list: the root cause first, then what was made of it, outwards."""


def find_stories(exceptions: Sequence[ExceptionInfo], *, is_python: bool) -> list[Story]:
    """Return the chains that end in the exception raised last; several if a group split them."""
    last = len(exceptions) - 1
    if last <= 0:
        return [[0]] if exceptions else []
    stories: list[Story] = []
    waiting: list[Story] = [[last]]
    while waiting and len(stories) < _MEMBERS_MAX:
        path = waiting.pop()
        causes: list[int] = []
        if len(path) < _DEPTH_MAX:
            causes = _causes_of(exceptions, path[-1], is_python=is_python)
        if causes:
            waiting.extend([*path, cause] for cause in reversed(causes))
        else:
            stories.append(path[::-1])
    return stories


def _causes_of(exceptions: Sequence[ExceptionInfo], position: int, *, is_python: bool) -> list[int]:
    """Return what an exception was made of, or the members of a group."""
    outer = exceptions[position]
    if outer.exception_id is None:
        causes = [position - 1] if position else []
    else:
        causes = [
            number
            for number in range(position - 1, -1, -1)
            if exceptions[number].parent_id == outer.exception_id
        ]
    if outer.is_group:
        return causes[:_MEMBERS_MAX]
    if not is_python:
        return causes[:1]
    return [number for number in causes[:1] if _is_passed_on(exceptions[number], outer)]


def _is_passed_on(inner: ExceptionInfo, outer: ExceptionInfo) -> bool:
    """Tell whether `outer` was made of `inner`, rather than raised while it was being handled.

    Python links both, and its SDK tells them apart only within groups. What a handler makes of an
    exception is raised by the very function that caught it, which therefore is in the stack of
    both, or by a helper of its; what goes wrong in a function that the handler calls is a bug of
    its own.
    """
    if inner.source == "__cause__" or not inner.frames:
        return True
    # A traceback begins with the call that caught the exception.
    caught_in = _name(inner.frames[0])
    reached = {_name(frame) for frame in inner.frames if is_own(frame)}
    for frame in reversed(outer.frames):
        name = _name(frame)
        if name == caught_in:
            return True
        if is_own(frame):
            if name in reached:
                return True
            if not is_generic(frame.function):
                return False
    return True


def _name(frame: Frame) -> tuple[str, str]:
    return (frame.module or frame.filename, frame.function)
