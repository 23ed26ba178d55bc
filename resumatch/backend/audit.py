"""Who did what: the records that somebody asks for when an account was misused.

They name people by their ids, and things by theirs: never by an address, a file's name or a text.
"""

from enum import StrEnum
from uuid import UUID

from structlog.stdlib import get_logger

from resumatch.backend import ecs

LOGGER = "resumatch.audit"

_logger = get_logger(LOGGER)


class Action(StrEnum):
    """What is recorded."""

    REGISTRATION = "user-registration"
    LOGIN = "user-login"
    LOGOUT = "user-logout"
    UPLOAD = "resume-upload"
    ANALYSIS = "job-analysis"
    RESUME_DELETION = "resume-deletion"
    USER_DELETION = "user-deletion"


def record_success(action: Action, *, user_id: UUID, **details: str | float | None) -> None:
    """Record that `user_id` did it, or that it was done to them."""
    _logger.info(
        "%s success",
        action.value,
        dataset=ecs.AUDIT,
        action=action.value,
        outcome="success",
        user_id=str(user_id),
        **details,
    )


def record_failure(action: Action, *, reason: str, user_id: UUID | None = None) -> None:
    """Record that it was refused or broke.

    Args:
        action: What was tried.
        reason: A word or two out of the code, nothing that somebody sent.
        user_id: Whose account it was about, if there is one.
    """
    known = {} if user_id is None else {"user_id": str(user_id)}
    _logger.warning(
        "%s failure",
        action.value,
        dataset=ecs.AUDIT,
        action=action.value,
        outcome="failure",
        reason=reason,
        **known,
    )
