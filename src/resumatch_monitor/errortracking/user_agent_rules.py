"""uap-core's rules, applied by RE2 alone; imported when the first `User-Agent` is read.

The library's own resolver finds the rule with RE2, and then has Python's engine read the text by
that rule. Here RE2 does this as well, in time proportional to the text; its module remembers some
compiled expressions, so that those of a thousand rules are not all kept.
"""

from operator import attrgetter
from typing import Any, cast

import re2
from ua_parser import load_lazy_builtins
from ua_parser.core import OS, Device, Domain, Matchers, PartialResult, UserAgent
from ua_parser.lazy import DeviceMatcher, OSMatcher, UserAgentMatcher
from ua_parser.re2 import Resolver as Re2Resolver
from ua_parser.utils import fa_simplifier

_re2 = cast("Any", re2)
_VERSIONED = attrgetter("regex", "family", "major", "minor", "patch", "patch_minor")
_DEVICE = attrgetter("regex", "regex_flag", "family", "brand", "model")


class _UserAgentMatcher(UserAgentMatcher):
    @property
    def pattern(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return _re2.compile(fa_simplifier(self.regex))


class _OSMatcher(OSMatcher):
    @property
    def pattern(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return _re2.compile(fa_simplifier(self.regex))


class _DeviceMatcher(DeviceMatcher):
    @property
    def pattern(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        flag = "(?i)" if self.regex_flag == "i" else ""
        return _re2.compile(flag + fa_simplifier(self.regex))


def load_matchers() -> Matchers:
    """Return the rules, in order."""
    browsers, systems, devices = load_lazy_builtins()
    return (
        [_UserAgentMatcher(*_VERSIONED(each)) for each in browsers],
        [_OSMatcher(*_VERSIONED(each)) for each in systems],
        [_DeviceMatcher(*_DEVICE(each)) for each in devices],
    )


class UserAgentRules:
    """Finds the first rule that fits a text, and what it says of it."""

    def __init__(self) -> None:
        self._resolver = Re2Resolver(load_matchers())

    def find_browser(self, text: str) -> UserAgent | None:
        """Return the browser that a text names."""
        found = self._ask(text, Domain.USER_AGENT)
        return found.user_agent if found is not None else None

    def find_system(self, text: str) -> OS | None:
        """Return the operating system that a text names."""
        found = self._ask(text, Domain.OS)
        return found.os if found is not None else None

    def find_device(self, text: str) -> Device | None:
        """Return the device that a text names."""
        found = self._ask(text, Domain.DEVICE)
        return found.device if found is not None else None

    def _ask(self, text: str, domain: Domain) -> PartialResult | None:
        try:
            return self._resolver(text, domain)
        except (TypeError, ValueError):
            # A rule can fit and find no name, which the library does not expect.
            return None
