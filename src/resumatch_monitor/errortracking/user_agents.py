"""What the text by which a browser names itself says: which browser, on what, of which version.

The rules are uap-core's, which Sentry's own server uses. Python's regular expressions could be
held up by a hostile text, so RE2 both finds the rule and reads the text by it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ua_parser.core import OS, Device, UserAgent

    from resumatch_monitor.errortracking.user_agent_rules import UserAgentRules

TEXT_MAX = 512
"""How much of a text is read; what browsers send has a hundred or two."""

_REMEMBERED = 1_024
_PART_MAX = 100
# Browsers have stopped telling later versions of these.
_FROZEN_VERSIONS = frozenset({("Windows", "10"), ("Mac OS X", "10.15.7")})


@dataclass(frozen=True, slots=True)
class Named:
    """A browser or an operating system; the version is empty if it is not known."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()


@dataclass(frozen=True, slots=True)
class NamedDevice:
    """A device; brand and model are empty if they are not known."""

    family: str
    brand: str
    model: str


@dataclass(frozen=True, slots=True)
class Client:
    """With what somebody used an application; None of what is not known."""

    browser: Named | None = None
    os: Named | None = None
    device: NamedDevice | None = None


class UserAgents:
    """Reads `User-Agent` texts; used by one thread at a time.

    The rules take some megabytes and are loaded when the first text comes.
    """

    def __init__(self) -> None:
        self._rules: UserAgentRules | None = None
        # A few browsers send most of what comes.
        self._read = lru_cache(_REMEMBERED)(self._resolve)

    def read(self, text: str) -> Client:
        """Return what a text says; of one that is not known, nothing."""
        # Half of a surrogate pair, which JSON can hold, is nothing that RE2 takes.
        text = text[:TEXT_MAX].encode(errors="replace").decode()
        return self._read(text) if text and not text.isspace() else Client()

    def _resolve(self, text: str) -> Client:
        if self._rules is None:
            from resumatch_monitor.errortracking.user_agent_rules import (  # noqa: PLC0415
                UserAgentRules,
            )

            self._rules = UserAgentRules()
        return Client(
            browser=_name(self._rules.find_browser(text)),
            os=_name_system(self._rules.find_system(text)),
            device=_name_device(self._rules.find_device(text)),
        )


def _name(found: "UserAgent | OS | None") -> Named | None:
    if found is None or found.family in ("", "Other"):
        return None
    parts: list[str] = []
    for part in (found.major, found.minor, found.patch):
        if not part:
            break
        parts.append(part)
    return Named(_cut(found.family), _cut(".".join(parts)))


def _name_system(found: "OS | None") -> Named | None:
    named = _name(found)
    if named is not None and (named.name, named.version) in _FROZEN_VERSIONS:
        return Named(named.name, f">={named.version}")
    return named


def _name_device(found: "Device | None") -> NamedDevice | None:
    if found is None or found.family in ("", "Other"):
        return None
    return NamedDevice(_cut(found.family), _cut(found.brand or ""), _cut(found.model or ""))


def _cut(text: str) -> str:
    return text[:_PART_MAX]
