"""Whose a connection is: the first message tells by a token anywhere in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resumatch_monitor.logs.syslog.config import SyslogConfig, SyslogTokenConfig

_SHOWN = b"***"


@dataclass(frozen=True, slots=True)
class Owner:
    """What is known of a connection's records.

    Attributes:
        is_known: It has shown a token.
        project_id: 0 for nobody's.
    """

    is_known: bool = False
    project_id: int = 0
    service: str = ""
    environment: str = ""


class UnknownSenderError(Exception):
    """The message holds no token, and the connection needs one."""


class Owners:
    """All tokens of the configuration.

    Attributes:
        is_token_needed: Whether a connection must show one.
    """

    def __init__(self, config: SyslogConfig, find_project: Callable[[str], int | None]) -> None:
        """Read the configuration.

        Args:
            config: The tokens, and whether one is needed.
            find_project: Returns the number of the project with a slug; None if there is none.
        """
        # A longer one may hold a shorter one.
        self._tokens: Sequence[tuple[bytes, SyslogTokenConfig]] = sorted(
            ((each.token.get_secret_value().encode(), each) for each in config.tokens),
            key=lambda each: -len(each[0]),
        )
        self._find_project = find_project
        self.is_token_needed = config.needs_token
        self._nobody = Owner(environment=config.environment)

    def find(self, messages: Sequence[bytes], known: Owner | None) -> Owner:
        """Return the owner of a connection.

        Args:
            messages: Those that came just now, at least one.
            known: Its owner so far; None if these are the first.

        Raises:
            UnknownSenderError: If the first message holds no token, and one is needed.
        """
        if known is not None and (known.is_known or not self._tokens):
            return known
        for message in messages:
            found = self._look_into(message)
            if found is not None:
                return found
            if self.is_token_needed:
                raise UnknownSenderError
        return self._nobody

    def _look_into(self, message: bytes) -> Owner | None:
        for token, each in self._tokens:
            if token in message:
                return Owner(
                    is_known=True,
                    project_id=(self._find_project(each.project) if each.project else None) or 0,
                    service=each.service or each.project,
                    environment=each.environment or self._nobody.environment,
                )
        return None

    def conceal(self, message: bytes) -> bytes:
        """Return a message without the secrets that it may hold, whosever they are."""
        for token, _ in self._tokens:
            message = message.replace(token, _SHOWN)
        return message
