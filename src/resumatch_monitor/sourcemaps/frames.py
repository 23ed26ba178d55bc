"""The minified frames of an event as SDKs send it, and what becomes of them; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from resumatch_monitor.sentry.values import (
    as_dict,
    as_int,
    as_list,
    as_text,
    list_of_values,
)
from resumatch_monitor.sourcemaps.bundle import parse_debug_id
from resumatch_monitor.sourcemaps.places import (
    clean_source,
    is_application_source,
    is_file_of_build,
)
from resumatch_monitor.sourcemaps.problems import Subject
from resumatch_monitor.sourcemaps.reader import OriginalPlace

_PLATFORMS = ("javascript", "node")
_IMAGES = ("sourcemap", "jsbundle")
_MOST_FRAMES = 500
_MOST_IMAGES = 2_000
_LONGEST_NAME = 200
_MOST = 2**31
_KEPT = ("function", "filename", "abs_path", "module", "lineno", "colno", "in_app")
_NAMELESS = frozenset({"", "?", "<anonymous>", "<unknown>"})


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack trace of an event: its frames as the event has them, the oldest call first."""

    frames: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MinifiedFrame:
    """A frame that may have an original place."""

    frame: dict[str, Any]
    subject: Subject
    line: int
    column: int


def has_minified_frames(raw: dict[str, Any]) -> bool:
    """Tell whether an event may have any, at no cost for those of other platforms."""
    return _is_javascript(raw) or ("debug_meta" in raw and bool(read_debug_ids(raw)))


def list_stacks(raw: dict[str, Any]) -> Iterator[Stack]:
    """Return the stack traces of an event."""
    owners = [
        *list_of_values(raw.get("exception") or raw.get("sentry.interfaces.Exception")),
        *list_of_values(raw.get("threads")),
        raw,
    ]
    left = _MOST_FRAMES
    for owner in map(as_dict, owners):
        frames = as_list(as_dict(owner.get("stacktrace")).get("frames"))
        known = [as_dict(frame) for frame in frames if as_dict(frame)][-left:]
        left -= len(known)
        if known:
            yield Stack(known)
        if left <= 0:
            return


def read_minified(
    stack: Stack, raw: dict[str, Any], *, project_id: int, debug_ids: dict[str, bytes]
) -> list[MinifiedFrame]:
    """Return the frames of a stack that may have an original place."""
    found: list[MinifiedFrame] = []
    for frame in stack.frames:
        line, column = as_int(frame.get("lineno")), as_int(frame.get("colno"))
        is_known = is_file_of_build(_file_of(frame)) and not is_resolved(frame)
        if is_known and _is_place(line, column):
            subject = read_subject(frame, raw, project_id=project_id, debug_ids=debug_ids)
            if subject.debug_id is None and not _is_javascript(raw):
                continue
            found.append(MinifiedFrame(frame, subject, line or 0, max(1, column or 0)))
    return found


def read_subject(
    frame: dict[str, Any], raw: dict[str, Any], *, project_id: int, debug_ids: dict[str, bytes]
) -> Subject:
    """Return what is known of a frame's file; `frame` may be what was kept of it."""
    file = _file_of(frame)
    release, dist = (as_text(raw.get(name)).strip()[:_LONGEST_NAME] for name in ("release", "dist"))
    debug_id = debug_ids.get(file) or debug_ids.get(as_text(frame.get("filename")))
    return Subject(project_id, file[:2_000], debug_id, release, dist)


def _is_place(line: int | None, column: int | None) -> bool:
    """Tell whether a line and a column are ones that a file may have."""
    return line is not None and column is not None and 0 < line < _MOST and 0 <= column < _MOST


def _is_javascript(raw: dict[str, Any]) -> bool:
    return raw.get("platform") in _PLATFORMS


def _file_of(frame: dict[str, Any]) -> str:
    return as_text(frame.get("abs_path")) or as_text(frame.get("filename"))


def read_debug_ids(raw: dict[str, Any]) -> dict[str, bytes]:
    """Return the debug ids of the files of an event."""
    found: dict[str, bytes] = {}
    images = as_list(as_dict(raw.get("debug_meta")).get("images"))
    for image in map(as_dict, images[:_MOST_IMAGES]):
        if image.get("type") in _IMAGES:
            debug_id = parse_debug_id(as_text(image.get("debug_id")))
            name = as_text(image.get("code_file"))
            if debug_id is not None and name:
                found[name] = debug_id
    return found


def is_resolved(frame: dict[str, Any]) -> bool:
    """Tell whether a frame has its original place."""
    return as_dict(frame.get("data")).get("symbolicated") is True


def copy_minified(frame: dict[str, Any]) -> dict[str, Any]:
    """Return what a frame says before it gets its original place."""
    return {name: frame[name] for name in _KEPT if name in frame}


def recall_minified(frame: dict[str, Any]) -> dict[str, Any]:
    """Return what a frame said before it got its original place."""
    return copy_minified(as_dict(as_dict(frame.get("data")).get("minified")))


def recall_way(frame: dict[str, Any]) -> str | None:
    """Return by what the map was found that a frame has its original place from."""
    return as_text(as_dict(frame.get("data")).get("found_by")) or None


def put_place(
    frame: dict[str, Any], place: OriginalPlace, *, map_url: str, found_by: str, caller_name: str
) -> None:
    """Give a frame its original place.

    Args:
        frame: Changed where it is.
        place: Where it was before.
        map_url: Of the map that says so.
        found_by: What led to the map: `debug_id` or `url`.
        caller_name: What the calling frame calls; better than nothing as a name.
    """
    minified = copy_minified(frame)
    for name in ("module", "context_line", "pre_context", "post_context"):
        frame.pop(name, None)
    frame["function"] = _name_function(place, as_text(minified.get("function")), caller_name)
    frame["filename"] = clean_source(place.source) if place.source else frame.get("filename")
    frame["abs_path"] = place.source or frame.get("abs_path")
    frame["lineno"], frame["colno"] = place.line, place.column
    frame["in_app"] = is_application_source(place.source)
    frame["data"] = {
        **as_dict(frame.get("data")),
        "symbolicated": True,
        "sourcemap": map_url,
        "found_by": found_by,
        "minified": minified,
    }
    if place.context_line is not None:
        frame["context_line"] = place.context_line
        frame["pre_context"] = list(place.pre_context)
        frame["post_context"] = list(place.post_context)


def _name_function(place: OriginalPlace, minified: str, caller_name: str) -> str:
    if place.function not in _NAMELESS:
        return place.function
    # The name by which the caller calls it is rarely another one.
    if caller_name not in _NAMELESS and minified not in _NAMELESS:
        return caller_name
    return "<anonymous>"
