"""logfmt: `level=error msg="disk full" free=0`."""

import re

_MOST_PAIRS = 200
_PAIR = re.compile(r'([A-Za-z_@][\w.@/-]{0,99})=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?:\s+|$)')
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
_ESCAPE = re.compile(r"\\(.)", re.S)
_TELLING = frozenset(("level", "lvl", "msg", "message", "time", "ts", "severity"))


def parse_logfmt(line: str) -> dict[str, str] | None:
    """Return the pairs of a line that is logfmt as a whole; None for any other.

    At least two pairs are needed and one name that logs have, so that a sentence with an equals
    sign in it stays one.
    """
    pairs: dict[str, str] = {}
    position = 0
    while position < len(line):
        found = _PAIR.match(line, position)
        if found is None or len(pairs) >= _MOST_PAIRS:
            return None
        name, quoted, plain = found.groups()
        pairs[name] = plain if quoted is None else _unescape(quoted)
        position = found.end()
    return pairs if len(pairs) >= 2 and not _TELLING.isdisjoint(pairs) else None


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)
