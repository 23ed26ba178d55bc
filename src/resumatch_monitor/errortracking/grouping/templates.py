"""Messages without what differs from one occurrence to the next."""

import re

_MAX = 500

_VARIABLE_PARTS = re.compile(
    r"""
      (?P<uuid>\b[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}\b)
    | (?P<date>\b\d{4}-\d\d-\d\d(?:[T\ ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?)
    | (?P<time>\b\d\d:\d\d:\d\d(?:[.,]\d+)?\b)
    | (?P<email>\[email\]|\b[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,255}\b)
    | (?P<url>\bhttps?://[^\s'"<>)\]]+)
    | (?P<ip>\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?\b
          | (?<![\w:])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}\b
          | (?<![\w:])(?:[0-9a-fA-F]{1,4}:){1,6}:(?:[0-9a-fA-F]{1,4})?)
    | (?P<address>\b0x[0-9a-fA-F]+\b)
    | (?P<hex>\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{7,}\b)
    | (?P<id>\b(?=[A-Za-z_-]*\d)(?=[\d_-]*[A-Za-z])[A-Za-z0-9][A-Za-z0-9_-]*\b)
    | (?P<number>[-+]?(?:\d+(?:[.,]\d+)*|\.\d+)(?:[eE][-+]?\d+)?)
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(r"'[^'\n]{0,200}'|\"[^\"\n]{0,200}\"|`[^`\n]{0,200}`")


def template_of(message: str) -> str:
    """Return the first line of `message` with its variable parts named instead of shown."""
    line = message.strip().partition("\n")[0][:_MAX]
    replaced = _VARIABLE_PARTS.sub(lambda match: f"<{match.lastgroup}>", line)
    return " ".join(replaced.split())


def template_without_quotes(message: str) -> str:
    """Do the same and leave out what stands in quotes, as exceptions quote their values."""
    line = message.strip().partition("\n")[0][:_MAX]
    return template_of(_QUOTED.sub("<quoted>", line))
