"""Version 1: exception types and the application's own calls; messages only where there are none.

Nothing in here may change what it answers: a better idea is a version 2 beside it.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence

from resumatch_monitor.errortracking.grouping.grouping import Component as Told
from resumatch_monitor.errortracking.grouping.grouping import Decision, Grouping
from resumatch_monitor.errortracking.grouping.templates import (
    template_of,
    template_without_quotes,
)
from resumatch_monitor.errortracking.model import Event, ExceptionInfo, Frame

VERSION = 1

_FRAMES_SHOWN = 4
_DEFAULT = re.compile(r"\{\{\s*default\s*\}\}")
_BUILD_HASH = re.compile(r"[.-][0-9a-zA-Z_]{6,}(?=\.[a-z]+$)|(?<=-)[0-9a-f]{6,}(?=[./-])")
_ANONYMOUS = frozenset({"", "?", "<anonymous>", "anonymous", "<unknown>", "<lambda>"})
_WRAPPERS = re.compile(r"^(?:async |new |Object\.|Module\.|exports\.|global\.)+")
_COMPILED = re.compile(r"\.?(?:<locals>|\[as [^\]]*\])|\$\d+|\$[a-z0-9]{6,}$")

Component = tuple[str, ...]


def group(event: Event) -> Grouping:
    """Return where `event` belongs."""
    components, reason = _default_components(event)
    if event.fingerprint:
        components, reason = _apply_fingerprint(event.fingerprint, components, reason)
    digest = hashlib.blake2b(digest_size=16, person=b"grouping-v1")
    for component in components:
        for part in component:
            digest.update(part.encode("utf-8", "replace"))
            digest.update(b"\x00")
        digest.update(b"\x01")
    return Grouping(VERSION, digest.digest(), reason)


def decide(event: Event) -> Decision:
    """Return what counts for `event`, for an explanation."""
    components, reason = _default_components(event)
    uses_default = not event.fingerprint
    if event.fingerprint:
        uses_default = any(_DEFAULT.fullmatch(part.strip()) for part in event.fingerprint)
        components, reason = _apply_fingerprint(event.fingerprint, components, reason)
    frames = {
        (position, number)
        for position, each in enumerate(event.exceptions)
        for number, frame in enumerate(each.frames)
        if uses_default and (frame.in_app or not any(other.in_app for other in each.frames))
    }
    return Decision(
        tuple(
            Told("call" if kind == "frame" else kind, tuple(values)) for kind, *values in components
        ),
        reason,
        frozenset(frames),
    )


def _apply_fingerprint(
    fingerprint: Sequence[str], default: list[Component], reason: str
) -> tuple[list[Component], str]:
    components: list[Component] = []
    uses_default = False
    for part in fingerprint:
        if _DEFAULT.fullmatch(part.strip()):
            components += default
            uses_default = True
        else:
            components.append(("fingerprint", part))
    shown = ", ".join(part for part in fingerprint)
    text = f"The SDK set the fingerprint: {shown}."
    return components, f"{text} Its default part: {reason}" if uses_default else text


def _default_components(event: Event) -> tuple[list[Component], str]:
    chain = [each for each in event.exceptions if each.type or each.value or each.frames]
    if chain and any(each.type or each.frames for each in chain):
        return _from_exceptions(chain, event)
    message = event.message_template or event.message
    if message or not event.exceptions:
        return _from_message(event, message)
    return _from_exceptions(list(event.exceptions), event)


def _from_exceptions(chain: Sequence[ExceptionInfo], event: Event) -> tuple[list[Component], str]:
    components: list[Component] = []
    reasons: list[str] = []
    for each in chain:
        frames, kind = _frames_that_count(each.frames)
        calls = _without_repetition(_describe_frame(frame) for frame in frames)
        calls = [call for call in calls if any(call[1:])]
        components.append(("exception", each.type or event.message_template))
        components += calls
        reasons.append(_explain(each, calls, kind))
        if not calls:
            # Nothing tells where it happened, so what it says must.
            template = template_without_quotes(each.value)
            components.append(("value", template))
    reasons.reverse()
    return components, (
        "Same exceptions raised through the same calls: "
        + "; caused by ".join(reasons)
        + ". Line numbers, variables and values do not matter."
    )


def _from_message(event: Event, message: str) -> tuple[list[Component], str]:
    template = message if event.message_template else template_of(message)
    if event.message_template:
        template = template_of(event.message_template)
    if template:
        reason = f"Same message apart from numbers, ids and addresses: “{template}”"
        where = f" of the logger {event.logger}" if event.logger else ""
        return [("message", template), ("logger", event.logger)], f"{reason}{where}."
    return (
        [("transaction", event.transaction), ("platform", event.platform)],
        "Events without exception and message, of the same transaction"
        f" “{event.transaction or 'none'}”.",
    )


def _frames_that_count(frames: Sequence[Frame]) -> tuple[list[Frame], str]:
    own = [frame for frame in frames if frame.in_app]
    return (own, "") if own else (list(frames), " (no frame of the application's own)")


def _describe_frame(frame: Frame) -> Component:
    module = frame.module or _BUILD_HASH.sub("", _path_of(frame))
    function = _COMPILED.sub("", _WRAPPERS.sub("", frame.function)).strip(".")
    if function in _ANONYMOUS:
        return ("frame", module, " ".join((frame.context_line or "").split()))
    return ("frame", module, function)


def _path_of(frame: Frame) -> str:
    path = (frame.filename or frame.abs_path).partition("?")[0]
    scheme, separator, rest = path.partition("://")
    if separator:
        # The host differs between environments, the path does not.
        path = rest.partition("/")[2] if scheme.startswith("http") else rest
    return path.lstrip("./")


def _without_repetition(calls: Iterable[Component]) -> list[Component]:
    """Collapse direct and mutual recursion, whose depth is chance."""
    kept: list[Component] = []
    for call in calls:
        if kept and kept[-1] == call:
            continue
        if len(kept) >= 3 and kept[-1] == kept[-3] and kept[-2] == call:
            kept.pop()
            continue
        kept.append(call)
    return kept


def _explain(each: ExceptionInfo, calls: Sequence[Component], kind: str) -> str:
    name = each.type or "an error without a type"
    if not calls:
        return f"{name} without a stack trace, with the same message apart from its values"
    names = [
        f"{function or 'code'} ({module})" if module else function
        for _, module, function in reversed(calls)
    ]
    shown = ", called by ".join(names[:_FRAMES_SHOWN])
    more = f" and {len(names) - _FRAMES_SHOWN} more" if len(names) > _FRAMES_SHOWN else ""
    return f"{name} in {shown}{more}{kind}"
