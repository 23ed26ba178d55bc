"""Secrets and personal data that are recognised by how they look, wherever they stand."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

FILTERED = "[Filtered]"

_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d])")
_CARD_SHAPE = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|6(?:011|4[4-9]\d|5\d\d)\d{12}|35\d{14}|3(?:0[0-5]|[68]\d)\d{11}"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_URL_PASSWORD = re.compile(r"(://[^\s/:@]{0,200}:)[^\s/@]{1,400}@")
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*")
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic|digest|negotiate)\s+[A-Za-z0-9+/=._~-]{6,}")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.S
)
_VENDOR_KEY = re.compile(
    r"\b(?:AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|xox[abeprs]-[A-Za-z0-9-]{10,}|[sr]k_(?:live|test)_[A-Za-z0-9]{10,}"
    r"|sk-[A-Za-z0-9_-]{20,}|AIza[A-Za-z0-9_-]{30,}|glpat-[A-Za-z0-9_-]{16,})"
)
_ASSIGNMENT = re.compile(
    r"(?i)((?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|private[_-]?key|session[_-]?id"
    r"|credentials?|authorization|cookie)\\?[\"']?\s{0,4}[=:]\s{0,4})"
    r"(?!\[Filtered)(\\?\"[^\"\\]{1,400}\\?\"|'[^']{1,400}'|[^\s\"',;&)}\]]{1,400})"
)
# SQLAlchemy and PostgreSQL put the values of a failed statement into their messages.
_SQL_PARAMETERS = re.compile(r"\[parameters: .*?\](?=\s*(?:\(Background|\Z|\n))", re.S)
_SQL_DETAIL = re.compile(r"(DETAIL:\s+[^\n]{0,200}?[=(]\()[^)\n]*\)")
_SQL_ROW = re.compile(r"(Failing row contains )\([^\n]*\)")

_DIGIT_SHAPE = str.maketrans({**dict.fromkeys("0123456789", "0"), " ": None, "-": None})
_SHORTEST_CARD = "0" * 13


Test = Callable[[str], bool]


class Hint(Protocol):
    """A cheap way of telling that a kind of value is certainly not there."""

    def narrow(self, text: str) -> Test | None:
        """Return a test for parts of `text`, all lower-case; None if none can pass."""
        ...


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Passes what contains one of some texts."""

    needles: tuple[str, ...]

    def narrow(self, text: str) -> Test | None:
        found = [needle for needle in self.needles if needle in text]
        if len(found) == 1:
            only = found[0]
            return lambda part: only in part
        return (lambda part: any(needle in part for needle in found)) if found else None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Passes what contains all of some texts."""

    needles: tuple[str, ...]

    def narrow(self, text: str) -> Test | None:
        needles = self.needles
        if not all(needle in text for needle in needles):
            return None
        return lambda part: all(needle in part for needle in needles)


class ManyDigits:
    """Passes what has a run of digits as long as a card's."""

    def narrow(self, text: str) -> Test | None:
        return may_hold_card if may_hold_card(text) else None


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of value that is filtered.

    Attributes:
        replace: Returns the text without it.
        holds_in_source: Whether lines of source code are searched for it too.
    """

    name: str
    hint: Hint
    replace: Callable[[str], str]
    holds_in_source: bool = True


def is_card_number(digits: str) -> bool:
    """Tell whether `digits` has the length and prefix of a card, and passes Luhn's check."""
    if _CARD_SHAPE.fullmatch(digits) is None:
        return False
    total = 0
    for index, character in enumerate(reversed(digits)):
        digit = int(character) * (1 + index % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


def may_hold_card(text: str) -> bool:
    """Tell whether `text` has a run of digits that is long enough."""
    return _SHORTEST_CARD in text.translate(_DIGIT_SHAPE)


def _replace_card(match: re.Match[str]) -> str:
    digits = match[0].replace(" ", "").replace("-", "")
    return "[card number]" if is_card_number(digits) else match[0]


def _substitute(pattern: re.Pattern[str], replacement: str) -> Callable[[str], str]:
    return lambda text: pattern.sub(replacement, text)


PATTERNS = (
    Pattern("private_key", AnyOf(("private key",)), _substitute(_PRIVATE_KEY, FILTERED)),
    Pattern("json_web_token", AnyOf(("eyj",)), _substitute(_JWT, FILTERED)),
    Pattern(
        "authorization",
        AnyOf(("bearer ", "basic ", "digest ", "negotiate ")),
        _substitute(_AUTHORIZATION, rf"\1 {FILTERED}"),
        holds_in_source=False,
    ),
    Pattern(
        "vendor_key",
        AnyOf(
            (
                *("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox"),
                *("k_live_", "k_test_", "sk-", "aiza", "glpat-"),
            )
        ),
        _substitute(_VENDOR_KEY, FILTERED),
    ),
    Pattern("url_password", AllOf(("://", "@")), _substitute(_URL_PASSWORD, rf"\1{FILTERED}@")),
    Pattern(
        "sql_values",
        AnyOf(("[parameters:", "detail:", "failing row")),
        lambda text: _SQL_ROW.sub(
            rf"\1({FILTERED})",
            _SQL_DETAIL.sub(
                rf"\1{FILTERED})", _SQL_PARAMETERS.sub(f"[parameters: {FILTERED}]", text)
            ),
        ),
        holds_in_source=False,
    ),
    Pattern(
        "assignment",
        # Stems rather than words: each one costs a pass over the event.
        AnyOf(
            ("passw", "passp", "pwd", "secret", "token", "key", "session", "cred", "auth", "cookie")
        ),
        _substitute(_ASSIGNMENT, rf"\1{FILTERED}"),
        holds_in_source=False,
    ),
    Pattern("email", AnyOf(("@",)), _substitute(_EMAIL, "[email]")),
    Pattern("card_number", ManyDigits(), lambda text: _CARD.sub(_replace_card, text)),
)
"""In the order in which they are applied."""
