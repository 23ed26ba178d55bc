"""To whom a new issue is assigned: rules by the place in the code, or by tags; pure."""

from collections.abc import Sequence
from typing import Self

import orjson
from pydantic import Field, field_validator, model_validator

from resumatch_monitor.errortracking.grouping.globs import Glob, GlobError
from resumatch_monitor.errortracking.store import DigestedEvent
from resumatch_monitor.kit.models import ConfigModel
from resumatch_monitor.sentry.values import as_dict, as_list, as_text

_FRAMES_MAX = 200


class OwnerRule(ConfigModel):
    """Who owns what; all that is given has to match."""

    assignee: str = Field(min_length=1, max_length=254)
    """The address of somebody who can sign in, or the name of a team."""
    projects: list[str] = Field(default_factory=list[str], description="Slugs; empty for all.")
    path: str | None = None
    """A glob for the file of one of the application's own frames: `src/pay/**`, `**/billing.py`."""
    tags: dict[str, str] = Field(
        default_factory=dict[str, str], description="A glob for the value of each tag."
    )

    @field_validator("path")
    @classmethod
    def _check_path(cls, path: str | None) -> str | None:
        if path is not None:
            _read_glob(path, is_path=True)
        return path

    @model_validator(mode="after")
    def _check(self) -> Self:
        for pattern in self.tags.values():
            _read_glob(pattern, is_path=False)
        if self.path is None and not self.tags and not self.projects:
            raise ValueError("an owner owns a path, tags or projects")
        return self


def _read_glob(pattern: str, *, is_path: bool) -> Glob:
    try:
        return Glob(pattern, is_path=is_path)
    except GlobError as error:
        raise ValueError(f"{pattern!r} is no glob: {error}") from error


class _Owner:
    def __init__(self, rule: OwnerRule) -> None:
        self.assignee = rule.assignee
        self.wants_files = rule.path is not None
        self._projects = frozenset(rule.projects)
        self._path = None if rule.path is None else _read_glob(rule.path, is_path=True)
        self._tags = [(key, _read_glob(each, is_path=False)) for key, each in rule.tags.items()]

    def matches(self, event: DigestedEvent, files: Sequence[str]) -> bool:
        if self._projects and event.project_slug not in self._projects:
            return False
        if self._path is not None and not any(map(self._path.matches, files)):
            return False
        return all(
            any(key == name and glob.matches(value) for name, value in event.tags)
            for key, glob in self._tags
        )


class Owners:
    """All rules; of those that match the last one decides, as in a file of code owners."""

    def __init__(self, rules: Sequence[OwnerRule] = ()) -> None:
        self._owners = [_Owner(rule) for rule in reversed(rules)]
        self._wants_files = any(owner.wants_files for owner in self._owners)

    def find(self, event: DigestedEvent) -> str | None:
        """Return to whom an issue that begins with `event` is assigned."""
        if not self._owners:
            return None
        files = _files_of(event) if self._wants_files else []
        return next((owner.assignee for owner in self._owners if owner.matches(event, files)), None)


def _files_of(event: DigestedEvent) -> list[str]:
    """Return the files of the application's own frames, as they are called and in full."""
    raw = as_dict(as_dict(orjson.loads(event.payload)).get("event"))
    values = as_list(as_dict(raw.get("exception")).get("values"))
    frames = [
        as_dict(frame)
        for value in values
        for frame in as_list(as_dict(as_dict(value).get("stacktrace")).get("frames"))
    ]
    own = [frame for frame in frames if frame.get("in_app") is True][-_FRAMES_MAX:]
    files = [as_text(frame.get(name)) for frame in own for name in ("filename", "abs_path")]
    return [file.replace("\\", "/") for file in files if file]
