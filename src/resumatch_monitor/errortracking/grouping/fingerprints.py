"""Fingerprints that an SDK or a rule sets, and the variables in them."""

import re
from collections.abc import Callable, Mapping, Sequence

from resumatch_monitor.errortracking.grouping.grouping import Component
from resumatch_monitor.errortracking.model import Event, ExceptionInfo, Frame

VARIABLE = re.compile(r"\{\{\s*([\w.:-]{1,80})\s*\}\}")
DEFAULT = "default"
_UNKNOWN = "<none>"


def resolve(
    fingerprint: Sequence[str], event: Event, default: Sequence[Component]
) -> tuple[tuple[Component, ...], bool]:
    """Return what a fingerprint counts, and whether the default is a part of it."""
    components: list[Component] = []
    uses_default = False
    for part in fingerprint:
        match = VARIABLE.fullmatch(part.strip())
        if match and match[1] == DEFAULT:
            components += default
            uses_default = True
        else:
            components.append(Component("fingerprint", (expand(part, event),)))
    return tuple(components), uses_default


def expand(text: str, event: Event) -> str:
    """Return `text` with its variables replaced; the default and unknown ones stay."""
    if "{{" not in text:
        return text
    return VARIABLE.sub(lambda match: _replace(match, event), text)


def is_variable(name: str) -> bool:
    """Tell whether a variable is known."""
    return name == DEFAULT or name in _VARIABLES or name.startswith("tags.")


def _replace(match: re.Match[str], event: Event) -> str:
    name = match[1]
    if name.startswith("tags."):
        return dict(event.tags).get(name[5:], _UNKNOWN)
    read = _VARIABLES.get(name)
    return match[0] if read is None else read(event) or _UNKNOWN


def crashing_frame(event: Event) -> Frame | None:
    """Return the application's innermost call, of the exception raised last that has one."""
    for exception in reversed(event.exceptions):
        own = _innermost(exception)
        if own is not None:
            return own
    return None


def _innermost(exception: ExceptionInfo) -> Frame | None:
    frames = exception.frames
    own = next((frame for frame in reversed(frames) if frame.in_app), None)
    return own or (frames[-1] if frames else None)


def _of_frame(read: Callable[[Frame], str]) -> Callable[[Event], str]:
    def find(event: Event) -> str:
        frame = crashing_frame(event)
        return "" if frame is None else read(frame)

    return find


def _read_type(event: Event) -> str:
    return event.exceptions[-1].type if event.exceptions else ""


def _read_value(event: Event) -> str:
    return event.exceptions[-1].value if event.exceptions else ""


def _read_package(frame: Frame) -> str:
    package = frame.raw.get("package")
    return package if isinstance(package, str) else ""


_NAMES: tuple[tuple[tuple[str, ...], Callable[[Event], str]], ...] = (
    (("error.type", "type"), _read_type),
    (("error.value", "value"), _read_value),
    (("message",), lambda event: event.message or _read_value(event)),
    (("transaction",), lambda event: event.transaction),
    (("logger",), lambda event: event.logger),
    (("level",), lambda event: event.level),
    (("release",), lambda event: event.release),
    (("environment",), lambda event: event.environment),
    (("stack.function", "function"), _of_frame(lambda frame: frame.function)),
    (("stack.module", "module"), _of_frame(lambda frame: frame.module)),
    (("stack.abs_path", "path"), _of_frame(lambda frame: frame.abs_path or frame.filename)),
    (("stack.filename",), _of_frame(lambda frame: frame.filename)),
    (("stack.package", "package"), _of_frame(_read_package)),
)
_VARIABLES: Mapping[str, Callable[[Event], str]] = {
    name: read for names, read in _NAMES for name in names
}
