"""Grok patterns: names for regular expressions, compiled to RE2.

The names are Logstash's; the expressions are written for RE2, which has neither lookaround nor
atomic groups, and needs none to take linear time.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from resumatch_monitor.kit.regex import Regex, RegexError

_DEEPEST = 10
_LONGEST_PATTERN = 20_000
_MOST_CAPTURES = 100
_REFERENCE = re.compile(r"%\{(\w{1,60})(?::([\w.@\[\]-]{1,200}))?(?::(int|long|float|double))?\}")
_CONVERSIONS = {"int": "int", "long": "int", "float": "float", "double": "float"}

PATTERNS: Mapping[str, str] = {
    "WORD": r"\b\w+\b",
    "NOTSPACE": r"\S+",
    "SPACE": r"\s*",
    "DATA": r".*?",
    "GREEDYDATA": r".*",
    "INT": r"[+-]?[0-9]+",
    "POSINT": r"\b[1-9][0-9]*\b",
    "NONNEGINT": r"\b[0-9]+\b",
    "NUMBER": r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?",
    "BASE10NUM": r"%{NUMBER}",
    "BASE16NUM": r"[+-]?(?:0x)?[0-9A-Fa-f]+",
    "QUOTEDSTRING": r'"(?:[^"\\]|\\.)*"|' + r"'(?:[^'\\]|\\.)*'",
    "QS": r"(?:%{QUOTEDSTRING})",
    "UUID": r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
    "USERNAME": r"[a-zA-Z0-9._-]+",
    "USER": r"%{USERNAME}",
    "EMAILADDRESS": r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]+@%{HOSTNAME}",
    "IPV4": r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}",
    "IPV6": r"(?:[0-9A-Fa-f]{0,4}:){2,7}(?:%{IPV4}|[0-9A-Fa-f]{0,4})(?:%[0-9A-Za-z]+)?",
    "IP": r"(?:%{IPV6}|%{IPV4})",
    "HOSTNAME": r"\b[0-9A-Za-z](?:[0-9A-Za-z_-]*[0-9A-Za-z])?(?:\.[0-9A-Za-z][0-9A-Za-z-]*)*\.?",
    "IPORHOST": r"(?:%{IP}|%{HOSTNAME})",
    "HOSTPORT": r"%{IPORHOST}:%{POSINT}",
    "MAC": r"(?:[0-9A-Fa-f]{2}[:-]){5}[0-9A-Fa-f]{2}",
    "PATH": r"(?:%{UNIXPATH}|%{WINPATH})",
    "UNIXPATH": r"/[^\s]*",
    "WINPATH": r"(?:[A-Za-z]:|\\)(?:\\[^\\?*]*)+",
    "URIPROTO": r"[A-Za-z][A-Za-z0-9+.-]*",
    "URIHOST": r"%{IPORHOST}(?::[0-9]+)?",
    "URIPATH": r"/[^\s?#]*",
    "URIQUERY": r"[^\s#]*",
    "URIPARAM": r"\?%{URIQUERY}",
    "URIPATHPARAM": r"%{URIPATH}(?:\?%{URIQUERY})?",
    "URI": r"%{URIPROTO}://(?:[^\s/@]*@)?%{URIHOST}(?:%{URIPATHPARAM})?",
    "MONTH": r"\b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    r"|Sep(?:tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b",
    "MONTHNUM": r"(?:0[1-9]|1[0-2]|[1-9])",
    "MONTHDAY": r"(?:0[1-9]|[12][0-9]|3[01]|[1-9])",
    "DAY": r"\b(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?\b",
    "YEAR": r"[0-9]{2}(?:[0-9]{2})?",
    "HOUR": r"(?:2[0-3]|[01]?[0-9])",
    "MINUTE": r"[0-5][0-9]",
    "SECOND": r"(?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?",
    "TIME": r"%{HOUR}:%{MINUTE}(?::%{SECOND})?",
    "DATE_US": r"%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}",
    "DATE_EU": r"%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}",
    "DATE": r"(?:%{DATE_US}|%{DATE_EU})",
    "ISO8601_TIMEZONE": r"(?:Z|[+-]%{HOUR}(?::?%{MINUTE})?)",
    "TIMESTAMP_ISO8601": r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?"
    r"(?:%{ISO8601_TIMEZONE})?",
    "DATESTAMP": r"%{DATE}[- ]%{TIME}",
    "TZ": r"[A-Z]{3,4}",
    "HTTPDATE": r"%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}",
    "SYSLOGTIMESTAMP": r"%{MONTH} +%{MONTHDAY} %{TIME}",
    "PROG": r"[\x21-\x5a\x5c\x5e-\x7e]+",
    "SYSLOGPROG": r"%{PROG:process.name}(?:\[%{POSINT:process.pid:int}\])?",
    "SYSLOGHOST": r"%{IPORHOST}",
    "LOGLEVEL": r"(?i:\b(?:trace|debug|info(?:rmation)?|notice|warn(?:ing)?|err(?:or)?"
    r"|crit(?:ical)?|fatal|severe|alert|emerg(?:ency)?)\b)",
    "JAVACLASS": r"(?:[a-zA-Z$_][\w$]*\.)*[a-zA-Z$_][\w$]*",
    "COMMONAPACHELOG": r"%{IPORHOST:source.address} (?:-|%{USER:apache.access.user.identity})"
    r" (?:-|%{USER:user.name}) \[%{HTTPDATE:timestamp}\]"
    r' "(?:%{WORD:http.request.method} %{NOTSPACE:url.original}'
    r'(?: HTTP/%{NUMBER:http.version})?|%{DATA})"'
    r" (?:-|%{INT:http.response.status_code:int}) (?:-|%{INT:http.response.body.bytes:int})",
    "COMBINEDAPACHELOG": r'%{COMMONAPACHELOG} "(?:-|%{DATA:http.request.referrer})"'
    r' "(?:-|%{DATA:user_agent.original})"',
}
"""The names that a pattern may use."""


class GrokError(ValueError):
    """The pattern cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Grok:
    """A compiled pattern.

    Attributes:
        regex: Has a group for each capture.
        captures: Group, name of the field, and `int`, `float` or nothing.
    """

    regex: Regex
    captures: tuple[tuple[str, str, str], ...]


def compile_grok(pattern: str, own: Mapping[str, str] | None = None) -> Grok:
    """Compile a pattern.

    Args:
        pattern: A regular expression (RE2) with `%{NAME}`, `%{NAME:field}` and
            `%{NAME:field:int}` in it.
        own: More names, which win over the built-in ones.

    Raises:
        GrokError: If it names what there is not, or becomes too large, or is none.
    """
    expansion = _Expansion({**PATTERNS, **(own or {})})
    text = expansion.expand(pattern, 0)
    try:
        return Grok(Regex(text), tuple(expansion.captures))
    except RegexError as error:
        raise GrokError(f"it is not a regular expression: {error}") from None


class _Expansion:
    """Replaces names by what they stand for."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        self._patterns = patterns
        self._length = 0
        self.captures: list[tuple[str, str, str]] = []

    def expand(self, pattern: str, depth: int) -> str:
        if depth > _DEEPEST:
            raise GrokError("its names stand for each other without end")
        self._length += len(pattern)
        if self._length > _LONGEST_PATTERN:
            raise GrokError(f"it stands for more than {_LONGEST_PATTERN} characters")
        return _REFERENCE.sub(lambda match: self._replace(match, depth), pattern)

    def _replace(self, match: re.Match[str], depth: int) -> str:
        name, field, conversion = match[1], match[2], match[3]
        inner = self._patterns.get(name)
        if inner is None:
            raise GrokError(f"there is no pattern {name}")
        if not field:
            return f"(?:{self.expand(inner, depth + 1)})"
        if len(self.captures) >= _MOST_CAPTURES:
            raise GrokError(f"it has more than {_MOST_CAPTURES} fields")
        group = f"g{len(self.captures)}"
        self.captures.append((group, _name_field(field), _CONVERSIONS.get(conversion or "", "")))
        return f"(?P<{group}>{self.expand(inner, depth + 1)})"


def _name_field(text: str) -> str:
    """Return `[http][request]`, as Logstash writes it, with dots."""
    return text.replace("][", ".").strip("[]")
