"""`/analyze` and `/analyses`."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from resumatch.backend.analyses import Analyses
from resumatch.backend.auth import Person
from resumatch.backend.faults import Faults
from resumatch.backend.models import Analysis
from resumatch.backend.rate_limiting import RateLimiter
from resumatch.backend.routes.access import PersonDependency, address_of, is_synthetic
from resumatch.backend.schemas import AnalysisOut, AnalysisPage, AnalysisSummary, JobAnalysis


def build_router(
    *,
    analyses: Analyses,
    limiter: RateLimiter,
    faults: Faults,
    current_person: PersonDependency,
) -> APIRouter:
    """Build the routes around an analysis."""
    router = APIRouter()

    @router.post("/analyze", status_code=HTTPStatus.CREATED)
    async def analyze_job(
        request: Request,
        analysis_data: JobAnalysis,
        person: Annotated[Person, Depends(current_person)],
    ) -> AnalysisOut:
        await limiter.check("analyze", address=address_of(request), account=str(person.id))
        faults.before_answer()
        analysis = await analyses.analyze(
            person,
            resume_id=analysis_data.resume_id,
            job_text=analysis_data.job_text,
            is_synthetic=is_synthetic(request, person),
        )
        return _whole(analysis)

    @router.get("/analyses")
    async def list_analyses(
        person: Annotated[Person, Depends(current_person)],
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(max_length=80)] = None,
    ) -> AnalysisPage:
        faults.before_answer()
        page = await analyses.page(person, limit=limit, cursor=cursor)
        return AnalysisPage(
            items=[_summary(each) for each in page.items], next_cursor=page.next_cursor
        )

    @router.get("/analyses/{analysis_id}")
    async def view_analysis(
        request: Request,
        analysis_id: UUID,
        person: Annotated[Person, Depends(current_person)],
    ) -> AnalysisOut:
        faults.before_answer()
        analysis = await analyses.view(
            person, analysis_id, is_synthetic=is_synthetic(request, person)
        )
        return _whole(analysis)

    _ = analyze_job, list_analyses, view_analysis
    return router


def _summary(analysis: Analysis) -> AnalysisSummary:
    return AnalysisSummary(
        analysis_id=analysis.id,
        resume_id=analysis.resume_id,
        job_title=analysis.job_title,
        score=analysis.score,
        created_at=analysis.created_at,
    )


def _whole(analysis: Analysis) -> AnalysisOut:
    return AnalysisOut(**_summary(analysis).model_dump(), result=analysis.result)
