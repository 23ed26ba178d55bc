"""How a project groups: fingerprint rules, and the version to which it is pinned."""

from collections.abc import Awaitable
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.api.errors import ApiError, NotFoundError
from resumatch_monitor.api.guard import Guard, Principal
from resumatch_monitor.api.paging import parse_number
from resumatch_monitor.errortracking.grouping.registry import CURRENT_VERSION, GROUPERS
from resumatch_monitor.errortracking.grouping.rules import RuleError
from resumatch_monitor.errortracking.grouping.rules_parse import TEXT_MAX
from resumatch_monitor.errortracking.regroup.model import RegroupError
from resumatch_monitor.errortracking.regroup.preview import Preview, PreviewedIssue
from resumatch_monitor.errortracking.regroup.settings import GroupingSettings
from resumatch_monitor.errortracking.regroup.trial import RuleTrial, Trial
from resumatch_monitor.kit.clock import isoformat, isoformat_or_none
from resumatch_monitor.sentry.projects import Project, Projects

T = TypeVar("T")

_EXAMPLES = 20
_ISSUES_OF_SET = 10


class RulesRequest(BaseModel):
    """The body of `POST …/grouping/rules/try`."""

    model_config = ConfigDict(extra="forbid")

    rules: str = Field(max_length=TEXT_MAX)


class RulesChange(RulesRequest):
    """The body of `PUT …/grouping/rules`; `replacing` are the rules that were shown."""

    replacing: str = Field(max_length=TEXT_MAX)


class VersionRequest(BaseModel):
    """The body of `POST …/grouping/preview` and `…/upgrade`."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=1_000)


def build_router(*, settings: GroupingSettings, projects: Projects, guard: Guard) -> APIRouter:
    """Return the routes of docs/http-api.md, section Grouping of a project."""
    router = APIRouter(prefix="/api/monitor/projects/{project_id}/grouping", tags=["grouping"])
    finder = _Finder(settings, projects)
    _add_reading(router, finder, guard)
    _add_rules(router, finder, guard)
    _add_versions(router, finder, guard)
    return router


class _Finder:
    """Finds the project of a path, and what is kept of it."""

    def __init__(self, settings: GroupingSettings, projects: Projects) -> None:
        self.settings = settings
        self._projects = projects

    def project(self, number: str) -> Project:
        parsed = parse_number(number)
        found = None if parsed is None else self._projects.find(str(parsed))
        if found is None:
            raise NotFoundError(f"There is no project {number[:20]!r}.")
        return found

    async def present(self, project: Project) -> dict[str, Any]:
        """Render GROUPING."""
        stored = await self.settings.find(project.id)
        changes = await self.settings.store.list_changes(project.id)
        preview = self.settings.previews.find(project.id)
        return {
            "project": {"id": project.id, "slug": project.slug},
            "version": stored.version,
            "newest_version": CURRENT_VERSION,
            "versions": sorted(GROUPERS),
            "previous_version": stored.previous_version,
            "previous_until": isoformat_or_none(stored.previous_until),
            "rules": stored.rules,
            "configured_rules": [
                rule.text for rule in self.settings.configured_rules(project.id).rules
            ],
            "updated_at": isoformat_or_none(stored.updated_at),
            "updated_by": stored.updated_by,
            "changes": [
                {
                    "at": isoformat(each.at),
                    "actor": each.actor,
                    "kind": each.kind,
                    "text": each.text,
                }
                for each in changes
            ],
            "preview": None if preview is None else _present_preview(preview),
        }


def _add_reading(router: APIRouter, finder: _Finder, guard: Guard) -> None:
    @router.get("", dependencies=[Depends(guard.viewer)])
    async def get_grouping(project_id: str) -> dict[str, Any]:
        return await finder.present(finder.project(project_id))


def _add_rules(router: APIRouter, finder: _Finder, guard: Guard) -> None:
    @router.post("/rules/try", dependencies=[Depends(guard.viewer)])
    async def try_rules(project_id: str, body: RulesRequest) -> dict[str, Any]:
        project = finder.project(project_id)
        work = finder.settings.try_rules(project.id, body.rules)
        return _present_trial(await _explaining_refusals(work))

    @router.put("/rules")
    async def save_rules(
        project_id: str, body: RulesChange, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        project = finder.project(project_id)
        await _explaining_refusals(
            finder.settings.save_rules(
                project.id, body.rules, replacing=body.replacing, actor=principal.name
            )
        )
        return await finder.present(project)


def _add_versions(router: APIRouter, finder: _Finder, guard: Guard) -> None:
    @router.post("/preview", status_code=HTTPStatus.ACCEPTED, dependencies=[Depends(guard.editor)])
    async def preview(project_id: str, body: VersionRequest) -> dict[str, Any]:
        project = finder.project(project_id)
        work = finder.settings.preview(project.id, body.version)
        return _present_preview(await _explaining_refusals(work))

    @router.post("/upgrade")
    async def upgrade(
        project_id: str,
        body: VersionRequest,
        principal: Annotated[Principal, Depends(guard.editor)],
    ) -> dict[str, Any]:
        project = finder.project(project_id)
        await _explaining_refusals(
            finder.settings.upgrade(project.id, body.version, actor=principal.name)
        )
        return await finder.present(project)

    @router.post("/join")
    async def join(
        project_id: str, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, int]:
        project = finder.project(project_id)
        joined = await _explaining_refusals(finder.settings.join(project.id, actor=principal.name))
        return {
            "merged": joined.merged,
            "sets": joined.sets,
            "remaining_sets": joined.remaining_sets,
        }


async def _explaining_refusals(work: Awaitable[T]) -> T:
    try:
        return await work
    except RuleError as error:
        raise ApiError(
            HTTPStatus.BAD_REQUEST,
            "bad_rules",
            str(error),
            details={"line": error.line, "column": error.column, "problem": error.message},
        ) from error
    except RegroupError as error:
        raise ApiError(HTTPStatus.CONFLICT, "cannot_regroup", str(error)) from error


def _present_trial(trial: Trial) -> dict[str, Any]:
    return {
        "events": trial.events,
        "issues": trial.issues,
        "matched_events": trial.matched_events,
        "rules": [_present_rule(each) for each in trial.rules],
    }


def _present_rule(each: RuleTrial) -> dict[str, Any]:
    return {
        "line": each.line,
        "text": each.text,
        "events": each.events,
        "issues": len(each.issues),
        "groups": len(each.groups),
        "examples": [
            {
                "event_id": example.event_id,
                "issue_id": str(example.issue_id),
                "short_id": example.short_id,
                "title": example.title,
                "fingerprint": list(example.fingerprint),
                "new_title": example.new_title or None,
            }
            for example in each.examples
        ],
    }


def _present_preview(preview: Preview) -> dict[str, Any]:
    return {
        "version": preview.version,
        "started_at": isoformat(preview.started_at),
        "finished_at": isoformat_or_none(preview.finished_at),
        "is_running": preview.is_running,
        "problem": preview.problem or None,
        "issues_total": preview.issues_total,
        "issues_done": preview.issues_done,
        "events_done": preview.events_done,
        "joined_issues": sum(len(issues) for issues in preview.joined),
        "joined_sets": len(preview.joined),
        "split_issues": len(preview.split),
        "joined": [
            [_present_issue(issue) for issue in issues[:_ISSUES_OF_SET]]
            for issues in preview.joined[:_EXAMPLES]
        ],
        "split": [_present_issue(issue) for issue in preview.split[:_EXAMPLES]],
    }


def _present_issue(issue: PreviewedIssue) -> dict[str, Any]:
    return {
        "id": str(issue.id),
        "short_id": issue.short_id,
        "title": issue.title,
        "events": issue.events,
        "keys": issue.keys,
    }
