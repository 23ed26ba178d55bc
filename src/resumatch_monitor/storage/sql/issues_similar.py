"""Finding issues that are alike: candidates by words, ranked by words and frames."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, text

from resumatch_monitor.errortracking.normalise import normalise
from resumatch_monitor.errortracking.search.facets import SimilarIssue
from resumatch_monitor.errortracking.search.similarity import (
    SCORE_MIN,
    FrameKey,
    Likeness,
    compare_frames,
    find_frames,
    find_words,
    share,
)
from resumatch_monitor.storage.sql.issues_list import ISSUE_COLUMNS, read_issue
from resumatch_monitor.storage.sql.issues_search_bounds import bounded_time
from resumatch_monitor.storage.sql.issues_sparklines import read_sparklines
from resumatch_monitor.storage.sql.payloads import PayloadReader
from resumatch_monitor.storage.sql.tables.errors import ERROR_PROJECTS, ISSUE_EVENTS, ISSUES

_CANDIDATES_A_WORD = 200
_WORDS_TRIED = 5
_ROWS_MAX = 1_000
_COMPARED = 25
_SHOWN = 10
_LETTERS_MIN = 3

_CANDIDATES = text(
    "SELECT rowid FROM issue_search WHERE issue_search MATCH :phrase"
    " ORDER BY rowid DESC LIMIT :most"
)


def find_similar(
    connection: Connection, payloads: PayloadReader, issue_id: int, now: datetime
) -> list[SimilarIssue]:
    """Return issues of the same project, the most alike first; none if there is no such issue.

    Candidates are the newest issues that have the type, the culprit or one of the longest words;
    those whose titles share most are compared by the frames of their latest events, too.
    """
    own = connection.execute(select(ISSUES).where(ISSUES.c.id == issue_id)).one_or_none()
    if own is None:
        return []
    words = _words_of(own)
    with bounded_time(connection):
        ids = _candidates(connection, own, words) - {issue_id}
        rows = _read_rows(connection, ids, own.project_id)
    titles = {row.id: share(words, _words_of(row)) for row in rows}
    closest = sorted(rows, key=lambda row: (-titles[row.id], -row.id))[:_COMPARED]
    frames = _read_frames(connection, payloads, issue_id)
    found: list[tuple[Any, Likeness]] = []
    for row in closest:
        other = _read_frames(connection, payloads, row.id)
        likeness = Likeness(titles[row.id], compare_frames(frames, other))
        if likeness.score >= SCORE_MIN:
            found.append((row, likeness))
    found.sort(key=lambda each: (-each[1].score, -each[0].id))
    found = found[:_SHOWN]
    lines = read_sparklines(connection, [row.id for row, _ in found], now)
    return [
        SimilarIssue(read_issue(row, lines[row.id]), like.score, like.title, like.frames)
        for row, like in found
    ]


def _words_of(row: Any) -> frozenset[str]:
    return find_words(row.type, row.value, row.culprit)


def _candidates(connection: Connection, own: Any, words: Iterable[str]) -> set[int]:
    longest = sorted(words, key=lambda word: (-len(word), word))[:_WORDS_TRIED]
    phrases = {own.type.lower(), own.culprit.lower(), *longest}
    found: set[int] = set()
    for phrase in phrases:
        if len(phrase) >= _LETTERS_MIN:
            quoted = '"' + phrase.replace('"', '""') + '"'
            found.update(
                connection.scalars(_CANDIDATES, {"phrase": quoted, "most": _CANDIDATES_A_WORD})
            )
    return found


def _read_rows(connection: Connection, ids: set[int], project_id: int) -> list[Any]:
    newest = sorted(ids, reverse=True)[:_ROWS_MAX]
    statement = (
        select(*ISSUE_COLUMNS)
        .join(ERROR_PROJECTS, ERROR_PROJECTS.c.project_id == ISSUES.c.project_id)
        .where(ISSUES.c.id.in_(newest), ISSUES.c.project_id == project_id)
    )
    return list(connection.execute(statement).all())


def _read_frames(
    connection: Connection, payloads: PayloadReader, issue_id: int
) -> frozenset[FrameKey]:
    row = connection.execute(
        select(ISSUE_EVENTS.c.dict_id, ISSUE_EVENTS.c.payload)
        .where(ISSUE_EVENTS.c.issue_id == issue_id)
        .order_by(ISSUE_EVENTS.c.occurred_at.desc(), ISSUE_EVENTS.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return frozenset()
    content = payloads.unpack(connection, row.dict_id, row.payload)
    return find_frames(normalise(content["event"]))
