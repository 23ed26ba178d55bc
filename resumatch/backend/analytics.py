"""The conversion funnel: signed up, uploaded, analysed, looked at the result."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import update
from sqlalchemy.orm import InstrumentedAttribute

from resumatch.backend.database import Database
from resumatch.backend.models import User


class ConversionTracker:
    """Counts each person once a step, in order, and only within the window of the step before.

    When a person took a step is kept with the account, so that a restart counts nobody twice
    and a deleted account takes it along.
    """

    def __init__(
        self, *, database: Database, registry: CollectorRegistry, window: timedelta
    ) -> None:
        self._database = database
        self._window = window
        self.signup_to_upload = Counter(
            "signup_to_upload", "Users who uploaded resume after signup", registry=registry
        )
        self.upload_to_analysis = Counter(
            "upload_to_analysis", "Users who analyzed job after upload", registry=registry
        )
        self.analysis_to_result = Counter(
            "analysis_to_result", "Users who viewed results after analysis", registry=registry
        )

    async def track_upload(self, user_id: UUID) -> None:
        if await self._advance(user_id, User.created_at, User.uploaded_at):
            self.signup_to_upload.inc()

    async def track_analysis(self, user_id: UUID) -> None:
        if await self._advance(user_id, User.uploaded_at, User.analyzed_at):
            self.upload_to_analysis.inc()

    async def track_result_view(self, user_id: UUID) -> None:
        if await self._advance(user_id, User.analyzed_at, User.result_viewed_at):
            self.analysis_to_result.inc()

    async def _advance(
        self,
        user_id: UUID,
        previous: InstrumentedAttribute[datetime] | InstrumentedAttribute[datetime | None],
        step: InstrumentedAttribute[datetime | None],
    ) -> bool:
        now = datetime.now(UTC)
        # One statement: of two requests at once, only one finds the step not taken.
        statement = (
            update(User)
            .where(
                User.id == user_id,
                User.is_synthetic.is_(False),
                step.is_(None),
                previous >= now - self._window,
            )
            .values({step: now})
            .returning(User.id)
            .execution_options(synchronize_session=False)
        )
        async with self._database.transaction() as db:
            return (await db.execute(statement)).first() is not None
