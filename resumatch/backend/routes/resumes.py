"""`/upload-resume`."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, UploadFile

from resumatch.backend.auth import Person
from resumatch.backend.faults import Faults
from resumatch.backend.rate_limiting import RateLimiter
from resumatch.backend.resumes import Resumes
from resumatch.backend.routes.access import PersonDependency, address_of, is_synthetic
from resumatch.backend.schemas import ResumeOut


def build_router(
    *,
    resumes: Resumes,
    limiter: RateLimiter,
    faults: Faults,
    current_person: PersonDependency,
) -> APIRouter:
    """Build the upload."""
    router = APIRouter()

    @router.post("/upload-resume", status_code=HTTPStatus.CREATED)
    async def upload_resume(
        request: Request, file: UploadFile, person: Annotated[Person, Depends(current_person)]
    ) -> ResumeOut:
        await limiter.check("upload-resume", address=address_of(request), account=str(person.id))
        faults.before_answer()
        resume = await resumes.add(
            person,
            await file.read(),
            filename=file.filename or "",
            content_type=file.content_type or "",
            is_synthetic=is_synthetic(request, person),
        )
        return ResumeOut(
            resume_id=resume.id,
            kind=resume.kind,
            characters=len(resume.text),
            created_at=resume.created_at,
        )

    _ = upload_resume
    return router
