"""The projects that may send, and the keys that let them."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.settings import ProjectSettings, RateLimit


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectKey:
    """A key of a project.

    Attributes:
        id: For paths; 0 of a key from the configuration.
        public: What stands in the DSN: 32 hexadecimal digits.
        name: For people.
        is_enabled: Whether it lets anybody in.
        rate_limit: How many errors may be sent with it.
        created_at: None of a key from the configuration.
    """

    public: str
    id: int = 0
    name: str = ""
    is_enabled: bool = True
    rate_limit: RateLimit | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """An application that may send.

    Attributes:
        platform: What it is written with; empty if nobody said.
        is_provisioned: Whether it comes from the configuration, and is changed there only.
        created_at: None of a project from the configuration.
    """

    id: int
    slug: str
    name: str = ""
    platform: str = ""
    keys: tuple[ProjectKey, ...] = ()
    settings: ProjectSettings
    is_provisioned: bool = False
    created_at: datetime | None = None

    @property
    def key(self) -> str:
        """The public key to show in a DSN: the first that is enabled, else the first, if any."""
        enabled = [each.public for each in self.keys if each.is_enabled]
        return next(iter([*enabled, *(each.public for each in self.keys)]), "")

    def find_key(self, public: str) -> ProjectKey | None:
        """Return the key of that name, enabled or not."""
        wanted = public.encode("utf-8", "replace")
        found = [each for each in self.keys if hmac.compare_digest(each.public.encode(), wanted)]
        return found[0] if found else None


def provision(config: ProjectConfig) -> Project:
    """Return the project that a section of the configuration describes."""
    keys = [
        ProjectKey(public=config.key, name="Default"),
        *(
            ProjectKey(
                public=each.key,
                name=each.name,
                is_enabled=each.enabled,
                rate_limit=each.rate_limit,
            )
            for each in config.keys
        ),
    ]
    return Project(
        id=config.id,
        slug=config.slug,
        name=config.name,
        platform=config.platform,
        keys=tuple(keys),
        settings=ProjectSettings(**{name: getattr(config, name) for name in _SETTINGS}),
        is_provisioned=True,
    )


_SETTINGS = tuple(ProjectSettings.model_fields)


class Projects:
    """Finds projects by number.

    What is in the configuration stays; what people make is replaced as a whole, and whoever asks
    next sees it. It may be asked on any thread.
    """

    def __init__(self, configured: Iterable[ProjectConfig], *, is_complete: bool = True) -> None:
        """Know what is configured.

        Args:
            configured: Projects of the configuration.
            is_complete: Whether there are no others, until those that people made are known.
        """
        self.is_complete = is_complete
        self._provisioned = [provision(each) for each in configured]
        self._by_id = {each.id: each for each in self._provisioned}

    def replace_made(self, made: Iterable[Project]) -> list[Project]:
        """Know `made`, and no others, beside what is configured.

        Returns:
            Those left out, because a number, slug or key of theirs is the configuration's.
        """
        taken = {each.slug for each in self._provisioned}
        taken |= {key.public for each in self._provisioned for key in each.keys}
        by_id = {each.id: each for each in self._provisioned}
        left_out: list[Project] = []
        for project in made:
            names = {project.slug, *(key.public for key in project.keys)}
            if project.id in by_id or not taken.isdisjoint(names):
                left_out.append(project)
            else:
                by_id[project.id] = project
        self._by_id = by_id
        self.is_complete = True
        return left_out

    def all(self) -> list[Project]:
        """Return the projects in order of their numbers."""
        by_id = self._by_id
        return [by_id[number] for number in sorted(by_id)]

    def find(self, number: str) -> Project | None:
        """Return the project with `number`, as a path writes it."""
        if not (number.isascii() and number.isdigit() and len(number) < 16):
            return None
        return self._by_id.get(int(number))

    def get(self, number: int) -> Project | None:
        """Return the project with `number`."""
        return self._by_id.get(number)

    def slug(self, number: int) -> str:
        """Return a project's slug; a made-up one if there is no such project any more."""
        project = self._by_id.get(number)
        return project.slug if project is not None else f"project-{number}"


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
    """Return the key and the project number of a DSN, or None if it is not one.

    Its host is of no interest: nothing is ever sent there.
    """
    if not isinstance(dsn, str) or len(dsn) > 2_000:
        return None
    try:
        parts = urlsplit(dsn)
        key = parts.username
    except ValueError:
        return None
    number = parts.path.rstrip("/").rpartition("/")[2]
    return (key, number) if key and number else None


def render_dsn(project: Project, base_url: str, *, key: str | None = None) -> str:
    """Return the DSN of `project` for a monitor that is reached at `base_url`.

    Args:
        project: Whose.
        base_url: Where SDKs reach the monitor.
        key: One of its keys; the first that is enabled if None.
    """
    parts = urlsplit(base_url)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{key or project.key}@{parts.netloc}{path}/{project.id}"
