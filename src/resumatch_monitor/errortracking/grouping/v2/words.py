"""Names that say nothing about where a bug is, because every application has them."""

import re

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")

# A function whose name consists of these only acts on behalf of whoever called it: it asks
# another system, insists on something or gives up, wraps something, or has no name.
_GENERIC_WORDS = """
    request requests response fetch fetcher get post put patch delete head send call api http https
    rest graphql gql rpc query queries mutate execute exec run invoke dispatch client json xml data
    body result payload url uri

    require required requires ensure assert asserts check checked validate expect invariant must
    raise throw throws fail failed failure error errors err exception abort panic unwrap unreachable
    die bail guard not found or else none null nil defined undefined present exists exist status ok
    is has for from to in of with by

    wrap wrapper wrapped wraps inner outer decorator decorated middleware handler handle hook proxy
    proxied callback cb next apply perform process do try once retry retries attempt attempts safe
    safely catch caught async sync await promise then task base main start

    lambda anonymous locals module self cls init new enter exit aenter aexit listcomp genexpr
    dictcomp setcomp
"""
_GENERIC = frozenset(_GENERIC_WORDS.split())
_ANONYMOUS = frozenset(
    {"", "?", "<anonymous>", "anonymous", "<unknown>", "<lambda>", "<listcomp>", "<genexpr>"}
    | {"<dictcomp>", "<setcomp>", "global code", "eval code", "{closure}", "(anonymous function)"}
)
_PREFIXES = re.compile(r"^(?:async[ *]|new |static |get |set |bound )+")
_COMPILED = re.compile(r"\.?(?:<locals>|\s?\[as [^\]]*\])|\$\d+|\$[a-z0-9]{6,}$|/<$|\(.*\)$")


def clean_function(name: str, *, is_script: bool) -> str:
    """Return a function's name as its source has it; of JavaScript's, without the object.

    Engines disagree about the object: `Object.pay`, `Cart.pay` and `pay` are one function.
    """
    if name in _ANONYMOUS:
        return ""
    cleaned = _COMPILED.sub("", _PREFIXES.sub("", name)).strip(". ")
    if is_script:
        cleaned = cleaned.rpartition(".")[2]
    return "" if cleaned in _ANONYMOUS or cleaned.endswith("<lambda>") else cleaned


def is_generic(function: str) -> bool:
    """Tell whether a function is one that acts on behalf of its caller."""
    owner, _, name = function.rpartition(".")
    words = _WORDS.findall(name if not name.startswith("__") or not owner else owner)
    return all(word.isdigit() or word.lower() in _GENERIC for word in words)


def is_mangled(function: str) -> bool:
    """Tell whether a bundler has made up a name; it makes short ones."""
    return len(function) <= 3 or (len(function) == 4 and not function.isalpha())
