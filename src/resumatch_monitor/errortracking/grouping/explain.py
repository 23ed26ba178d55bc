"""Why an event is where it is, for a page: what counted, what did not, which rule decided."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from resumatch_monitor.errortracking.grouping.grouping import Component, Decision
from resumatch_monitor.errortracking.grouping.project import ProjectGrouping
from resumatch_monitor.errortracking.grouping.registry import (
    CURRENT_VERSION,
    DECIDERS,
    GROUPERS,
)
from resumatch_monitor.errortracking.grouping.rules import MatchedRule
from resumatch_monitor.errortracking.model import Event, ExceptionInfo, Frame

_FRAMES_MAX = 100
_EXCEPTIONS_MAX = 20


@dataclass(frozen=True, slots=True)
class ExplainedFrame:
    """A frame, and why it counts or does not."""

    function: str
    module: str
    in_app: bool
    counts: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ExplainedException:
    """An exception of the chain; its frames begin with the innermost.

    Attributes:
        hidden_frames: How many further ones there are, which do not count.
    """

    type: str
    value: str
    counts: bool
    reason: str
    frames: Sequence[ExplainedFrame]
    hidden_frames: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What decided where an event belongs.

    Attributes:
        rule: The text of the fingerprint rule that matched; empty for none.
        fingerprint: What was set by the rule or the SDK; empty for the default.
        source: `rule`, `sdk` or `default`.
        ignored: What differs between events of the issue, in words.
    """

    version: int
    key: bytes
    reason: str
    source: str
    rule: str
    rule_line: int | None
    fingerprint: Sequence[str]
    components: Sequence[Component]
    exceptions: Sequence[ExplainedException]
    ignored: Sequence[str]


def explain(event: Event, how: ProjectGrouping, *, version: int | None = None) -> Explanation:
    """Explain where `event` belongs, by `version` or the project's."""
    number = how.version if version is None else version
    number = number if number in DECIDERS else CURRENT_VERSION
    matched: MatchedRule | None = how.rules.match(event)
    grouped = event if matched is None else replace(event, fingerprint=matched.fingerprint)
    decision = DECIDERS[number](grouped)
    return Explanation(
        version=number,
        key=GROUPERS[number](grouped).key,
        reason=decision.reason,
        source="rule" if matched else "sdk" if event.fingerprint else "default",
        rule=matched.rule.text if matched else "",
        rule_line=matched.rule.line if matched else None,
        fingerprint=grouped.fingerprint,
        components=decision.components,
        exceptions=[
            _explain_exception(each, position, decision)
            for position, each in reversed([*enumerate(event.exceptions)][-_EXCEPTIONS_MAX:])
        ],
        ignored=_ignored(event, decision),
    )


def _explain_exception(
    exception: ExceptionInfo, position: int, decision: Decision
) -> ExplainedException:
    counted = {frame for each, frame in decision.frames if each == position}
    innermost = [*enumerate(exception.frames)][::-1]
    shown = innermost[:_FRAMES_MAX]
    reason = _reason_of_exception(exception, position, decision)
    outermost = min(counted, default=len(exception.frames))
    return ExplainedException(
        type=exception.type,
        value=exception.value[:500],
        counts=not reason,
        reason=reason or "its type counts",
        frames=[
            _explain_frame(
                frame,
                counts=number in counted,
                other=reason or ("only the way there" if number < outermost else ""),
            )
            for number, frame in shown
        ],
        hidden_frames=len(innermost) - len(shown),
    )


def _reason_of_exception(exception: ExceptionInfo, position: int, decision: Decision) -> str:
    """Return why an exception does not count; empty if it does."""
    types = {
        component.values[0] for component in decision.components if component.kind == "exception"
    }
    if position in decision.passed:
        return "only passed another exception on, or was handled"
    if not types:
        return "a fingerprint was set"
    if exception.type in types or "stack overflow" in types:
        return ""
    return "does not count"


def _explain_frame(frame: Frame, *, counts: bool, other: str) -> ExplainedFrame:
    if counts:
        reason = "counts"
    elif not frame.in_app:
        reason = "not the application's own"
    else:
        reason = other or "repeated, or without a name"
    return ExplainedFrame(
        frame.function, frame.module or frame.filename, frame.in_app, counts, reason
    )


def _ignored(event: Event, decision: Decision) -> list[str]:
    kinds = {component.kind for component in decision.components}
    ignored: list[str] = []
    if event.exceptions:
        ignored += ["line numbers", "variables"]
        if "message" not in kinds and "value" not in kinds:
            ignored.append("what the exception says")
    if "message" in kinds:
        ignored.append("numbers, ids, names in quotes and addresses in the message")
    if "transaction" not in kinds:
        ignored.append("the transaction")
    return [*ignored, "release, environment, server and user"]
