"""Faults for the demonstration, all off until somebody turns one on.

They exist only with RESUMATCH_DEMO_FAULTS=1. Each breaks the way real programs break: with a real
exception, raised somewhere below, with its local variables.
"""

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import BaseModel, Field

from resumatch.backend.salaries import Salary, find_salary, read_first_salary


class FaultState(BaseModel):
    """What is broken on purpose."""

    slow_analysis_seconds: float = Field(default=0.0, ge=0.0, le=60.0)
    fail_analysis_ratio: float = Field(default=0.0, ge=0.0, le=1.0)
    error_storm: bool = False


class Faults:
    """Breaks things as the current state says."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.state = FaultState()
        # Seeded: a demonstration that breaks the same way each time can be explained.
        self._random = random.Random(7)  # noqa: S311

    def read_salary(self, job_text: str) -> Salary | None:
        """The helper of the analysis that has, in the demonstration, a bug left in it."""
        return read_first_salary(job_text) if self.enabled else find_salary(job_text)

    async def before_analysis(self) -> None:
        if self.state.slow_analysis_seconds:
            await asyncio.sleep(self.state.slow_analysis_seconds)
        if self._random.random() < self.state.fail_analysis_ratio:
            _weigh_keywords([])

    def before_answer(self) -> None:
        """Fail like a bad release: one of several causes, at every request."""
        if self.state.error_storm:
            self._random.choice(_CAUSES)()


def _weigh_keywords(keywords: list[str]) -> float:
    total_weight = sum(len(keyword) for keyword in keywords)
    return total_weight / len(keywords)


def _load_ranking_model() -> str:
    available_models = {"2025-11": "ranking-small", "2026-03": "ranking-large"}
    wanted_version = "2026-09"
    return available_models[wanted_version]


def _read_last_training() -> datetime:
    recorded = "2026-09-31T04:00:00"
    return datetime.fromisoformat(recorded).replace(tzinfo=UTC)


def _pick_region() -> str:
    regions: list[str] = []
    preferred = 0
    return regions[preferred]


def _average_of_nothing() -> float:
    return _weigh_keywords([])


_CAUSES: tuple[Callable[[], object], ...] = (
    _load_ranking_model,
    _read_last_training,
    _pick_region,
    _average_of_nothing,
)
