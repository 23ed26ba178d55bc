"""Reads sections of an `alertmanager.yml`, and notes what could not be taken along."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from resumatch_monitor.kit.yamltree import Position, YamlTree

_NOT_IN_NAMES = re.compile(r"[^A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class Remark:
    """What is different in the monitor, and where the reason for it stands."""

    position: Position
    text: str


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that is left to the environment.

    Attributes:
        value: What stood in the file; empty if it stood in another one.
        origin: Where it came from, for people.
    """

    variable: str
    value: str
    origin: str

    def is_same_as(self, other: "Secret") -> bool:
        """Tell whether both have one value, as far as that is known."""
        if self.value or other.value:
            return self.value == other.value
        return self.origin == other.origin


class UnreadableError(Exception):
    """The file is not what Alertmanager reads; the message says why."""

    def __init__(self, message: str, position: Position) -> None:
        super().__init__(message)
        self.message = message
        self.position = position


@dataclass(slots=True)
class Notes:
    """What was noticed on the way."""

    tree: YamlTree
    remarks: list[Remark] = field(default_factory=list[Remark])
    secrets: dict[str, Secret] = field(default_factory=dict[str, Secret])

    def hide(self, name: str, owner: str, value: str, origin: str) -> str:
        """Return a placeholder for a secret: the same for the same, another for another."""
        secret = Secret(name, value, origin)
        candidates = (name, f"{name}_{_to_variable(owner)}", f"{name}_{len(self.secrets) + 1}")
        for candidate in candidates:
            known = self.secrets.setdefault(candidate, replace(secret, variable=candidate))
            if known.is_same_as(secret):
                return f"${{{candidate}}}"
        raise UnreadableError(f"too many secrets of {owner!r}", Position(1, 1))


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping of the file, and where it stands."""

    notes: Notes
    path: tuple[str | int, ...]
    values: Mapping[str, Any]

    @classmethod
    def of(cls, notes: Notes, path: tuple[str | int, ...], value: object) -> "Section":
        """Return the mapping at `path`; an absent one is empty.

        Raises:
            UnreadableError: If it is something else.
        """
        if value is None:
            return cls(notes, path, {})
        if not isinstance(value, dict):
            raise UnreadableError("expected keys and values", notes.tree.position(path))
        return cls(notes, path, cast("dict[str, Any]", value))

    def section(self, key: str) -> "Section":
        """Return the mapping under `key`; an absent one is empty."""
        return Section.of(self.notes, (*self.path, key), self.values.get(key))

    def sections(self, key: str) -> Iterator["Section"]:
        """Yield the mappings of the list under `key`."""
        for index, item in enumerate(self._list(key)):
            yield Section.of(self.notes, (*self.path, key, index), item)

    def texts(self, key: str) -> list[str]:
        """Return the list of texts under `key`; a text alone is a list of one."""
        value = self.values.get(key)
        if isinstance(value, str):
            return [value]
        for index, item in enumerate(self._list(key)):
            if not isinstance(item, str):
                raise UnreadableError(
                    "expected a text", self.notes.tree.position((*self.path, key, index))
                )
        return cast("list[str]", self._list(key))

    def text(self, key: str, default: str = "") -> str:
        """Return the text under `key`."""
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise UnreadableError("expected a text", self.position(key))
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return whether `key` is true."""
        return self.text(key, str(default)).lower() in ("true", "yes", "on", "y")

    def position(self, key: str) -> Position:
        """Return where `key` stands."""
        return self.notes.tree.key_position((*self.path, key))

    def remark(self, key: str, text: str) -> None:
        """Note what becomes of `key`."""
        self.notes.remarks.append(Remark(self.position(key), f"{key}: {text}"))

    def remark_unless(self, *known: str, reason: str = "is not taken along") -> None:
        """Note every key that is not among those that are known."""
        for key in self.values:
            if key not in known:
                self.remark(key, reason)

    def secret(self, key: str, *, name: str, owner: str) -> str:
        """Return a placeholder for the secret under `key` or in the file that `key_file` names.

        Empty if there is neither.
        """
        if value := self.text(key):
            where = f"{key}, line {self.position(key).line}"
            return self.notes.hide(name, owner, value, where)
        if file := self.text(f"{key}_file"):
            return self.notes.hide(name, owner, "", f"the content of {file}")
        return ""

    def _list(self, key: str) -> list[object]:
        value = self.values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise UnreadableError("expected a list", self.position(key))
        return cast("list[object]", value)


def keep_dollars(text: str) -> str:
    """Return `text` as the monitor's configuration writes it, where `${NAME}` is a variable."""
    return text.replace("$", "$$") if "${" in text or "$$" in text else text


def _to_variable(owner: str) -> str:
    return _NOT_IN_NAMES.sub("_", owner.upper()).strip("_") or "OTHER"
