"""One wording for what each JavaScript engine says in its own words."""

import re

_WORD = r"[\w$]+"
_KNOWN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        # V8, its older releases, SpiderMonkey, JavaScriptCore.
        (rf"Cannot (?:read|set) propert(?:y|ies) of .*\((?:reading|setting) '({_WORD})'\)", "no"),
        (rf"Cannot (?:read|set) property '({_WORD})' of", "no"),
        (rf"can't access property \"?({_WORD})\"?", "no"),
        (rf"is not an object \(evaluating '[^'=]*?\b({_WORD})(?: = [^']*|\([^']*)?'\)", "no"),
        (rf"(?:^|[.\s])({_WORD}) is not a function(?! \(near)", "not a function"),
        (rf"(?:^|[.\s])({_WORD}) is not iterable", "not iterable"),
        (rf"is not a function \(near '\.*({_WORD})\.*'\)", "not iterable"),
        (rf"^({_WORD}) is not defined", "not defined"),
        (rf"^Can't find variable: ({_WORD})", "not defined"),
    )
)
_PHRASES: tuple[tuple[str, str], ...] = (
    ("failed to fetch", "network"),
    ("networkerror when attempting", "network"),
    ("load failed", "network"),
    ("maximum call stack", "recursion"),
    ("too much recursion", "recursion"),
    ("is not valid json", "bad json"),
    ("in json at position", "bad json"),
    ("json.parse:", "bad json"),
    ("json parse error", "bad json"),
    ("unexpected end of json", "bad json"),
    ("aborted", "aborted"),
    ("exceeded the quota", "quota"),
    ("quota has been exceeded", "quota"),
)


def one_wording(message: str) -> str:
    """Return what an engine's message says, in the same words for all; empty if it is none."""
    line = message[:500]
    for pattern, name in _KNOWN:
        match = pattern.search(line)
        if match:
            return f"{name}: {match[1]}"
    lowered = line.lower()
    for phrase, name in _PHRASES:
        if phrase in lowered:
            return name
    return ""
