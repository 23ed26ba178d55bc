"""Projects that people make: what may be changed, and that it is seen at once."""

import asyncio
import logging
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Protocol

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import Ids
from resumatch_monitor.sentry.config import SLUG_PATTERN
from resumatch_monitor.sentry.projects import Project, ProjectKey, Projects
from resumatch_monitor.sentry.settings import ProjectSettings, RateLimit

logger = logging.getLogger(__name__)

_PROJECTS_MAX = 500
_KEYS_MAX = 20


class ProjectError(Exception):
    """A project cannot be changed so; the message says why."""


class NoSuchProjectError(ProjectError):
    """There is no such project, or no such key of it."""


class ProvisionedError(ProjectError):
    """The project is the configuration's."""

    def __init__(self, project: Project) -> None:
        super().__init__(
            f"The project {project.slug} stands in the configuration, in the section `projects`,"
            " and is changed there."
        )


class ConflictError(ProjectError):
    """Something of that name is there already, or there are too many."""


class ProjectStore(Protocol):
    """Keeps the projects that people make."""

    async def load(self) -> Sequence[Project]:
        """Return all of them with their keys."""
        ...

    async def create(self, project: Project, *, taken: Collection[int]) -> int:
        """Keep a project with its keys under a number that nothing was ever sent to.

        Args:
            project: Its own number does not matter.
            taken: Numbers that are others' although the store does not know them.

        Returns:
            The number.
        """
        ...

    async def update(self, project: Project) -> None:
        """Replace the name, the platform and the settings of a project."""
        ...

    async def delete(self, project_id: int) -> None:
        """Forget a project and its keys."""
        ...

    async def add_key(self, project_id: int, key: ProjectKey) -> int:
        """Keep one more key; return its id."""
        ...

    async def update_key(self, project_id: int, key: ProjectKey) -> None:
        """Replace the name, the state and the rate limit of a key."""
        ...

    async def delete_key(self, project_id: int, key_id: int) -> None:
        """Forget a key."""
        ...


class ProjectBook:
    """Makes and changes projects; whoever asks `Projects` next sees it."""

    def __init__(self, *, projects: Projects, store: ProjectStore, clock: Clock, ids: Ids) -> None:
        self._projects = projects
        self._store = store
        self._clock = clock
        self._ids = ids
        self._changing = asyncio.Lock()

    async def load(self) -> None:
        """Know what was made before the start."""
        for project in self._projects.replace_made(await self._store.load()):
            logger.warning(
                "The project %s (%d) was made here, but its number, slug or key is also in the"
                " configuration, which wins",
                project.slug,
                project.id,
            )

    def get(self, project_id: int) -> Project:
        """Return a project.

        Raises:
            NoSuchProjectError: If there is none.
        """
        project = self._projects.get(project_id)
        if project is None:
            raise NoSuchProjectError(f"There is no project {project_id}.")
        return project

    async def create(
        self, *, slug: str, name: str = "", platform: str = "", settings: ProjectSettings
    ) -> Project:
        """Make a project with one key.

        Raises:
            ConflictError: If the slug is taken or none, or there are too many projects.
        """
        async with self._changing:
            self._check_slug(slug)
            now = self._clock.now()
            project = Project(
                id=0,
                slug=slug,
                name=name,
                platform=platform,
                keys=(ProjectKey(public=self._ids.uuid(), name="Default", created_at=now),),
                settings=settings,
                created_at=now,
            )
            taken = [each.id for each in self._projects.all()]
            number = await self._store.create(project, taken=taken)
            await self.load()
            return self.get(number)

    async def change(
        self,
        project_id: int,
        *,
        name: str | None = None,
        platform: str | None = None,
        settings: ProjectSettings | None = None,
    ) -> Project:
        """Change what is given of a project.

        Raises:
            NoSuchProjectError: If there is none.
            ProvisionedError: If it is the configuration's.
        """
        async with self._changing:
            project = self._get_own(project_id)
            changed = replace(
                project,
                name=project.name if name is None else name,
                platform=project.platform if platform is None else platform,
                settings=project.settings if settings is None else settings,
            )
            await self._store.update(changed)
            await self.load()
            return self.get(project_id)

    async def delete(self, project_id: int) -> None:
        """Forget a project: nothing more is taken for it. What it has sent stays for its time.

        Raises:
            NoSuchProjectError: If there is none.
            ProvisionedError: If it is the configuration's.
        """
        async with self._changing:
            await self._store.delete(self._get_own(project_id).id)
            await self.load()

    async def add_key(
        self, project_id: int, *, name: str = "", rate_limit: RateLimit | None = None
    ) -> ProjectKey:
        """Make one more key of a project.

        Raises:
            NoSuchProjectError: If there is no such project.
            ProvisionedError: If it is the configuration's.
            ConflictError: If it has too many.
        """
        async with self._changing:
            project = self._get_own(project_id)
            if len(project.keys) >= _KEYS_MAX:
                raise ConflictError(f"A project has at most {_KEYS_MAX} keys.")
            key = ProjectKey(
                public=self._ids.uuid(),
                name=name,
                rate_limit=rate_limit,
                created_at=self._clock.now(),
            )
            key_id = await self._store.add_key(project_id, key)
            await self.load()
            return self._find_key(self.get(project_id), key_id)

    async def change_key(
        self,
        project_id: int,
        key_id: int,
        *,
        name: str | None = None,
        is_enabled: bool | None = None,
        rate_limit: RateLimit | None = None,
        is_unlimited: bool = False,
    ) -> ProjectKey:
        """Change what is given of a key; `is_unlimited` takes its rate limit away.

        Raises:
            NoSuchProjectError: If there is no such project or key.
            ProvisionedError: If it is the configuration's.
        """
        async with self._changing:
            key = self._find_key(self._get_own(project_id), key_id)
            changed = replace(
                key,
                name=key.name if name is None else name,
                is_enabled=key.is_enabled if is_enabled is None else is_enabled,
                rate_limit=None if is_unlimited else rate_limit or key.rate_limit,
            )
            await self._store.update_key(project_id, changed)
            await self.load()
            return self._find_key(self.get(project_id), key_id)

    async def delete_key(self, project_id: int, key_id: int) -> None:
        """Forget a key: what is sent with it is refused.

        Raises:
            NoSuchProjectError: If there is no such project or key.
            ProvisionedError: If it is the configuration's.
        """
        async with self._changing:
            key = self._find_key(self._get_own(project_id), key_id)
            await self._store.delete_key(project_id, key.id)
            await self.load()

    def _check_slug(self, slug: str) -> None:
        if re.fullmatch(SLUG_PATTERN, slug) is None:
            raise ConflictError("A slug has lower-case letters, digits and dashes, at most 50.")
        projects = self._projects.all()
        if any(each.slug == slug for each in projects):
            raise ConflictError(f"There is a project {slug} already.")
        if len(projects) >= _PROJECTS_MAX:
            raise ConflictError(f"There are at most {_PROJECTS_MAX} projects.")

    def _get_own(self, project_id: int) -> Project:
        project = self.get(project_id)
        if project.is_provisioned:
            raise ProvisionedError(project)
        return project

    def _find_key(self, project: Project, key_id: int) -> ProjectKey:
        for key in project.keys:
            if key.id == key_id:
                return key
        raise NoSuchProjectError(f"The project {project.slug} has no key {key_id}.")
