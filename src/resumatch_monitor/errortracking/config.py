"""`projects` and `errors`: who may send events, how many are kept, what is scrubbed."""

from datetime import timedelta

from pydantic import Field

from resumatch_monitor.kit.models import ConfigModel, Duration


class ProjectConfig(ConfigModel):
    """A project of an application: its DSN is `http://<key>@<host>/<id>`."""

    id: int = Field(gt=0)
    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")
    key: str = Field(pattern=r"^[0-9a-f]{32}$", description="The public key of the DSN.")
    name: str = ""


class ErrorsConfig(ConfigModel):
    """Limits and retention of error events."""

    retention: Duration = timedelta(days=90)
    events_per_issue: int = Field(
        default=1_000, gt=0, description="Older events of an issue are dropped; counts stay."
    )
    event_max_bytes: int = Field(default=1024 * 1024, gt=0)
    envelope_max_bytes: int = Field(default=20 * 1024 * 1024, gt=0)
    spool_max_bytes: int = Field(default=1024 * 1024 * 1024, gt=0)
    scrub_keys: list[str] = Field(
        default_factory=list[str], description="Key names scrubbed beside the built-in ones."
    )
    new_issue_severity: str = Field(default="warning", pattern="^(critical|warning|info)$")
