"""`logs.rules`: of which records people are told."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.logs.fields import Field as RecordField
from resumatch_monitor.logs.fields import resolve_field
from resumatch_monitor.logs.pipeline.config import FieldName, Query
from resumatch_monitor.metrics.otlp.names import name_label

_SHORTEST_WINDOW, _LONGEST_WINDOW = timedelta(minutes=1), timedelta(days=1)
_SHORTEST_PACE, _LONGEST_PACE = timedelta(seconds=10), timedelta(hours=1)
_OWN_LABELS = frozenset(("alertname", "severity"))


class LogRuleConfig(ConfigModel):
    """A rule over records: how many a query finds within a window."""

    name: str = Field(min_length=1, max_length=100)
    """The alert's name; no two rules have the same."""
    query: Query
    """As one writes it to search."""
    window: Duration = timedelta(minutes=5)
    """In how much time up to now records are counted; a minute to a day."""
    every: Duration = timedelta(minutes=1)
    """How often; 10 seconds to an hour."""
    above: int | None = Field(
        default=None, ge=0, description="Fires while there are more than so many."
    )
    below: int | None = Field(
        default=None,
        gt=0,
        description="Fires while there are fewer than so many; 1: while there is none.",
    )
    group_by: FieldName | None = Field(
        default=None,
        description=(
            "A field: each of its values is counted, and told, by itself; the hundred most"
            " frequent. It becomes a label."
        ),
    )
    groups: list[str] = Field(
        default_factory=list[str],
        max_length=50,
        description="With `below` and `group_by`: which values are expected.",
    )
    for_: Duration = Field(
        default=timedelta(0), alias="for", description="For how long it has to hold."
    )
    keep_firing_for: Duration = timedelta(0)
    """For how long it still fires when it does not hold any more."""
    severity: Literal["critical", "warning", "info"] = "warning"
    """Of the alert."""
    labels: dict[str, str] = Field(
        default_factory=dict[str, str], max_length=20, description="More labels of the alert."
    )
    annotations: dict[str, str] = Field(
        default_factory=dict[str, str],
        max_length=20,
        description=(
            "Texts for people; `{{ $value }}` stands for the count, `{{ $labels.name }}` for a"
            " label. `summary` and `description` (the newest record) are there by themselves."
        ),
    )

    @field_validator("window")
    @classmethod
    def _check_window(cls, window: timedelta) -> timedelta:
        if not _SHORTEST_WINDOW <= window <= _LONGEST_WINDOW:
            raise ValueError("a window is a minute to a day")
        return window

    @field_validator("every")
    @classmethod
    def _check_pace(cls, every: timedelta) -> timedelta:
        if not _SHORTEST_PACE <= every <= _LONGEST_PACE:
            raise ValueError("a rule is looked at every 10 seconds to every hour")
        return every

    @field_validator("group_by")
    @classmethod
    def _check_group(cls, name: str | None) -> str | None:
        if name is not None and resolve_field(name) == RecordField.MESSAGE:
            raise ValueError("messages have no groups; a pipeline can take a field out of them")
        return name

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            if name in _OWN_LABELS or name_label(name) != name:
                raise ValueError(f"{name[:100]!r} cannot be a label of its own")
        return labels

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("a rule has either above or below")
        if self.group_by is not None and self.below is not None and not self.groups:
            raise ValueError("which values are expected? A value that is gone is in no record")
        if self.groups and (self.group_by is None or self.below is None):
            raise ValueError("groups belong to below and group_by")
        return self
