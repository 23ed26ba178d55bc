"""What can be configured about the evaluation of rules."""

from datetime import timedelta

from pydantic import Field

from resumatch_monitor.kit.models import ConfigModel, Duration


class RulesConfig(ConfigModel):
    """How rules are evaluated; Prometheus has flags for these."""

    for_outage_tolerance: Duration = timedelta(hours=1)
    """After a longer outage, an alert that was pending starts over."""
    for_grace_period: Duration = timedelta(minutes=10)
    """A restored alert waits at least so long before it fires, if its `for` is as long."""
    max_concurrent_evals: int = Field(
        default=16,
        ge=1,
        le=64,
        description=(
            "Rules that do not read each other and are evaluated at the same time, over all groups;"
            " each group always evaluates one."
        ),
    )
