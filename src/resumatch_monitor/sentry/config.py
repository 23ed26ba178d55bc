"""`projects`: who may send."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from resumatch_monitor.kit.models import ConfigModel
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
