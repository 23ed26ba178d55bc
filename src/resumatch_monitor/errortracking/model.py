"""An error event as the rest of the monitor sees it, whatever platform sent it."""

from dataclasses import dataclass, field
from typing import Any

from resumatch_monitor.sentry.values import as_dict, as_list, as_text


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
    raw: dict[str, Any] = field(repr=False)

    @property
    def pre_context(self) -> list[str]:
        """The lines before it."""
        return [as_text(line) for line in as_list(self.raw.get("pre_context"))]

    @property
    def post_context(self) -> list[str]:
        """The lines after it."""
        return [as_text(line) for line in as_list(self.raw.get("post_context"))]

    @property
    def vars(self) -> dict[str, Any]:
        """The local variables, as the SDK rendered them."""
        return as_dict(self.raw.get("vars"))


@dataclass(frozen=True, slots=True)
class ExceptionInfo:
    """One exception of a chain.

    Attributes:
        handled: None if the SDK did not say.
        frames: As Sentry orders them: the oldest call first, where it was raised last.
        exception_id: Within the event; None if the SDK numbers none.
        parent_id: The exception that this one is the cause or a member of.
        source: How the two hang together: `__cause__`, `__context__`, `exceptions[0]`.
        is_group: Whether it only holds others.
    """

    type: str
    value: str
    module: str
    handled: bool | None
    mechanism: str
    frames: tuple[Frame, ...]
    exception_id: int | None = None
    parent_id: int | None = None
    source: str = ""
    is_group: bool = False


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
