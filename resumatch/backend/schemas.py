"""What goes in and comes out of the API."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, EmailStr, Field, StringConstraints, field_validator

JobText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=20, max_length=50_000)]


class UserCreate(BaseModel):
    """Registration."""

    model_config = ConfigDict(extra="forbid")

    email: EmailStr = Field(max_length=254)
    password: str = Field(min_length=10, max_length=200, repr=False)


class Credentials(BaseModel):
    """Signing in."""

    model_config = ConfigDict(extra="forbid")

    email: str = Field(max_length=254)
    password: str = Field(max_length=200, repr=False)


class JobAnalysis(BaseModel):
    """What to hold against what."""

    model_config = ConfigDict(extra="forbid")

    resume_id: UUID
    job_text: JobText = Field(repr=False)

    @field_validator("job_text")
    @classmethod
    def _without_nul(cls, value: str) -> str:
        # PostgreSQL's text and JSON cannot hold it.
        return value.replace("\0", "")


class SignedIn(BaseModel):
    """Who signed in; the token is the one that the cookie holds."""

    user_id: UUID
    token: str = Field(repr=False)
    expires_in_seconds: int


class Me(BaseModel):
    """The person's own account."""

    user_id: UUID
    email: str
    created_at: datetime
    resumes: int


class ResumeOut(BaseModel):
    """An uploaded résumé."""

    resume_id: UUID
    kind: str
    characters: int
    created_at: datetime


class AnalysisSummary(BaseModel):
    """An analysis in a list."""

    analysis_id: UUID
    resume_id: UUID
    job_title: str
    score: int | None
    created_at: datetime


class AnalysisOut(AnalysisSummary):
    """An analysis with everything that it found."""

    result: dict[str, Any]


class AnalysisPage(BaseModel):
    """A page of analyses."""

    items: list[AnalysisSummary]
    next_cursor: str | None
