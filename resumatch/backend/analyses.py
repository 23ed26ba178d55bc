"""Analyses: a résumé held against a job."""

import asyncio
import time
import uuid
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import select, tuple_

from resumatch.backend import audit
from resumatch.backend.analytics import ConversionTracker
from resumatch.backend.auth import Person
from resumatch.backend.database import Database
from resumatch.backend.errors import ApiError
from resumatch.backend.faults import Faults
from resumatch.backend.matching import match_resume
from resumatch.backend.metrics import Metrics
from resumatch.backend.models import Analysis
from resumatch.backend.resumes import Resumes


@dataclass(frozen=True, slots=True)
class Page:
    """Some analyses, the latest first, and where the next page begins."""

    items: list[Analysis]
    next_cursor: str | None


class Analyses:
    """Makes analyses and finds them again."""

    def __init__(
        self,
        *,
        database: Database,
        resumes: Resumes,
        tracker: ConversionTracker,
        metrics: Metrics,
        faults: Faults,
    ) -> None:
        self._database = database
        self._resumes = resumes
        self._tracker = tracker
        self._metrics = metrics
        self._faults = faults

    async def analyze(
        self, person: Person, *, resume_id: uuid.UUID, job_text: str, is_synthetic: bool
    ) -> Analysis:
        """Hold a résumé against a job and keep the result.

        Raises:
            ApiError: 404 if there is no such résumé.
        """
        resume_text = await self._resumes.text_of(person, resume_id)
        started = time.perf_counter()
        if not is_synthetic:
            self._metrics.job_analyses.inc()
        try:
            result = await self._match(resume_text, job_text)
            analysis = await self._keep(person, resume_id, job_text, result)
        except Exception as error:
            if not is_synthetic:
                self._metrics.job_analyses_failed.inc()
            audit.record_failure(
                audit.Action.ANALYSIS, reason=type(error).__name__, user_id=person.id
            )
            raise
        finally:
            elapsed = time.perf_counter() - started
            if not is_synthetic:
                self._metrics.analysis_duration.observe(elapsed)
        if not is_synthetic:
            await self._tracker.track_analysis(person.id)
        audit.record_success(
            audit.Action.ANALYSIS,
            user_id=person.id,
            analysis_id=str(analysis.id),
            resume_id=str(resume_id),
            score=analysis.score,
            duration_seconds=elapsed,
        )
        return analysis

    async def view(self, person: Person, analysis_id: uuid.UUID, *, is_synthetic: bool) -> Analysis:
        """Return one of this person's analyses.

        Raises:
            ApiError: 404 if there is none.
        """
        statement = select(Analysis).where(
            Analysis.id == analysis_id, Analysis.user_id == person.id
        )
        async with self._database.transaction() as db:
            analysis = await db.scalar(statement)
        if analysis is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is no such analysis.")
        if not is_synthetic:
            await self._tracker.track_result_view(person.id)
        return analysis

    async def page(self, person: Person, *, limit: int, cursor: str | None) -> Page:
        """Return this person's analyses, the latest first.

        Raises:
            ApiError: 400 if the cursor is not one that a page gave.
        """
        key = tuple_(Analysis.created_at, Analysis.id)
        statement = (
            select(Analysis)
            .where(Analysis.user_id == person.id)
            .order_by(Analysis.created_at.desc(), Analysis.id.desc())
            .limit(limit + 1)
        )
        if cursor is not None:
            statement = statement.where(key < tuple_(*_read_cursor(cursor)))
        async with self._database.transaction() as db:
            found = list(await db.scalars(statement))
        items = found[:limit]
        return Page(items, _cursor_of(items[-1]) if len(found) > limit else None)

    async def _match(self, resume_text: str, job_text: str) -> dict[str, Any]:
        await self._faults.before_analysis()
        salary = self._faults.read_salary(job_text)
        match = await asyncio.to_thread(match_resume, resume_text, job_text)
        return {**match.as_json(), "salary": asdict(salary) if salary else None}

    async def _keep(
        self, person: Person, resume_id: uuid.UUID, job_text: str, result: dict[str, Any]
    ) -> Analysis:
        analysis = Analysis(
            id=uuid.uuid4(),
            user_id=person.id,
            resume_id=resume_id,
            job_title=job_text.strip().splitlines()[0][:120],
            score=result["score"],
            result=result,
            created_at=datetime.now(UTC),
        )
        async with self._database.transaction() as db:
            db.add(analysis)
        return analysis


def _cursor_of(analysis: Analysis) -> str:
    return f"{analysis.created_at.timestamp():.6f}_{analysis.id.hex}"


def _read_cursor(cursor: str) -> tuple[datetime, uuid.UUID]:
    moment, _, identifier = cursor.partition("_")
    try:
        return datetime.fromtimestamp(float(moment), UTC), uuid.UUID(identifier)
    except (ValueError, OverflowError, OSError):
        raise ApiError(
            HTTPStatus.BAD_REQUEST, "bad_cursor", "The cursor is not one of this list."
        ) from None
