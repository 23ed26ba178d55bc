"""`logs.files`: which files are followed, and how their lines are read."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from resumatch_monitor.kit.models import ConfigModel, Duration, FilePath, Size
from resumatch_monitor.kit.regex import Regex
from resumatch_monitor.kit.zones import find_zone


def check_zone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        ValueError: If there is none of that name.
    """
    find_zone(name)
    return name


def _check_pattern(pattern: str) -> str:
    Regex(pattern)
    return pattern


class LogFileConfig(ConfigModel):
    """Files that are followed."""

    path: FilePath
    """A pattern, relative to this file: `*`, `?`, `[a-z]`, and `**` for any folders but links."""
    service: str = ""
    """The service of records that do not name one."""
    environment: str = ""
    """The environment of records that do not name one."""
    format: Literal["auto", "json", "text"] = Field(
        default="auto",
        description=(
            "`json` for a record on each line; `text` for lines that are never looked into;"
            " `auto` decides line by line between JSON, logfmt and text."
        ),
    )
    multiline: bool = Field(
        default=True,
        description=(
            "Whether lines that are indented or belong to a stack trace join the line before them."
        ),
    )
    first_line: Annotated[str, AfterValidator(_check_pattern)] = Field(
        default="",
        description=(
            "A regular expression (RE2) found in the first line of each record, instead of"
            " guessing which lines belong together."
        ),
    )
    max_lines: int = Field(
        default=500, ge=1, le=10_000, description="How many lines may make one record."
    )
    max_record_bytes: Size = Field(
        default=256 * 1024,
        ge=1024,
        le=1024 * 1024,
        description="How long a record may be; a longer line is cut, and says so.",
    )
    wait: Duration = Field(
        default=timedelta(milliseconds=500),
        ge=timedelta(0),
        le=timedelta(seconds=30),
        description="How long a text waits for lines that belong to it.",
    )
    start_at: Literal["beginning", "end"] = Field(
        default="beginning",
        description="Where to begin in files that are there when this pattern is first used.",
    )
    timezone: Annotated[str, AfterValidator(check_zone)] = "UTC"
    """The zone of times that name none."""
