"""Uploaded résumés."""

import asyncio
import uuid
from datetime import UTC, datetime
from http import HTTPStatus

from sqlalchemy import delete, func, select

from resumatch.backend import audit, privacy
from resumatch.backend.analytics import ConversionTracker
from resumatch.backend.auth import Person
from resumatch.backend.database import Database
from resumatch.backend.errors import ApiError
from resumatch.backend.extraction import Extractor
from resumatch.backend.metrics import Metrics
from resumatch.backend.models import Resume
from resumatch.backend.uploads import (
    DocumentKind,
    SuspiciousFileError,
    UnreadableFileError,
    UnsupportedFileError,
    inspect,
)

_MOST_RESUMES = 50


class Resumes:
    """Takes files in, checks them, and keeps their text."""

    def __init__(
        self,
        *,
        database: Database,
        extractor: Extractor,
        tracker: ConversionTracker,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._extractor = extractor
        self._tracker = tracker
        self._metrics = metrics

    async def add(
        self,
        person: Person,
        data: bytes,
        *,
        filename: str,
        content_type: str,
        is_synthetic: bool,
    ) -> Resume:
        """Keep the text of a file.

        Raises:
            ApiError: 400, 415 or 422, if the file is dangerous, of another kind or broken.
        """
        kind, text = await self._read(person, data, filename=filename, content_type=content_type)
        privacy.remember(text)
        resume = Resume(
            id=uuid.uuid4(),
            user_id=person.id,
            kind=kind.value,
            text=text,
            created_at=datetime.now(UTC),
        )
        kept = (
            select(Resume.id)
            .where(Resume.user_id == person.id)
            .order_by(Resume.created_at.desc())
            .limit(_MOST_RESUMES)
        )
        async with self._database.transaction() as db:
            db.add(resume)
            await db.flush()
            dropped = list(
                await db.scalars(
                    delete(Resume)
                    .where(Resume.user_id == person.id, Resume.id.not_in(kept))
                    .returning(Resume.id)
                )
            )
        if not is_synthetic:
            self._metrics.resume_uploads.inc()
            await self._tracker.track_upload(person.id)
        audit.record_success(
            audit.Action.UPLOAD,
            user_id=person.id,
            resume_id=str(resume.id),
            kind=kind.value,
            characters=len(text),
        )
        for resume_id in dropped:
            audit.record_success(
                audit.Action.RESUME_DELETION,
                user_id=person.id,
                resume_id=str(resume_id),
                reason="replaced by later ones",
            )
        return resume

    async def text_of(self, person: Person, resume_id: uuid.UUID) -> str:
        """Return the text of one of this person's résumés.

        Raises:
            ApiError: 404 if there is none.
        """
        statement = select(Resume.text).where(Resume.id == resume_id, Resume.user_id == person.id)
        async with self._database.transaction() as db:
            text = await db.scalar(statement)
        if text is None:
            raise ApiError(HTTPStatus.NOT_FOUND, "not_found", "There is no such résumé.")
        privacy.remember(text)
        return text

    async def count(self, person: Person) -> int:
        async with self._database.transaction() as db:
            statement = select(func.count()).where(Resume.user_id == person.id)
            return await db.scalar(statement) or 0

    async def _read(
        self, person: Person, data: bytes, *, filename: str, content_type: str
    ) -> tuple[DocumentKind, str]:
        try:
            # Unpacking tens of megabytes takes time that other requests would wait for.
            kind = await asyncio.to_thread(
                inspect, data, filename=filename, content_type=content_type
            )
            return kind, await self._extractor.extract(kind, data)
        except SuspiciousFileError as error:
            self._metrics.suspicious_uploads.labels(error.reason).inc()
            audit.record_failure(audit.Action.UPLOAD, reason=error.reason, user_id=person.id)
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                "suspicious_file",
                "This file was refused: it does not look like a plain résumé.",
            ) from None
        except UnsupportedFileError as error:
            audit.record_failure(audit.Action.UPLOAD, reason="unsupported", user_id=person.id)
            raise ApiError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_file", str(error)
            ) from None
        except UnreadableFileError as error:
            audit.record_failure(audit.Action.UPLOAD, reason="unreadable", user_id=person.id)
            raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "unreadable_file", str(error)) from None
