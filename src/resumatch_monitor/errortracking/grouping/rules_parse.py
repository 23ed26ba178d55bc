"""Reads fingerprint rules; what is wrong is told with line and column."""

import re
from typing import NoReturn

from resumatch_monitor.errortracking.grouping.fingerprints import VARIABLE, is_variable
from resumatch_monitor.errortracking.grouping.globs import Glob, GlobError
from resumatch_monitor.errortracking.grouping.matching import (
    ALIASES,
    FAMILIES,
    IGNORING_CASE,
    NAMES,
    PATHS,
    Matcher,
)
from resumatch_monitor.errortracking.grouping.rules import FingerprintRule, RuleError, RuleSet

TEXT_MAX = 64 * 1024
RULES_MAX = 500
_LINE_MAX = 4_000
_PARTS_MAX = 20
_VALUE_MAX = 200

_SPACE = re.compile(r"[ \t]*")
_NAME = re.compile(r"(!?)([A-Za-z_][\w.-]*|tags\.[\w.:-]+):")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BARE_PATTERN = re.compile(r"[^\s\"]+")
_VARIABLE_PART = re.compile(r"\{\{[^}]*\}\}")
_BARE_VALUE = re.compile(r"(?:\{\{[^}]*\}\}|[^\s,\"{]|\{(?!\{))+")
_TITLE = re.compile(r"title\s*=\s*")


def parse_rules(text: str) -> RuleSet:
    """Read rules, one a line; `#` begins a comment.

    Raises:
        RuleError: If a line is none, or there are too many.
    """
    if len(text) > TEXT_MAX:
        raise RuleError(f"the rules have more than {TEXT_MAX} characters", line=1, column=1)
    rules: list[FingerprintRule] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if len(rules) == RULES_MAX:
            raise RuleError(f"there are more than {RULES_MAX} rules", line=number, column=1)
        rules.append(_LineReader(line, number).read())
    return RuleSet(rules)


class _LineReader:
    """Reads one line from left to right."""

    def __init__(self, line: str, number: int) -> None:
        self._line = line
        self._number = number
        self._at = 0

    def read(self) -> FingerprintRule:
        """Return the rule of the line."""
        if len(self._line) > _LINE_MAX:
            self._fail(f"a rule has at most {_LINE_MAX} characters", _LINE_MAX)
        matchers = self._read_matchers()
        fingerprint, title = self._read_fingerprint()
        return FingerprintRule(
            self._number, self._line.strip(), tuple(matchers), tuple(fingerprint), title
        )

    def _read_matchers(self) -> list[Matcher]:
        matchers: list[Matcher] = []
        while not self._skips("->"):
            if self._is_at_end():
                self._fail("expected '->' and what the events are grouped by", self._at)
            if len(matchers) == _PARTS_MAX:
                self._fail(f"a rule has at most {_PARTS_MAX} matchers", self._at)
            matchers.append(self._read_matcher())
        if not matchers:
            self._fail("expected a matcher before '->', for example error.type:Timeout", 0)
        return matchers

    def _read_matcher(self) -> Matcher:
        start = self._at
        found = _NAME.match(self._line, start)
        if found is None:
            self._fail("expected a matcher, for example error.type:Timeout", start)
        written = found[2]
        name = ALIASES.get(written, written)
        if name not in NAMES and not name.startswith("tags."):
            self._fail(
                f"there is no matcher {written[:50]!r}; there are: {', '.join(sorted(NAMES))},"
                " tags.<key>",
                start + len(found[1]),
            )
        self._at = found.end()
        pattern, begins_at = self._read_pattern()
        self._check_pattern(name, pattern, begins_at)
        try:
            glob = Glob(pattern, is_path=name in PATHS, ignore_case=name in IGNORING_CASE)
        except GlobError as error:
            self._fail(str(error), begins_at + error.offset)
        return Matcher(name, pattern, glob, bool(found[1]))

    def _read_pattern(self) -> tuple[str, int]:
        quoted = _QUOTED.match(self._line, self._at)
        if quoted is not None:
            self._at = quoted.end()
            return quoted[1].replace('\\"', '"'), quoted.start(1)
        bare = _BARE_PATTERN.match(self._line, self._at)
        if bare is None:
            has_quote = self._line[self._at : self._at + 1] == '"'
            reason = "the quote is not closed" if has_quote else "expected a pattern after ':'"
            self._fail(reason, self._at)
        self._at = bare.end()
        return bare[0], bare.start()

    def _check_pattern(self, name: str, pattern: str, at: int) -> None:
        if not pattern:
            self._fail("the pattern is empty; write * for anything", at)
        if name == "app" and pattern not in ("yes", "no"):
            self._fail("app is yes or no", at)
        if name == "family" and pattern not in FAMILIES:
            self._fail(f"family is one of {', '.join(FAMILIES)}", at)

    def _read_fingerprint(self) -> tuple[list[str], str]:
        values: list[str] = []
        title = ""
        while not self._is_at_end():
            found = _TITLE.match(self._line, self._at)
            if found is not None:
                self._at = found.end()
                title = self._read_title()
                break
            if len(values) == _PARTS_MAX:
                self._fail(f"a fingerprint has at most {_PARTS_MAX} parts", self._at)
            values.append(self._read_value())
            self._skips(",")
        if not values:
            self._fail("expected what the events are grouped by after '->'", self._at)
        return values, title

    def _read_title(self) -> str:
        start = self._at
        found = _QUOTED.match(self._line, start)
        if found is None:
            self._fail("expected a title in quotes", start)
        self._at = found.end()
        self._check_value(found[1], found.start(1))
        if not self._is_at_end():
            self._fail("expected nothing after the title", self._at)
        return found[1].replace('\\"', '"')

    def _read_value(self) -> str:
        start = self._at
        found = _QUOTED.match(self._line, start) or _BARE_VALUE.match(self._line, start)
        if found is None:
            self._fail("expected a value, for example my-group or {{ transaction }}", start)
        self._at = found.end()
        value = found[1].replace('\\"', '"') if found.re is _QUOTED else found[0]
        self._check_value(value, start)
        return value

    def _check_value(self, value: str, at: int) -> None:
        if len(value) > _VALUE_MAX:
            self._fail(f"a value has at most {_VALUE_MAX} characters", at)
        for found in _VARIABLE_PART.finditer(value):
            variable = VARIABLE.fullmatch(found[0])
            if variable is None or not is_variable(variable[1]):
                self._fail(f"there is no variable {found[0][:60]}", at + found.start())
        if "{{" in _VARIABLE_PART.sub("", value):
            self._fail("the braces of a variable are not closed", at + value.index("{{"))

    def _skips(self, token: str) -> bool:
        self._is_at_end()
        found = self._line.startswith(token, self._at)
        if found:
            self._at += len(token)
        return found

    def _is_at_end(self) -> bool:
        space = _SPACE.match(self._line, self._at)
        self._at = space.end() if space is not None else self._at
        return self._at >= len(self._line)

    def _fail(self, message: str, at: int) -> NoReturn:
        raise RuleError(message, line=self._number, column=at + 1)
