"""Which calls say where a bug is, and what they are called in every build and on every host."""

import re

from resumatch_monitor.errortracking.grouping.v2.words import (
    clean_function,
    is_generic,
    is_mangled,
)
from resumatch_monitor.errortracking.model import ExceptionInfo, Frame

Call = tuple[str, str]
"""A module and a function; the function is a line of source if it has no name."""

_PLACES_MAX = 3
_MINIFIED_COLUMN = 200
_SCRIPT_PLATFORMS = frozenset({"javascript", "node"})
_LIBRARY = re.compile(
    r"(?:^|/)(?:node_modules|site-packages|dist-packages)/|^node:|(?:chrome|moz|safari(?:-web)?)"
    r"-extension://|webpack/(?:bootstrap|runtime)|<frozen"
    r"|/(?:framework|vendors?|polyfills?|webpack|runtime)[-.~][^/]*\.js$"
)
_BUILD_HASH = re.compile(r"[.-][0-9a-zA-Z_]{6,}(?=\.[a-z]+$)|(?<=-)[0-9a-f]{6,}(?=[./-])")
_ROOTS = re.compile(
    r"^.*/(?:src|dist|build|lib/app|releases/[^/]+|current|workspace|\.next/server)/"
)
_EXTENSION = re.compile(r"\.(?:[cm]?[jt]sx?|vue|svelte|py|rb|php|src)$")


def is_script(platform: str) -> bool:
    """Tell whether the platform's frames are JavaScript's."""
    return platform in _SCRIPT_PLATFORMS


def is_own(frame: Frame) -> bool:
    """Tell whether a frame is the application's, also where the SDK holds all for its own."""
    return frame.in_app and not _LIBRARY.search(frame.filename or frame.abs_path)


def is_minified(frame: Frame) -> bool:
    """Tell whether a frame lies in a bundle without a source map."""
    return (
        frame.line is not None
        and frame.line < 20
        and (frame.column or 0) >= _MINIFIED_COLUMN
        and frame.filename.partition("?")[0].endswith(("js", "/"))
    )


def find_place(
    exception: ExceptionInfo, *, script: bool, seen: list[Call]
) -> tuple[list[int], bool]:
    """Add to `seen` the calls that say where an exception was raised, the innermost first.

    Returns:
        The positions of their frames, and whether they are specific enough to stand for a bug: a
        helper that many functions call is not.
    """
    positions: list[int] = []
    frames = exception.frames
    for position in range(len(frames) - 1, -1, -1):
        frame = frames[position]
        if not is_own(frame):
            continue
        call = name_call(frame, script=script)
        if call is None or call in seen:
            continue
        seen.append(call)
        positions.append(position)
        if _is_specific(call, frame):
            return positions, True
        if len(seen) >= _PLACES_MAX:
            return positions, False
    return positions, False


def name_call(frame: Frame, *, script: bool) -> Call | None:
    """Return what a call is known by in every build; None if nothing is."""
    function = clean_function(frame.function, is_script=script)
    if script and is_minified(frame):
        if is_mangled(function):
            return None
        return (page_of(frame), function)
    if function:
        return (module_of(frame), function)
    source = "".join((frame.context_line or "").split())[:200]
    return (module_of(frame), source) if source else None


def _is_specific(call: Call, frame: Frame) -> bool:
    module, function = call
    if function == "<module>":
        return bool(module)
    if not frame.function or "".join((frame.context_line or "").split())[:200] == function:
        return bool(function)
    return not is_generic(function)


def page_of(frame: Frame) -> str:
    """Return the file of a bundle that holds a page; empty for one that a number names."""
    path = _BUILD_HASH.sub("", _path_of(frame))
    name = _EXTENSION.sub("", path.rpartition("/")[2])
    return "" if not name or name.isdigit() or len(name) < 3 else path


def module_of(frame: Frame) -> str:
    """Return where a function is defined, without host, build and the folder it is installed in."""
    if frame.module:
        return frame.module
    path = _BUILD_HASH.sub("", _path_of(frame))
    return _EXTENSION.sub("", path)


def _path_of(frame: Frame) -> str:
    path = (frame.filename or frame.abs_path).partition("?")[0].replace("\\", "/")
    scheme, separator, rest = path.partition("://")
    if separator:
        # The host differs between environments, and the name of a bundle between its versions.
        path = rest.partition("/")[2] if scheme != "file" else rest
        path = re.sub(r"^(?:\([^)]*\)/)?(?:\./)*", "", path.lstrip("/"))
        return path.removeprefix("src/")
    rooted = _ROOTS.sub("", path)
    if rooted != path or not path.startswith(("/", "C:", "D:")):
        return rooted.lstrip("./").removeprefix("src/")
    return "/".join(path.split("/")[-2:])
