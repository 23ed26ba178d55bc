"""The projects that may send, and the keys that let them."""

import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from resumatch_monitor.sentry.config import ProjectConfig


class Projects:
    """Finds projects by number."""

    def __init__(self, projects: Iterable[ProjectConfig]) -> None:
        self._by_id = {project.id: project for project in projects}

    def all(self) -> list[ProjectConfig]:
        """Return the projects in order of their numbers."""
        return [self._by_id[number] for number in sorted(self._by_id)]

    def find(self, number: str) -> ProjectConfig | None:
        """Return the project with `number`, as a path writes it."""
        if not (number.isascii() and number.isdigit() and len(number) < 16):
            return None
        return self._by_id.get(int(number))

    def slug(self, number: int) -> str:
        """Return a project's slug; a made-up one if it has left the configuration."""
        project = self._by_id.get(number)
        return project.slug if project is not None else f"project-{number}"


def is_key_of(project: ProjectConfig, key: str) -> bool:
    """Tell whether `key` is the public key of `project`'s DSN."""
    return hmac.compare_digest(project.key.encode(), key.encode("utf-8", "replace"))


def parse_auth_header(header: str) -> str | None:
    """Return the key in `Sentry sentry_key=…, sentry_version=7`, or None."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "sentry":
        return None
    for part in rest.split(","):
        name, _, value = part.strip().partition("=")
        if name == "sentry_key":
            return value.strip().strip('"')
    return None


def parse_dsn(dsn: object) -> tuple[str, str] | None:
    """Return the key and the project number of a DSN, or None if it is not one."""
    if not isinstance(dsn, str):
        return None
    try:
        parts = urlsplit(dsn)
        key = parts.username
    except ValueError:
        return None
    number = parts.path.rstrip("/").rpartition("/")[2]
    return (key, number) if key and number else None


def render_dsn(project: ProjectConfig, base_url: str) -> str:
    """Return the DSN of `project` for a monitor that is reached at `base_url`."""
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{project.key}@{parts.netloc}{path}/{project.id}"
