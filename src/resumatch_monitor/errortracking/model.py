"""An error event as the rest of the monitor sees it, whatever platform sent it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Frame:
    """One call of a stack trace."""

    function: str
    module: str
    filename: str
    abs_path: str
    line: int | None
    column: int | None
    in_app: bool
    context_line: str | None
    pre_context: tuple[str, ...]
    post_context: tuple[str, ...]
    vars: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ExceptionInfo:
    """One exception of a chain.

    Attributes:
        handled: None if the SDK did not say.
        frames: As Sentry orders them: the oldest call first, where it was raised last.
    """

    type: str
    value: str
    module: str
    handled: bool | None
    mechanism: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """A normalised event.

    Attributes:
        exceptions: As Sentry orders them: the root cause first, what was raised last at the end.
        message_template: The message before its parameters were put in, if the SDK sent it.
        fingerprint: What the SDK wants it grouped by; empty for the default.
    """

    platform: str
    level: str
    logger: str
    message: str
    message_template: str
    transaction: str
    release: str
    environment: str
    server_name: str
    sdk_name: str
    sdk_version: str
    exceptions: tuple[ExceptionInfo, ...]
    tags: tuple[tuple[str, str], ...]
    fingerprint: tuple[str, ...]
    user: dict[str, Any]
    raw: dict[str, Any] = field(repr=False)

    @property
    def is_synthetic(self) -> bool:
        """Whether a probe of the monitor's own caused it."""
        return any(key == "synthetic" and value in ("true", "1") for key, value in self.tags)

    @property
    def is_handled(self) -> bool | None:
        """Whether the application caught it; None if no exception says."""
        answers = [each.handled for each in self.exceptions if each.handled is not None]
        return all(answers) if answers else None
