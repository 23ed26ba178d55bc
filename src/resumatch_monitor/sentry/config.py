"""`projects` and `intake`: who may send, and what is kept of it."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from resumatch_monitor.kit.models import ConfigModel, Duration, Size
from resumatch_monitor.sentry.settings import ProjectSettings, RateLimit

SLUG_PATTERN = r"^[a-z0-9][a-z0-9-]{0,49}$"
KEY_PATTERN = r"^[0-9a-f]{32}$"

Platform = Annotated[str, StringConstraints(max_length=50, pattern=r"^[a-z0-9.-]*$")]


class KeyConfig(ConfigModel):
    """One more key of a project."""

    key: str = Field(pattern=KEY_PATTERN, description="The public key of the DSN.")
    name: str = Field(default="", max_length=100)
    """For people."""
    enabled: bool = True
    """What is sent with a key that is not is refused."""
    rate_limit: RateLimit | None = None
    """How many errors may be sent with it."""


class ProjectConfig(ProjectSettings):
    """A project of an application: its DSN is `http://<key>@<host>/<id>`."""

    id: int = Field(gt=0, lt=2**31)
    """The number at the end of the DSN."""
    slug: str = Field(pattern=SLUG_PATTERN)
    """Begins the short ids of its issues."""
    key: str = Field(pattern=KEY_PATTERN, description="The public key of the DSN.")
    name: str = Field(default="", max_length=100)
    """For people; the slug if empty."""
    platform: Platform = ""
    """What it is written with, for the instructions: `python`, `node`, `javascript.nextjs`."""
    keys: list[KeyConfig] = Field(default_factory=list[KeyConfig], max_length=20)
    """Keys beside `key`, for example while one replaces the other."""

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        keys = [self.key, *(each.key for each in self.keys)]
        if len(set(keys)) < len(keys):
            raise ValueError("a key is listed twice")
        return self


class IntakeConfig(ConfigModel):
    """What is kept of what Sentry's SDKs send beside errors and performance."""

    envelope_packed_max_bytes: Size = Field(default=20 * 1024 * 1024, gt=0)
    """A larger request, as it comes, is refused with 413."""
    attachment_max_bytes: Size = Field(default=20 * 1024 * 1024, gt=0)
    """A larger attachment is dropped."""
    files_max_bytes: Size = Field(
        default=1024 * 1024 * 1024,
        gt=0,
        description="How much attachments, profiles and replays may take; the oldest give way.",
    )
    files_retention: Duration = timedelta(days=30)
    """How long they are kept."""
    store_profiles: bool = False
    """Whether profiles are kept; otherwise they are counted only."""
    store_replays: bool = False
    """Whether replays are kept; otherwise they are counted only."""
