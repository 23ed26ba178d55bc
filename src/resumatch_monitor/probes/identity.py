"""How a probe is called in addresses, and that no two are called the same."""

import re
from collections.abc import Iterable

_NOT_IN_IDS = re.compile(r"[^a-z0-9]+")


def make_probe_id(name: str) -> str:
    """Return the name as it appears in addresses: lower case, joined by dashes."""
    return _NOT_IN_IDS.sub("-", name.lower()).strip("-")


def find_duplicate_ids(names: Iterable[str]) -> list[str]:
    """Return the ids that more than one name leads to."""
    seen: set[str] = set()
    twice: list[str] = []
    for name in names:
        probe_id = make_probe_id(name)
        if probe_id in seen and probe_id not in twice:
            twice.append(probe_id)
        seen.add(probe_id)
    return twice
