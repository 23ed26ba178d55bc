"""`performance`: thresholds, how long figures are kept, how many things are told apart."""

from datetime import timedelta
from fnmatch import fnmatchcase

from pydantic import Field

from resumatch_monitor.kit.models import ConfigModel, Duration


class ApdexThreshold(ConfigModel):
    """A threshold of some endpoints' own."""

    project: str = ""
    """The slug of a project; all, if it is empty."""
    endpoint: str = Field(
        default="*", min_length=1, max_length=500, description="Names of endpoints, with `*`."
    )
    threshold: Duration = Field(gt=timedelta(0))
    """Up to which duration somebody who waits is satisfied."""


class FindingsConfig(ConfigModel):
    """What is found wrong in single requests."""

    repeated_queries: int = Field(default=5, ge=2, le=10_000)
    """How often the same query must follow itself to be an N+1."""
    repeated_queries_duration: Duration = timedelta(milliseconds=50)
    """How long these must take together."""
    slow_query: Duration = timedelta(seconds=1)
    """From which duration a single query is slow."""
    consecutive_requests: int = Field(default=3, ge=2, le=10_000)
    """How many requests to other servers, one after the other, are too many."""
    consecutive_request_duration: Duration = timedelta(milliseconds=500)
    """From which duration a request counts among these."""
    consecutive_requests_duration: Duration = timedelta(seconds=2)
    """How long these must take together."""
    severity: str = Field(default="info", pattern="^(critical|warning|info|none)$")
    """Severity of the alert for a new finding: `critical`, `warning`, `info`; or `none`."""


class PerformanceConfig(ConfigModel):
    """Endpoints, database statements, web vitals."""

    apdex_threshold: Duration = Field(
        default=timedelta(milliseconds=300),
        gt=timedelta(0),
        description="Up to which duration somebody who waits is satisfied; up to four times that"
        " they tolerate it.",
    )
    pageload_apdex_threshold: Duration = Field(
        default=timedelta(seconds=2.5),
        gt=timedelta(0),
        description="The same for page loads and navigations in browsers.",
    )
    apdex_thresholds: list[ApdexThreshold] = Field(
        default_factory=list[ApdexThreshold],
        max_length=200,
        description="Thresholds of single projects and endpoints; the first that matches counts.",
    )
    fine_retention: Duration = Field(
        default=timedelta(days=2),
        ge=timedelta(hours=4),
        description="How long figures are kept by the minute; by the hour they stay longer.",
    )
    retention: Duration = Field(
        default=timedelta(days=90),
        ge=timedelta(days=1),
        description="How long figures by the hour and findings are kept.",
    )
    endpoints_per_project: int = Field(
        default=500,
        ge=1,
        le=5_000,
        description="How many endpoints are told apart; further ones are counted together.",
    )
    statements_per_project: int = Field(
        default=1_000,
        ge=1,
        le=10_000,
        description="How many statements of databases are told apart, and as many addresses of"
        " requests; further ones are counted together.",
    )
    findings: FindingsConfig = Field(default_factory=FindingsConfig)

    def find_apdex_threshold(self, project: str, endpoint: str, op: str) -> timedelta:
        """Return the threshold of an endpoint.

        Args:
            project: The slug of its project.
            endpoint: Its name.
            op: Its operation.
        """
        for each in self.apdex_thresholds:
            # Only stars mean anything: routes have brackets of their own.
            pattern = each.endpoint.replace("[", "[[]").replace("?", "[?]")
            if each.project in ("", project) and fnmatchcase(endpoint, pattern):
                return each.threshold
        is_page = op in ("pageload", "navigation")
        return self.pageload_apdex_threshold if is_page else self.apdex_threshold
