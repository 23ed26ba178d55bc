"""Version 2 of grouping."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from resumatch_monitor.errortracking.grouping.fingerprints import resolve
from resumatch_monitor.errortracking.grouping.grouping import (
    Component,
    Decision,
    Grouping,
    hash_components,
)
from resumatch_monitor.errortracking.grouping.v2.chain import Story, find_stories
from resumatch_monitor.errortracking.grouping.v2.engines import one_wording
from resumatch_monitor.errortracking.grouping.v2.frames import (
    Call,
    find_place,
    is_minified,
    is_own,
    is_script,
    name_call,
    page_of,
)
from resumatch_monitor.errortracking.grouping.v2.messages import headline_of, template_of
from resumatch_monitor.errortracking.grouping.v2.policies import decide_policy
from resumatch_monitor.errortracking.grouping.v2.words import is_mangled
from resumatch_monitor.errortracking.model import Event, ExceptionInfo, Frame

VERSION = 2

_OVERFLOWS = frozenset(
    {"RecursionError", "StackOverflowError", "java.lang.StackOverflowError", "SystemStackError"}
)
_CYCLE_MAX = 6
_CYCLE_FRAMES = 120


def group(event: Event) -> Grouping:
    """Return where `event` belongs."""
    decision = decide(event)
    key = hash_components(decision.components, version=VERSION)
    return Grouping(VERSION, key, decision.reason, decision)


def decide(event: Event) -> Decision:
    """Return what counts for `event`."""
    default = _decide_default(event)
    if not event.fingerprint:
        return default
    components, uses_default = resolve(event.fingerprint, event, default.components)
    shown = ", ".join(part for part in event.fingerprint)
    reason = f"The fingerprint was set to: {shown}."
    if not uses_default:
        return Decision(components, reason)
    reason = f"{reason} Its default part: {default.reason}"
    return Decision(components, reason, default.frames, default.passed)


def _decide_default(event: Event) -> Decision:
    policy = decide_policy(event)
    if policy is not None:
        return policy
    if any(each.type or each.frames for each in event.exceptions):
        return _decide_by_exceptions(event)
    message = event.message or next((each.value for each in event.exceptions if each.value), "")
    template = template_of(event.message_template or message)
    if template:
        where = f" of the logger {event.logger}" if event.logger else ""
        return Decision(
            (Component("message", (template,)), Component("logger", (event.logger,))),
            f"Same message apart from numbers, ids, names and addresses: “{template}”{where}.",
        )
    return Decision(
        (Component("transaction", (event.transaction,)), Component("platform", (event.platform,))),
        "Events without exception and message, of the same transaction"
        f" “{event.transaction or 'none'}”.",
    )


@dataclass(slots=True)
class _Told:
    """One story: which exception stands for it, and where it was raised."""

    components: list[Component]
    reason: str
    frames: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    passed: list[int] = field(default_factory=list[int])


def _decide_by_exceptions(event: Event) -> Decision:
    told: dict[tuple[Component, ...], _Told] = {}
    is_python = event.platform == "python"
    for story in find_stories(event.exceptions, is_python=is_python):
        one = _tell(event, story)
        told.setdefault(tuple(one.components), one)
    # Which member of a group failed first is chance.
    ordered = [told[components] for components in sorted(told, key=repr)]
    counted = {position for one in ordered for position, _ in one.frames}
    return Decision(
        components=tuple(component for one in ordered for component in one.components),
        reason=" And: ".join(one.reason for one in ordered)
        + " Line numbers, variables, and the way there do not matter.",
        frames=frozenset(place for one in ordered for place in one.frames),
        passed=frozenset(each for one in ordered for each in one.passed) - counted,
    )


def _tell(event: Event, story: Story) -> _Told:
    script = is_script(event.platform)
    exceptions = event.exceptions
    # Libraries wrap what they raise, differently in each version: what counts is the exception
    # as it reached the application.
    start = next(
        (n for n, each in enumerate(story) if any(map(is_own, exceptions[each].frames))), None
    )
    if start is None:
        return _tell_of_library(event, story, script=script)
    bearer = exceptions[story[start]]
    if _is_overflow(bearer):
        told = _tell_of_cycle(bearer, story, start, script=script)
        if told is not None:
            return told
    seen: list[Call] = []
    frames: list[tuple[int, int]] = []
    is_specific = False
    for each in story[start:]:
        positions, is_specific = find_place(exceptions[each], script=script, seen=seen)
        frames += ((each, position) for position in positions)
        if is_specific or len(seen) >= 3:
            break
    innermost = next(frame for frame in reversed(bearer.frames) if is_own(frame))
    minified = script and is_minified(innermost)
    is_known = is_specific and (not minified or name_call(innermost, script=True) == seen[0])
    told = _Told(
        [_type_component(bearer, minified=minified)],
        _explain(bearer, seen),
        frames,
        [each for each in story if each != story[start]],
    )
    told.components += (Component("call", call) for call in seen)
    if minified and not seen:
        told.components.append(Component("page", (page_of(innermost),)))
    if not is_known:
        # A name that only an outer call kept does not tell which of its calls failed.
        _add_message(told, bearer, script=script, read=headline_of if minified else template_of)
    return told


def _type_component(exception: ExceptionInfo, *, minified: bool) -> Component:
    name = "" if minified and is_mangled(exception.type) else exception.type
    return Component("exception", (name,))


def _add_message(
    told: _Told,
    exception: ExceptionInfo,
    *,
    script: bool,
    read: Callable[[str], str] = template_of,
) -> None:
    """Let the message tell apart what the place does not."""
    said = (one_wording(exception.value) if script else "") or read(exception.value)
    if said:
        told.components.append(Component("message", (said,)))
        told.reason += f" and the same message apart from its values: “{said}”"


def _is_overflow(exception: ExceptionInfo) -> bool:
    return exception.type in _OVERFLOWS or (
        exception.type in ("RangeError", "InternalError")
        and one_wording(exception.value) == "recursion"
    )


def _tell_of_cycle(
    exception: ExceptionInfo, story: Story, start: int, *, script: bool
) -> _Told | None:
    """The calls that repeat are the bug; which of them was the innermost is chance."""
    frames = exception.frames
    first = max(0, len(frames) - _CYCLE_FRAMES)
    own = [
        (position, name_call(frames[position], script=script))
        for position in range(first, len(frames))
        if is_own(frames[position])
    ]
    counts = Counter(call for _, call in own if call is not None)
    cycle = sorted(call for call, count in counts.items() if count > 1)[:_CYCLE_MAX]
    if not cycle:
        return None
    told = _Told(
        [Component("exception", ("stack overflow",))],
        _explain(exception, cycle),
        [(story[start], position) for position, call in own if call in cycle],
        [each for each in story if each != story[start]],
    )
    told.components += (Component("call", call) for call in cycle)
    return told


def _tell_of_library(event: Event, story: Story, *, script: bool) -> _Told:
    """No call of the application's own: what it says must tell, and which library says it."""
    root = event.exceptions[story[0]]
    told = _Told(
        [Component("exception", (root.type or event.message_template,))],
        _explain(root, ()),
        passed=story[1:],
    )
    if root.frames:
        package = _package_of(root.frames[-1])
        told.components.append(Component("library", (package,)))
        told.reason += f" in {package or 'a library'}, without a call of the application's own"
    _add_message(told, root, script=script)
    return told


def _package_of(frame: Frame) -> str:
    if frame.module:
        return frame.module.partition(".")[0].partition(":")[0]
    path = (frame.filename or frame.abs_path).replace("\\", "/")
    _, found, rest = path.rpartition("node_modules/")
    return "/".join(rest.split("/")[: 2 if rest.startswith("@") else 1]) if found else ""


def _explain(exception: ExceptionInfo, calls: Sequence[Call]) -> str:
    name = exception.type or "An error without a type"
    names = [f"{function} ({module})" if module else function for module, function in calls]
    return f"{name} raised in {', called by '.join(names)}" if names else name
