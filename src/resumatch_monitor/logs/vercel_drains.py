"""Vercel's log drains: which there are, and whether a request is one's."""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from resumatch_monitor.logs.config import VercelDrainConfig


class ProjectNames(Protocol):
    """Names projects."""

    def slug(self, number: int) -> str:
        """Return the slug of a project; a made-up one if there is none."""
        ...

    def number(self, slug: str) -> int | None:
        """Return the number of the project that has a slug."""
        ...


@dataclass(frozen=True, slots=True)
class VercelDrain:
    """One drain.

    Attributes:
        project_id: Whose it is.
        secret: What Vercel signs with.
        verification_code: What every answer shows.
    """

    project_id: int
    secret: bytes = field(repr=False)
    verification_code: str

    def has_signed(self, body: bytes, signature: str) -> bool:
        """Tell whether a signature is that of a body as it came."""
        # https://vercel.com/docs/drains/security: it is SHA-1 that Vercel signs with.
        expected = hmac.new(self.secret, body, "sha1").hexdigest()
        return hmac.compare_digest(expected.encode(), signature.strip().lower().encode())


class VercelDrains:
    """The drains of the configuration."""

    def __init__(self, configured: Iterable[VercelDrainConfig], projects: ProjectNames) -> None:
        self._configured = {each.project: each for each in configured}
        self._projects = projects

    def find(self, project: str) -> VercelDrain | None:
        """Return the drain of a project, given by its slug or its number; None if it has none."""
        is_number = project.isascii() and project.isdigit() and len(project) < 16
        slug = self._projects.slug(int(project)) if is_number else project
        config = self._configured.get(slug)
        number = self._projects.number(slug) if config is not None else None
        if config is None or number is None:
            return None
        return VercelDrain(
            number, config.secret.get_secret_value().encode(), config.verification_code
        )
