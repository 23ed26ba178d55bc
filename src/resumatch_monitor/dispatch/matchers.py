"""Matchers as Alertmanager writes them: `severity="critical"`, `{team=~"a|b", env!=dev}`."""

import re
from collections.abc import Mapping, Sequence

from resumatch_monitor.metrics.labels import Labels, Matcher, MatchOp

# A name or value in quotes may hold anything; without quotes a name holds no reserved character
# and a value neither a comma nor a quote. What follows is the next matcher or the end.
_MATCHER = re.compile(
    r"""\s*(?P<name>"(?:\\.|[^"\\])*"|[^\s{}!=~,"'`\\]+)
        \s*(?P<op>=~|!=|!~|=)
        \s*+(?P<value>"(?:\\.|[^"\\])*"|(?![=~])[^",]*+)
        \s*(?:,|$)""",
    re.DOTALL | re.VERBOSE,
)
MOST_MATCHERS = 64
"""More in one text are an error: each is tested on every alert."""

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", '"': '"', "\\": "\\"}


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Parse one or more matchers, separated by commas, with or without braces around them.

    Raises:
        ValueError: If it is not that; the message names the place.
    """
    inner = text.strip()
    offset = text.index(inner) if inner else 0
    if inner.startswith("{"):
        if not inner.endswith("}"):
            raise ValueError(f"{text!r} opens a brace that it does not close")
        inner, offset = inner[1:-1], offset + 1
    matchers: list[Matcher] = []
    position = 0
    while inner[position:].strip():
        if len(matchers) == MOST_MATCHERS:
            raise ValueError(f"{text[:80]!r}… holds more than {MOST_MATCHERS} matchers")
        match = _MATCHER.match(inner, position)
        if match is None:
            raise ValueError(
                f"{text!r} is not a matcher at column {offset + position + 1};"
                ' write for example severity="critical" or team=~"a|b"'
            )
        matchers.append(
            Matcher(_unquote(match["name"]), MatchOp(match["op"]), _unquote(match["value"].strip()))
        )
        position = match.end()
    return tuple(matchers)


def match_all(matchers: Sequence[Matcher], labels: Mapping[str, str]) -> bool:
    """Tell whether every matcher selects `labels`; an absent label is an empty one."""
    values = labels.mapping if isinstance(labels, Labels) else labels
    return all(matcher.matches(values.get(matcher.name, "")) for matcher in matchers)


class Selector:
    """Matchers that are asked about thousands of alerts: what costs least is asked first."""

    __slots__ = ("_equal", "_others")

    def __init__(self, matchers: Sequence[Matcher]) -> None:
        equal = [each for each in matchers if each.op is MatchOp.EQUAL]
        others = [each for each in matchers if each.op is not MatchOp.EQUAL]
        others.sort(key=lambda each: each.op is not MatchOp.NOT_EQUAL)
        self._equal = tuple((each.name, each.value) for each in equal)
        self._others = tuple((each.name, each.matches) for each in others)

    def selects(self, labels: Labels) -> bool:
        """Tell whether all matchers select `labels`; an absent label is an empty one."""
        values = labels.mapping
        for name, value in self._equal:
            if values.get(name, "") != value:
                return False
        return not self._others or all(
            matches(values.get(name, "")) for name, matches in self._others
        )


def render_matchers(matchers: Sequence[Matcher]) -> str:
    """Render in the braces that Alertmanager puts into a group's key."""
    ordered = sorted(matchers, key=lambda matcher: (matcher.name, matcher.value, matcher.op))
    return "{" + ",".join(repr(matcher) for matcher in ordered) + "}"


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text
    # A backslash before any other character is a literal one, as regular expressions need it.
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), text[1:-1])
