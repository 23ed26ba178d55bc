"""`projects`: who may send."""

from pydantic import Field

from resumatch_monitor.kit.models import ConfigModel


class ProjectConfig(ConfigModel):
    """A project of an application: its DSN is `http://<key>@<host>/<id>`."""

    id: int = Field(gt=0)
    """The number at the end of the DSN."""
    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")
    """Begins the short ids of its issues."""
    key: str = Field(pattern=r"^[0-9a-f]{32}$", description="The public key of the DSN.")
    name: str = ""
    """For people; the slug if empty."""
