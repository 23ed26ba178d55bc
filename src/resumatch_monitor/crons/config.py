"""`crons`: what is told of scheduled jobs."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from resumatch_monitor.kit.models import ConfigModel, Duration


class CronsConfig(ConfigModel):
    """Scheduled jobs that check in by Sentry's protocol."""

    severity: Literal["critical", "warning", "info"] = "warning"
    """Severity of the alerts about jobs that fail."""
    retention: Duration = Field(
        default=timedelta(days=90), description="How long runs and their incidents are kept."
    )
