"""Messages without what differs from one occurrence to the next."""

import re

_MAX = 500

_QUOTED = r"""
      (?P<quoted>(?<!\w)'(?:[^'\n]|(?<=\w)'(?=\w)){0,200}'(?!\w)
          | (?<!\w)"[^"\n]{0,200}"(?!\w)
          | `[^`\n]{0,200}`
          | [“„«][^”“»\n]{0,200}[”“»])
    |"""
_VALUES = r"""
      (?P<uuid>\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b)
    | (?P<date>\b\d{4}-\d\d-\d\d(?:[T\ ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?
          (?:\ ?(?:Z|UTC|[+-]\d\d:?\d\d))?)?
          | \b\d{1,2}[/.]\d{1,2}[/.]\d{4}\b
          | \b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),?\ \d{1,2}\ \w{3}\ \d{4}(?:\ \d\d:\d\d:\d\d)?)
    | (?P<time>\b\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?\b)
    | (?P<email>\[email\]|\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\b)
    | (?P<url>\b[a-z][a-z0-9+.-]{1,20}://[^\s'"<>)\]]+)
    | (?P<path>(?<![\w/.])(?:/[\w.@~%+-]+){2,}/?|\b[A-Za-z]:\\[^\s'"<>|]+)
    | (?P<ip>\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b
          | (?<![\w:])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}\b
          | (?<![\w:])(?:[0-9a-fA-F]{1,4}:){1,6}:(?:[0-9a-fA-F]{1,4})?)
    | (?P<host>\b(?=[a-z0-9.-]*\d)[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:[a-z]{2,12})(?::\d{1,5})?\b)
    | (?P<address>\b0x[0-9a-fA-F]+\b)
    | (?P<hex>\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{7,}\b)
    | (?P<id>\b(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9][A-Za-z0-9_-]*\b)
    | (?P<number>[-+]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:[eE][-+]?\d+)?)
    """
_VARIABLE_PARTS = re.compile(_QUOTED + _VALUES, re.VERBOSE)
# `IN (1, 2, 3)` and `VALUES (1, 2), (3, 4)` are the same however many there are.
_LISTS = re.compile(r"(<\w+>|\((?:<\w+>(?:, )?){1,40}\))(?:, ?\1)+")


def template_of(message: str) -> str:
    """Return the first line of `message` with its variable parts named instead of shown."""
    line = message.strip().partition("\n")[0][:_MAX]
    replaced = _VARIABLE_PARTS.sub(_name, line)
    if "," in replaced:
        # Twice: lists of numbers first, then lists of such lists.
        replaced = _LISTS.sub(r"\1", _LISTS.sub(r"\1", replaced))
    return " ".join(replaced.split())


def headline_of(message: str) -> str:
    """Return the template up to the colon, after which messages tell details of the occurrence."""
    template = template_of(message)
    head, colon, _ = template.partition(": ")
    return head if colon and " " in head else template


def _name(match: re.Match[str]) -> str:
    return f"<{match.lastgroup}>"
