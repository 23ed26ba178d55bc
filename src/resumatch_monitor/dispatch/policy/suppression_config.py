"""`alerting.inhibit_rules` and `alerting.dependencies`: alerts that hold others back."""

from datetime import timedelta

from pydantic import Field, field_validator

from resumatch_monitor.dispatch.matchers import parse_matchers
from resumatch_monitor.kit.models import ConfigModel, Duration

_MOST_MATCHERS = 32


class InhibitRuleConfig(ConfigModel):
    """While an alert fires that the source matches, those that the target matches are not told."""

    name: str = ""
    """For people."""
    source_matchers: list[str] = Field(
        min_length=1,
        max_length=_MOST_MATCHERS,
        description='What must fire, for example `severity="critical"`.',
    )
    target_matchers: list[str] = Field(min_length=1, max_length=_MOST_MATCHERS)
    """What is held back."""
    equal: list[str] = Field(
        default_factory=list[str],
        max_length=_MOST_MATCHERS,
        description="Labels that must have the same value in both; absent and empty are the same.",
    )

    @field_validator("source_matchers", "target_matchers")
    @classmethod
    def _check_matchers(cls, matchers: list[str]) -> list[str]:
        for text in matchers:
            parse_matchers(text)
        return matchers


class DependencyConfig(ConfigModel):
    """While something that others stand on is down, they are not told but listed with it.

    From the ground up: an alert that stands in `on` is held back only by dependencies that are
    listed before, and nothing holds back what is graver than itself, so at any time something
    is told.
    """

    name: str = Field(min_length=1)
    """For people: what the others depend on."""
    on: list[str] = Field(min_length=1, max_length=_MOST_MATCHERS)
    """Matchers of the alerts that say that it is down."""
    affects: list[str] = Field(min_length=1, max_length=_MOST_MATCHERS)
    """Matchers of the alerts that it drags along."""
    equal: list[str] = Field(
        default_factory=list[str],
        max_length=_MOST_MATCHERS,
        description="Labels that must have the same value in both; absent and empty are the same.",
    )
    linger: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="How long after its end it still holds them back, as rules look back over it.",
    )
    wait: Duration = Field(
        default=timedelta(minutes=2),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description=(
            "Until how long after their own beginning they wait for an alert of `on` that is"
            " pending: what notices a cause is often slower than what notices its effects."
        ),
    )

    @field_validator("on", "affects")
    @classmethod
    def _check_matchers(cls, matchers: list[str]) -> list[str]:
        for text in matchers:
            parse_matchers(text)
        return matchers


def default_dependencies() -> list[DependencyConfig]:
    """Return what the shipped rules drag along."""
    return [
        DependencyConfig(
            name="database",
            on=['alertname="DatabaseConnectionFailed"'],
            affects=[
                'alertname=~"HighErrorRate|HighResponseTime|HighAnalysisFailureRate'
                "|LowUserRegistrations|DatabasePoolExhausted|DatabaseConnectionsNearLimit"
                '|SlowQueries"'
            ],
            # As far as those rules look back.
            linger=timedelta(minutes=10),
        ),
        DependencyConfig(
            name="probe",
            on=['alertname="ProbeDown"'],
            affects=['alertname="ProbeSlow"'],
            equal=["probe"],
        ),
        DependencyConfig(
            name="metrics store",
            on=['alertname="MetricsStoreUnreachable"'],
            affects=[
                'alertname=~"MetricsStoreLosesSamples|RuleEvaluationFailing|RuleEvaluationsMissed"'
            ],
        ),
    ]
