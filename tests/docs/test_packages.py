"""What runs without the tools for tests asks for every package that it needs."""

import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_ROOT = Path(__file__).parents[2]


def _find_installed(wanted: list[str], extras: set[str]) -> set[str]:
    """Return the names of what these requirements bring, with what those bring in turn."""
    names: set[str] = set()
    waiting = [(Requirement(each), extras) for each in wanted]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement, asked = waiting.pop()
        if requirement.marker and not any(
            requirement.marker.evaluate({"extra": extra}) for extra in asked | {""}
        ):
            continue
        name = canonicalize_name(requirement.name)
        names.add(name)
        if (key := (name, frozenset(requirement.extras))) in seen:
            continue
        seen.add(key)
        try:
            inner = requires(name) or []
        except PackageNotFoundError:
            continue
        waiting += [(Requirement(each), set(requirement.extras)) for each in inner]
    return names


def test_resumatch_asks_for_what_its_asynchronous_database_needs() -> None:
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    wanted = [*project["dependencies"], *optional["resumatch"], *optional["demo"]]
    names = _find_installed(wanted, set())
    assert "sqlalchemy" in names
    # SQLAlchemy cannot do without it, yet brings it only when it is asked for its asyncio.
    assert "greenlet" in names
