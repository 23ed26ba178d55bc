"""Steps that change fields."""

from typing import Any

from resumatch_monitor.kit.regex import Regex
from resumatch_monitor.logs.pipeline.config import (
    RedactStep,
    RemoveStep,
    RenameStep,
    SetStep,
    SeverityStep,
    UserAgentStep,
)
from resumatch_monitor.logs.pipeline.draft import Draft, StepError
from resumatch_monitor.logs.pipeline.parsing import Apply, Surroundings
from resumatch_monitor.logs.record import parse_severity

_LONGEST_LEVEL = 200
_LONGEST_AGENT = 512
_MOST_REDACTED = 10_000
"""Places in a text; what comes after them is taken out as a whole, so that none takes seconds."""


def build_severity(step: SeverityStep, _surroundings: Surroundings) -> Apply:
    """Return what makes a severity of a field."""
    exact = {key.lower(): level for key, level in step.mapping.items() if not key.endswith("*")}
    beginnings = [
        (key[:-1].lower(), level) for key, level in step.mapping.items() if key.endswith("*")
    ]
    # The longest that fits is meant, `*` last.
    beginnings.sort(key=lambda pair: -len(pair[0]))

    def apply(draft: Draft) -> None:
        text = draft.read_text(step.field, _LONGEST_LEVEL)
        word = text.strip().lower()
        level = exact.get(word)
        if level is None:
            level = next((each for start, each in beginnings if word.startswith(start)), None)
        number = parse_severity(text if level is None else level)
        if not number:
            raise StepError(f"{step.field} is no level that is known")
        draft.write_severity(number, text if level is None else level)

    return apply


def build_rename(step: RenameStep, _surroundings: Surroundings) -> Apply:
    """Return what renames fields."""

    def apply(draft: Draft) -> None:
        for old, new in step.fields.items():
            value = draft.read(old)
            if value is not None:
                draft.write(new, value)
                draft.remove(old)

    return apply


def build_set(step: SetStep, _surroundings: Surroundings) -> Apply:
    """Return what sets fields."""

    def apply(draft: Draft) -> None:
        for name, value in step.fields.items():
            draft.write(name, value)

    return apply


def build_remove(step: RemoveStep, _surroundings: Surroundings) -> Apply:
    """Return what takes fields away."""

    def apply(draft: Draft) -> None:
        for name in step.fields:
            draft.remove(name)

    return apply


def build_redact(step: RedactStep, _surroundings: Surroundings) -> Apply:
    """Return what replaces what an expression finds."""
    regex = Regex(step.pattern)

    def redact(value: Any) -> Any:
        if isinstance(value, list):
            items: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
            return [redact(each) for each in items]
        if not isinstance(value, str) or not regex.searches(value):
            return value
        return regex.replace(value, lambda _match: step.replacement, most=_MOST_REDACTED)

    def apply(draft: Draft) -> None:
        for name in step.fields or draft.text_names():
            value = draft.read(name)
            if isinstance(value, str | list):
                redacted = redact(value)
                if redacted != value:
                    draft.write(name, redacted)

    return apply


def build_user_agent(step: UserAgentStep, surroundings: Surroundings) -> Apply:
    """Return what tells browser, system and device."""

    def apply(draft: Draft) -> None:
        text = draft.read_text(step.field, _LONGEST_AGENT)
        draft.write_attributes(surroundings.read_user_agent(text))

    return apply
