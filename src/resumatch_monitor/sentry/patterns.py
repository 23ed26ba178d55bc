"""Secrets and personal data that are recognised by how they look, wherever they stand."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from resumatch_monitor.kit.regex import RegexSet

FILTERED = "[Filtered]"
CARD_NUMBER = "card_number"

_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d])")
_LONG_NUMBER = re.compile(r"[0-9](?:[ -]*[0-9]){12}")
_CARD_SHAPE = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})"
    r"|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|6(?:011|4[4-9]\d|5\d\d)\d{12}|35\d{14}|3(?:0[0-5]|[68]\d)\d{11}"
)
_EMAIL = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}\b")
_URL_PASSWORD = re.compile(r"(://[^\s/:@]{0,200}:)[^\s/@]{1,400}@")
# Without the rest, all of the first part is passed over: no later start in it has the rest.
_JWT = re.compile(r"eyJ[A-Za-z0-9_-]{5,}+(\.[A-Za-z0-9_-]{5,}+\.[A-Za-z0-9_-]*)?")
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
_SQL_PARAMETERS = "[parameters: "
_SQL_PARAMETERS_END = re.compile(r"\](?=\s*(?:\(Background|\Z|\n))")
_SQL_DETAIL = re.compile(r"DETAIL:\s++[^\n]{0,200}?[=(]\(")
_SQL_ROW = re.compile(r"(Failing row contains )\([^\n]*\)")

_IBAN_COUNTRY = (
    r"\b(?:ad|ae|al|at|az|ba|be|bg|bh|br|ch|cr|cy|cz|de|dk|do|ee|es|fi|fo|fr|gb|ge|gi|gl|gr|gt|hr|hu"
    r"|ie|il|is|it|jo|kw|kz|lb|li|lt|lu|lv|mc|md|me|mk|mr|mt|mu|nl|no|pk|pl|ps|pt|qa|ro|rs|sa|se|si"
    r"|sk|sm|tn|tr|ua|xk)"
)
_IBAN = re.compile(
    rf"{_IBAN_COUNTRY}\d{{2}}(?: ?[a-z0-9]{{4}}){{2,7}}(?: ?[a-z0-9]{{1,3}})?\b", re.IGNORECASE
)
_SOCIAL_SECURITY = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")


Test = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of value that is filtered.

    Attributes:
        signature: Found, whatever the case, in the JSON of everything in which `replace` would
            find something; an expression of RE2. JSON escapes quotes, backslashes and control
            characters.
        may_occur: Tells cheaply that a lower-case text certainly needs no `replace`.
        replace: Returns the text without it.
        holds_in_source: Whether lines of source code are searched for it too.
    """

    name: str
    signature: str
    may_occur: Test
    replace: Callable[[str], str]
    holds_in_source: bool = True


class PatternFinder:
    """Tells in one pass, in linear time, which patterns may occur in a part of an event."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = tuple(patterns)
        self._set = RegexSet([pattern.signature for pattern in self._patterns])

    def find(self, json: bytes) -> list[Pattern]:
        """Return the patterns that may occur in `json`, in order."""
        return [self._patterns[index] for index in self._set.find(json)]


def is_card_number(digits: str) -> bool:
    """Tell whether `digits` has the length and prefix of a card, and passes Luhn's check."""
    if _CARD_SHAPE.fullmatch(digits) is None:
        return False
    total = 0
    for index, character in enumerate(reversed(digits)):
        digit = int(character) * (1 + index % 2)
        total += digit - 9 if digit > 9 else digit
    return total % 10 == 0


def _replace_card(match: re.Match[str]) -> str:
    digits = match[0].replace(" ", "").replace("-", "")
    return "[card number]" if is_card_number(digits) else match[0]


def _replace_iban(match: re.Match[str]) -> str:
    """Replace what passes the check of ISO 7064; most identifiers of that shape do not."""
    text = match[0].replace(" ", "").upper()
    digits = "".join(str(int(each, 36)) for each in text[4:] + text[:4])
    return "[bank account]" if int(digits) % 97 == 1 else match[0]


def _has_any(*needles: str) -> Test:
    def has_any(text: str) -> bool:
        # A loop: on short texts `any` takes most of the time to begin.
        for needle in needles:  # noqa: SIM110
            if needle in text:
                return True
        return False

    return has_any


def _has_all(*needles: str) -> Test:
    return lambda text: all(needle in text for needle in needles)


def _substitute(pattern: re.Pattern[str], replacement: str) -> Callable[[str], str]:
    return lambda text: pattern.sub(replacement, text)


def _replace_token(match: re.Match[str]) -> str:
    return match[0] if match[1] is None else FILTERED


def _replace_sql_values(text: str) -> str:
    text = _replace_sql_details(_replace_sql_parameters(text))
    return _SQL_ROW.sub(rf"\1({FILTERED})", text)


def _replace_sql_parameters(text: str) -> str:
    pieces: list[str] = []
    done = 0
    while (start := text.find(_SQL_PARAMETERS, done)) >= 0:
        end = _SQL_PARAMETERS_END.search(text, start + len(_SQL_PARAMETERS))
        if end is None:
            # Nor is there one for any that begins later.
            break
        pieces += text[done:start], f"{_SQL_PARAMETERS}{FILTERED}]"
        done = end.end()
    return "".join(pieces) + text[done:]


def _replace_sql_details(text: str) -> str:
    pieces: list[str] = []
    done = position = unclosed = 0
    while (match := _SQL_DETAIL.search(text, position)) is not None:
        position = match.start() + 1
        if match.end() <= unclosed:
            continue
        line_end = text.find("\n", match.end())
        line_end = len(text) if line_end < 0 else line_end
        end = text.find(")", match.end(), line_end)
        if end < 0:
            unclosed = line_end
            continue
        pieces += text[done : match.end()], f"{FILTERED})"
        done = position = end + 1
    return "".join(pieces) + text[done:]


# White space of any script, as JSON shows it.
_GAP = r"(?:[^\x21-\x7e]|\\[a-z0-9]{1,5})"

PATTERNS = (
    Pattern(
        "private_key",
        "private key-----",
        _has_any("private key"),
        _substitute(_PRIVATE_KEY, FILTERED),
    ),
    Pattern(
        "json_web_token",
        "eyj[a-z0-9_-]{5}",
        _has_any("eyj"),
        lambda text: _JWT.sub(_replace_token, text),
    ),
    Pattern(
        "authorization",
        rf"(?:bearer|basic|digest|negotiate){_GAP}+[a-z0-9+/=._~-]{{6}}",
        _has_any("bearer", "basic", "digest", "negotiate"),
        _substitute(_AUTHORIZATION, rf"\1 {FILTERED}"),
        holds_in_source=False,
    ),
    Pattern(
        "vendor_key",
        "(?:akia|asia)[0-9a-z]{16}|gh[pousr]_[a-z0-9]{20}|github_pat_|xox[abeprs]-"
        "|[sr]k_(?:live|test)_|sk-[a-z0-9_-]{20}|aiza[a-z0-9_-]{30}|glpat-",
        _has_any(
            *("akia", "asia", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox"),
            *("k_live_", "k_test_", "sk-", "aiza", "glpat-"),
        ),
        _substitute(_VENDOR_KEY, FILTERED),
    ),
    Pattern(
        "url_password",
        r'://(?:[^/:@" ]|\\")*:(?:[^/@" ]|\\")+@',
        _has_all("://", "@"),
        _substitute(_URL_PASSWORD, rf"\1{FILTERED}@"),
    ),
    Pattern(
        "sql_values",
        r"\[parameters: |detail:|failing row contains \(",
        _has_any("[parameters:", "detail:", "failing row"),
        _replace_sql_values,
        holds_in_source=False,
    ),
    Pattern(
        "assignment",
        r"(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|private[_-]?key"
        r"|session[_-]?id|credentials?|authorization|cookie)"
        rf"(?:[\\\"']|{_GAP})*[=:]",
        _has_any(
            *("passw", "passp", "pwd", "secret", "token", "key", "session", "cred", "auth"),
            "cookie",
        ),
        _substitute(_ASSIGNMENT, rf"\1{FILTERED}"),
        holds_in_source=False,
    ),
    Pattern(
        "email",
        r"[a-z0-9._%+'-]@(?:[a-z0-9-]+\.)+[a-z]{2}",
        _has_any("@"),
        _substitute(_EMAIL, "[email]"),
    ),
    Pattern(
        "iban",
        rf"{_IBAN_COUNTRY}[0-9]{{2}}(?: ?[a-z0-9]{{4}}){{2}}",
        lambda text: _IBAN.search(text) is not None,
        lambda text: _IBAN.sub(_replace_iban, text),
    ),
    Pattern(
        "social_security",
        r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b",
        _has_any("-"),
        _substitute(_SOCIAL_SECURITY, "[social security number]"),
    ),
    Pattern(
        CARD_NUMBER,
        "[0-9](?:[ -]*[0-9]){12}",
        lambda text: _LONG_NUMBER.search(text) is not None,
        lambda text: _CARD.sub(_replace_card, text),
    ),
)
"""In the order in which they are applied."""
