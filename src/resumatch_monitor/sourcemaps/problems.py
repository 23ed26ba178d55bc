"""Why a frame has no original place: what was searched, and what to do about it."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

_LISTED = 3


class ProblemKind(StrEnum):
    """What stands between a frame and its source."""

    NOTHING_TO_GO_BY = "nothing_to_go_by"
    DEBUG_ID_UNKNOWN = "debug_id_unknown"
    OTHER_BUILD = "other_build"
    RELEASE_UNKNOWN = "release_unknown"
    URL_UNKNOWN = "url_unknown"
    NO_MAP = "no_map"
    UNREADABLE = "unreadable"
    NO_POSITION = "no_position"
    NO_CONTENT = "no_content"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is known of a frame's file before anything is searched.

    Attributes:
        file: As the frame names it.
        debug_id: 16 bytes; None if the event has none for the file.
    """

    project_id: int
    file: str
    debug_id: bytes | None
    release: str
    dist: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why frames of a file have no original place, or no code.

    Attributes:
        message: A sentence for people.
        searched: What was looked for, in that order.
        needs_injection: Whether the build has to put debug ids into its files.
    """

    kind: ProblemKind
    subject: Subject
    message: str
    searched: tuple[str, ...] = ()
    needs_injection: bool = True


def render_debug_id(debug_id: bytes) -> str:
    """Render a debug id as people and builds write it."""
    return str(UUID(bytes=debug_id))


def nothing_to_go_by(subject: Subject) -> Problem:
    """Neither a debug id nor a release."""
    return Problem(
        ProblemKind.NOTHING_TO_GO_BY,
        subject,
        "The event names neither a debug id of this file nor a release, so there is nothing to"
        " look a source map up by.",
    )


def debug_id_unknown(subject: Subject, searched: Sequence[str], *, file_count: int) -> Problem:
    """An id that no upload has."""
    assert subject.debug_id is not None
    also = ""
    if subject.release:
        also = (
            f" The release {subject.release} has {_count(file_count)}, none of them at this URL."
            if file_count
            else f" Nothing was uploaded for the release {subject.release} either."
        )
    return Problem(
        ProblemKind.DEBUG_ID_UNKNOWN,
        subject,
        f"No upload has the debug id {render_debug_id(subject.debug_id)} of this file.{also}",
        tuple(searched),
    )


def other_build(subject: Subject, searched: Sequence[str], found: bytes) -> Problem:
    """The file is there, from another build."""
    assert subject.debug_id is not None
    return Problem(
        ProblemKind.OTHER_BUILD,
        subject,
        f"The file that runs has the debug id {render_debug_id(subject.debug_id)}, the one that was"
        f" uploaded for {subject.release} has {render_debug_id(found)}: it is from another build."
        " Upload the files that are deployed, from the same build.",
        tuple(searched),
    )


def release_unknown(subject: Subject, searched: Sequence[str]) -> Problem:
    """Nothing was uploaded for the release."""
    return Problem(
        ProblemKind.RELEASE_UNKNOWN,
        subject,
        f"Nothing was uploaded for the release {_name_release(subject)}, and the event names no"
        " debug id of this file.",
        tuple(searched),
    )


def url_unknown(
    subject: Subject, searched: Sequence[str], *, file_count: int, urls: Sequence[str]
) -> Problem:
    """Files were uploaded for the release, but not this one."""
    listed = ", ".join(urls[:_LISTED]) + (", …" if len(urls) > _LISTED else "")
    alike = _find_alike(searched, urls)
    advice = f" Of {alike} only the beginning differs: see --url-prefix." if alike else ""
    return Problem(
        ProblemKind.URL_UNKNOWN,
        subject,
        f"The release {_name_release(subject)} has {_count(file_count)}, none at"
        f" {searched[0] if searched else subject.file}: {listed}.{advice}",
        tuple(searched),
        needs_injection=not alike,
    )


def no_map(subject: Subject, searched: Sequence[str], script: str) -> Problem:
    """The script is there, its map is not."""
    return Problem(
        ProblemKind.NO_MAP,
        subject,
        f"{script} was uploaded without its source map. Let the build write source maps, and upload"
        " both.",
        tuple(searched),
    )


def unreadable(subject: Subject, searched: Sequence[str], reason: str) -> Problem:
    """The map is there, and of no use."""
    return Problem(
        ProblemKind.UNREADABLE, subject, f"The upload is there, but {reason}.", tuple(searched)
    )


def no_position(subject: Subject, searched: Sequence[str], line: int, column: int) -> Problem:
    """The map says nothing about a place."""
    return Problem(
        ProblemKind.NO_POSITION,
        subject,
        f"The source map was read, but it has nothing for line {line}, column {column}: it is of"
        " another build, or the file was changed after the build.",
        tuple(searched),
    )


def no_content(subject: Subject, searched: Sequence[str], source: str) -> Problem:
    """The place is known, the code is not."""
    return Problem(
        ProblemKind.NO_CONTENT,
        subject,
        f"The source map has no sourcesContent for {source}, so its place is known but not its"
        " code. Let the build put the sources into the map.",
        tuple(searched),
    )


def render_command(problem: Problem, *, monitor_url: str, project: str) -> str:
    """Return what to run in the folder of the build, for the shell."""
    subject = problem.subject
    cli = f"npx sentry-cli --url {shlex.quote(monitor_url)}"
    target = f"--org resumatch --project {shlex.quote(project)}"
    release = f" --release {shlex.quote(subject.release)}" if subject.release else ""
    dist = f" --dist {shlex.quote(subject.dist)}" if subject.dist else ""
    prefix = "" if problem.needs_injection else f" --url-prefix {shlex.quote(_prefix(problem))}"
    upload = f"{cli} sourcemaps upload {target}{release}{dist}{prefix} ./dist"
    return f"npx sentry-cli sourcemaps inject ./dist && {upload}" if not prefix else upload


def _prefix(problem: Problem) -> str:
    url = problem.searched[0] if problem.searched else problem.subject.file
    return url.rpartition("/")[0] or "~"


def _find_alike(searched: Sequence[str], urls: Sequence[str]) -> str | None:
    names = {url.rpartition("/")[2] for url in searched}
    return next((url for url in urls if url.rpartition("/")[2] in names), None)


def _name_release(subject: Subject) -> str:
    return f"{subject.release} (dist {subject.dist})" if subject.dist else subject.release


def _count(files: int) -> str:
    return "one uploaded script" if files == 1 else f"{files} uploaded scripts"
