"""What can be configured about the evaluation of rules."""

from datetime import timedelta

from pydantic import Field

from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.rules.policy import ErrorPolicy, NoDataPolicy


class RulesConfig(ConfigModel):
    """How rules are evaluated; Prometheus has flags for these."""

    for_outage_tolerance: Duration = timedelta(hours=1)
    """After a longer outage, an alert that was pending starts over."""
    for_grace_period: Duration = timedelta(minutes=10)
    """A restored alert waits at least so long before it fires, if its `for` is as long."""
    on_error: ErrorPolicy = Field(
        default=ErrorPolicy.ALERT,
        description=(
            "What is said when a rule cannot be evaluated for five minutes: `alert` raises"
            " `RuleEvaluationFailing` (warning), `ignore` only shows it on the page. Its alerts"
            " stay as they are in any case."
        ),
    )
    on_no_data: NoDataPolicy = Field(
        default=NoDataPolicy.IGNORE,
        description=(
            "What a rule makes of it when nothing is left of the series that it reads: `ignore`"
            " resolves its alerts, as Prometheus does, and shows it on the page; `alert` besides"
            " raises `RuleWithoutData` (info); `keep` besides leaves its alerts as they are."
            " Series that were never there count as nothing to say. A rule can have its own: in the"
            " UI, or by the key `on_no_data` in a rule file, which Prometheus does not know."
        ),
    )
    max_concurrent_evals: int = Field(
        default=16,
        ge=1,
        le=64,
        description=(
            "Rules that do not read each other and are evaluated at the same time, over all groups;"
            " each group always evaluates one."
        ),
    )
