"""What can be set for a project, in the configuration, in the UI and by API alike."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.kit.regex import Regex
from resumatch_monitor.sentry.categories import Category

_SHORTEST_WINDOW = timedelta(seconds=1)
_LONGEST_WINDOW = timedelta(days=31)


def _check_window(window: timedelta) -> timedelta:
    if not _SHORTEST_WINDOW <= window <= _LONGEST_WINDOW:
        raise ValueError("a window is between 1s and 31d")
    return window


def _check_expression(text: str) -> str:
    if Regex(text).matches(""):
        raise ValueError("it matches an empty text, and so everything")
    return text


def _check_category(name: str) -> str:
    if name != "all" and name not in {each.value for each in Category}:
        raise ValueError(
            f"there is no category {name!r}; there are all, "
            + ", ".join(each.value for each in Category)
        )
    return name


Window = Annotated[Duration, AfterValidator(_check_window)]
Glob = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Key = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Expression = Annotated[
    str, StringConstraints(min_length=1, max_length=500), AfterValidator(_check_expression)
]


class FilterSettings(ConfigModel):
    """What is dropped at the door, and only counted."""

    browser_extensions: bool = True
    """Errors of browser extensions, as far as they are known."""
    localhost: bool = False
    """Events from pages and servers at localhost."""
    web_crawlers: bool = True
    """Errors that search engines' crawlers and other robots meet."""
    health_checks: bool = True
    """Transactions of health checks, such as `/healthz`."""
    releases: list[Glob] = Field(default_factory=list[str], max_length=100)
    """Releases whose events are dropped, for example `web@1.*`."""
    messages: list[Glob] = Field(default_factory=list[str], max_length=100)
    """Messages of errors, or `Type: message`, for example `*ResizeObserver loop*`."""


class ScrubPattern(ConfigModel):
    """A regular expression (RE2) whose matches are taken out of every text."""

    name: str = Field(default="", max_length=50)
    """Shown in place of what was taken out: `[Filtered:name]`."""
    pattern: Expression
    """What is taken out; it may not match an empty text."""


class ScrubSettings(ConfigModel):
    """What is taken out of events before they are stored, beside the built-in rules."""

    keys: list[Key] = Field(default_factory=list[str], max_length=200)
    """Names of fields whose values are taken out."""
    safe_keys: list[Key] = Field(default_factory=list[str], max_length=200)
    """Names of fields that the rules about names leave alone; patterns still apply."""
    patterns: list[ScrubPattern] = Field(default_factory=list[ScrubPattern], max_length=20)
    addresses: Literal["keep", "anonymise", "drop"] = "anonymise"
    """IP addresses of users: as they are, as their networks (/24, /48), or not at all."""


class RateLimit(ConfigModel):
    """So many in so long."""

    limit: int = Field(ge=0, lt=2**53)
    """How many; of attachments, how many bytes."""
    window: Window = timedelta(hours=1)
    """In how long; windows begin at multiples of this since 1970."""


class QuotaRule(RateLimit):
    """At most so much of a category."""

    category: Annotated[str, AfterValidator(_check_category)] = Category.ERROR.value
    """`error`, `transaction`, `span`, …, or `all` for all together."""


class SpikeSettings(ConfigModel):
    """Protection from sudden floods: an hour may bring so many times the usual."""

    enabled: bool = True
    """Whether an hour is held to a multiple of the usual."""
    factor: float = Field(default=10.0, ge=1.0, le=1_000.0)
    """How many times the mean of the last seven days' hours an hour may bring."""
    min_per_hour: int = Field(
        default=500_000,
        ge=0,
        description=(
            "What an hour may bring in any case, errors and transactions each; of spans, logs and"
            " metrics ten times that."
        ),
    )


class ProjectSettings(ConfigModel):
    """Everything that can be set for a project."""

    filters: FilterSettings = Field(default_factory=FilterSettings)
    scrubbing: ScrubSettings = Field(default_factory=ScrubSettings)
    quotas: list[QuotaRule] = Field(default_factory=list[QuotaRule], max_length=20)
    spike_protection: SpikeSettings = Field(default_factory=SpikeSettings)
    store_attachments: bool = True
    """Whether files that come with events are kept. Texts are scrubbed, pictures are not."""
