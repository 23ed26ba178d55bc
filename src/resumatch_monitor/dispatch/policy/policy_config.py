"""What `alerting` says besides the routes: escalations, quiet hours, digests, flapping."""

import re
from datetime import timedelta
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from resumatch_monitor.dispatch.policy.route_config import NO_ESCALATION
from resumatch_monitor.kit.durations import format_duration
from resumatch_monitor.kit.models import ConfigModel, Duration
from resumatch_monitor.kit.zones import find_zone

_FEWEST_CHANGES = 3
_MOST_CHANGES = 100
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_CRITICAL = "critical"


class EscalationStepConfig(ConfigModel):
    """One step: whom else to tell, and after how long without an acknowledgement."""

    after: Duration
    """Since the alert was first told, without acknowledgement and without an end."""
    receiver: str | None = None
    """Who is told then; the route's own receiver if it is left out."""
    channels: list[str] = Field(default_factory=list[str])
    """Kinds of the receiver's integrations, for example `pagerduty`; empty for all of them."""

    @field_validator("after")
    @classmethod
    def _check_after(cls, after: timedelta) -> timedelta:
        if after <= timedelta(0):
            raise ValueError("must be longer than 0s")
        return after


class EscalationConfig(ConfigModel):
    """Who is told of an alert that nobody acknowledges; the last step is the last resort."""

    name: str
    """What routes call it."""
    steps: list[EscalationStepConfig] = Field(min_length=1, max_length=10)
    """In the order in which their time comes."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name in ("", NO_ESCALATION):
            raise ValueError(f"an escalation needs a name, and {NO_ESCALATION!r} means none")
        for earlier, later in zip(self.steps, self.steps[1:], strict=False):
            if later.after <= earlier.after:
                raise ValueError(
                    f"the steps of {self.name!r} come one after the other, but"
                    f" {format_duration(later.after)} is not after"
                    f" {format_duration(earlier.after)}"
                )
        return self


class QuietHoursConfig(ConfigModel):
    """Times in which nothing new of some severities is told; it is told when they end."""

    name: str
    """What people are told about it."""
    severities: list[str] = Field(default_factory=lambda: ["warning", "info"], min_length=1)
    """Which alerts wait."""
    even_critical: bool = False
    """Needed if `critical` is among the severities, which then wake nobody."""
    time_intervals: list[str] = Field(min_length=1)
    """Names of `time_intervals`."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if _CRITICAL in self.severities and not self.even_critical:
            raise ValueError(
                f"quiet hours {self.name!r} would hold back critical alerts;"
                " say even_critical: true if that is meant"
            )
        return self


class DigestsConfig(ConfigModel):
    """When digests are made."""

    daily_at: str = "09:00"
    """The time of day of both digests."""
    weekly_on: Literal[
        "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"
    ] = "monday"
    """The day of the weekly one."""
    location: str = "UTC"
    """The time zone of receivers that have none of their own, for example `Europe/Berlin`."""

    @field_validator("daily_at")
    @classmethod
    def _check_time(cls, text: str) -> str:
        if not _TIME_OF_DAY.fullmatch(text):
            raise ValueError(f"{text!r} is not a time of day as in '09:00'")
        return text

    @field_validator("location")
    @classmethod
    def _check_location(cls, name: str) -> str:
        find_zone(name)
        return name


class FlappingConfig(ConfigModel):
    """When an alert is said to flap, after which its changes are held back until it is quiet."""

    window: Duration = timedelta(hours=1)
    """The stretch in which changes are counted; half of it without a change is quiet."""
    changes: int = 6
    """How many times an alert begins or ends in it until it flaps; 0 never."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.changes and not _FEWEST_CHANGES <= self.changes <= _MOST_CHANGES:
            raise ValueError(
                f"changes must be {_FEWEST_CHANGES} to {_MOST_CHANGES}, or 0 for never"
            )
        if not timedelta(minutes=1) <= self.window <= timedelta(days=1):
            raise ValueError("window must be 1m to 1d")
        return self
