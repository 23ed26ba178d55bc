"""Which of two releases is the newer one; pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

FirstSeen = Callable[[str], datetime | None]
"""Tells when a release of the project was first seen or announced; None if it never was."""

# https://semver.org, and before it what Sentry calls the package: `web@1.2.3-rc.1+77`.
_SEMVER = re.compile(
    r"(?:(?P<package>[^@]*)@)?v?(?P<numbers>\d{1,9}(?:\.\d{1,9}){0,3})"
    r"(?:-(?P<pre>[0-9A-Za-z.-]{1,100}))?(?:\+(?P<build>[0-9A-Za-z.-]{1,100}))?"
)
_NUMBERS = 4
_LONGEST = 250

_PreKey = tuple[int, tuple[tuple[int, int, str], ...]]


@dataclass(frozen=True, slots=True)
class Version:
    """A release's name read as a semantic version; builds have no order."""

    package: str
    numbers: tuple[int, ...]
    pre: _PreKey


def parse_version(release: str) -> Version | None:
    """Read a release's name; None if it is no semantic version.

    At least two numbers are asked for: `20260102` and an abbreviated commit of digits are none.
    """
    if len(release) > _LONGEST:
        return None
    found = _SEMVER.fullmatch(release)
    if found is None or "." not in found["numbers"]:
        return None
    numbers = tuple(int(part) for part in found["numbers"].split("."))
    return Version(
        found["package"] or "",
        numbers + (0,) * (_NUMBERS - len(numbers)),
        _pre_key(found["pre"]),
    )


def _pre_key(text: str | None) -> _PreKey:
    if text is None:
        return (1, ())
    parts = text.split(".")
    return (0, tuple((0, int(each), "") if each.isdecimal() else (1, 0, each) for each in parts))


def is_newer(release: str, than: str, *, first_seen: FirstSeen, unknown: bool) -> bool:
    """Return whether a release is newer than another of its project.

    By their versions where both are semantic ones of one package; else, and where only the builds
    differ, by when they were first seen.

    Args:
        release: The one that is judged.
        than: The one that it is held against.
        first_seen: Knows the project's releases.
        unknown: The answer if nobody has seen `than`, and the names do not say.
    """
    if release == than:
        return False
    version, mark = parse_version(release), parse_version(than)
    if version is not None and mark is not None and version.package == mark.package:
        left, right = (version.numbers, version.pre), (mark.numbers, mark.pre)
        if left != right:
            return left > right
    mark_at = first_seen(than)
    if mark_at is None:
        return unknown
    seen_at = first_seen(release)
    # What has only just come is newer than all that was there.
    return seen_at is None or seen_at > mark_at


def find_newest(releases: Sequence[str]) -> str | None:
    """Return the newest of a project's releases, given with the one first seen last in front."""
    if not releases:
        return None
    newest, best = releases[0], parse_version(releases[0])
    if best is None:
        return newest
    for release in releases[1:]:
        version = parse_version(release)
        if version is None or version.package != best.package:
            continue
        if (version.numbers, version.pre) > (best.numbers, best.pre):
            newest, best = release, version
    return newest
