"""Rules that people make here: created, changed, switched, deleted, exported and imported."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from resumatch_monitor.accounts.model import Principal
from resumatch_monitor.api.errors import ApiError, BadRequestError, NotFoundError
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.api.paging import DEFAULT_LIMIT, Cursor, Limit, parse_cursor
from resumatch_monitor.kit.clock import isoformat
from resumatch_monitor.rules.draft import GroupSettings, InvalidRuleError, RuleDraft
from resumatch_monitor.rules.export import render_rule
from resumatch_monitor.rules.managed import GroupExistsError, ManagedRules, NoSuchRuleError
from resumatch_monitor.rules.managed_store import ManagedRule, VersionConflictError
from resumatch_monitor.rules.model import RuleFileError
from resumatch_monitor.rules.policy import NoDataPolicy

_LARGEST_FILE = 1024 * 1024
_MOST_PROBLEMS = 100
_HIGHEST_VERSION = 1 << 53


class _Body(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SettingsBody(_Body):
    """How a group is evaluated; null and 0 are the general settings."""

    interval: str | None = Field(default=None, max_length=50)
    query_offset: str | None = Field(default=None, max_length=50)
    limit: int = Field(default=0, ge=0, le=20_000)

    def to_settings(self) -> GroupSettings:
        """Return what the rules make of it."""
        return GroupSettings(self.interval or "", self.query_offset or "", self.limit)


class RuleTextBody(_Body):
    """A rule, as the fields of a rule file's item or as its text."""

    rule: dict[str, Any] | None = None
    yaml: str | None = None

    def to_text(self) -> str:
        """Return the rule's text.

        Raises:
            BadRequestError: If there is not exactly one of the two.
        """
        if (self.rule is None) == (self.yaml is None):
            raise BadRequestError("give either rule or yaml")
        return self.yaml if self.yaml is not None else rule_to_text(self.rule)


def rule_to_text(rule: Mapping[str, Any] | None) -> str:
    """Return `rule` as JSON, which is YAML, too.

    Raises:
        BadRequestError: If it is nested too deeply, or has a number beyond 64 bits.
    """
    try:
        return orjson.dumps(rule).decode()
    except orjson.JSONEncodeError as error:
        raise BadRequestError(f"The rule cannot be written down: {error}.") from None


class RuleBody(RuleTextBody):
    """What a rule is to be."""

    group: str = Field(max_length=400)
    settings: SettingsBody | None = None
    on_no_data: NoDataPolicy | None = None
    is_enabled: bool = True

    def to_draft(self) -> RuleDraft:
        """Return what the rules make of it."""
        return RuleDraft(
            group=self.group,
            text=self.to_text(),
            on_no_data=self.on_no_data,
            is_enabled=self.is_enabled,
            settings=self.settings and self.settings.to_settings(),
        )


_Version = Annotated[int, Field(ge=0, le=_HIGHEST_VERSION)]


class ChangedRuleBody(RuleBody):
    """What a rule is to be, and the version that was seen."""

    version: _Version


class VersionBody(_Body):
    """The version that was seen."""

    version: _Version


class RevertBody(VersionBody):
    """The version that was seen, and the one to go back to."""

    to: int = Field(ge=1, le=_HIGHEST_VERSION)


class ImportBody(_Body):
    """The text of a rule file."""

    text: str = Field(max_length=_LARGEST_FILE)
    replace: bool = False
    check: bool = False


def build_router(*, rules: ManagedRules, guard: Guard) -> APIRouter:
    """Return the routes under `/api/monitor/rules` that change something, and the export."""
    router = APIRouter(prefix="/api/monitor/rules", dependencies=[Depends(guard.viewer)])
    _add_reading(router, rules)
    _add_changing(router, rules, guard)
    _add_switches(router, rules, guard)
    _add_files(router, rules, guard)
    return router


def _add_reading(router: APIRouter, rules: ManagedRules) -> None:
    @router.get("/managed")
    async def list_managed(cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT) -> dict[str, Any]:
        start = parse_cursor(cursor) or 0
        found = rules.list_rules()
        end = start + limit
        return {
            "items": [render_managed(rule) for rule in found[start:end]],
            "next_cursor": str(end) if end < len(found) else None,
        }

    @router.get("/managed/{rule_id}")
    async def get_managed(rule_id: str) -> dict[str, Any]:
        return _render_one(rules, _find(rules, rule_id))

    @router.get("/managed/{rule_id}/versions")
    async def list_versions(
        rule_id: str, cursor: Cursor = None, limit: Limit = DEFAULT_LIMIT
    ) -> dict[str, Any]:
        with _refusing(rules, rule_id):
            found = await rules.list_versions(rule_id, before=parse_cursor(cursor), limit=limit + 1)
        page = found[:limit]
        return {
            "items": [render_managed(rule) for rule in page],
            "next_cursor": str(page[-1].version) if len(found) > limit else None,
        }


def _add_changing(router: APIRouter, rules: ManagedRules, guard: Guard) -> None:
    @router.post("/managed", status_code=HTTPStatus.CREATED)
    async def create(
        body: RuleBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        with _refusing(rules):
            made = await rules.create(body.to_draft(), by=principal.name)
            return _render_one(rules, made)

    @router.put("/managed/{rule_id}")
    async def update(
        rule_id: str, body: ChangedRuleBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        with _refusing(rules, rule_id):
            draft = body.to_draft()
            rule = await rules.update(rule_id, draft, version=body.version, by=principal.name)
            return _render_one(rules, rule)

    @router.delete("/managed/{rule_id}", status_code=HTTPStatus.NO_CONTENT)
    async def delete(
        rule_id: str,
        principal: Annotated[Principal, Depends(guard.editor)],
        version: Annotated[int, Query(ge=0, le=_HIGHEST_VERSION)],
    ) -> None:
        with _refusing(rules, rule_id):
            await rules.delete(rule_id, version=version, by=principal.name)

    @router.post("/managed/{rule_id}/revert")
    async def revert(
        rule_id: str, body: RevertBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        with _refusing(rules, rule_id):
            rule = await rules.revert(rule_id, to=body.to, version=body.version, by=principal.name)
            return render_managed(rule)

    @router.put("/managed-groups/{group}")
    async def change_group(
        group: str, body: SettingsBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        with _refusing(rules, group):
            await rules.change_group(group, body.to_settings(), by=principal.name)
        members = [rule for rule in rules.list_rules() if rule.group == group]
        return {"name": group, **_render_settings(body.to_settings()), "rules": len(members)}


def _add_switches(router: APIRouter, rules: ManagedRules, guard: Guard) -> None:
    async def switch(
        rule_id: str, version: int, principal: Principal, *, is_enabled: bool
    ) -> dict[str, Any]:
        with _refusing(rules, rule_id):
            rule = await rules.set_enabled(
                rule_id, is_enabled=is_enabled, version=version, by=principal.name
            )
            return render_managed(rule)

    @router.post("/managed/{rule_id}/enable")
    async def enable(
        rule_id: str, body: VersionBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        return await switch(rule_id, body.version, principal, is_enabled=True)

    @router.post("/managed/{rule_id}/disable")
    async def disable(
        rule_id: str, body: VersionBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        return await switch(rule_id, body.version, principal, is_enabled=False)


def _add_files(router: APIRouter, rules: ManagedRules, guard: Guard) -> None:
    @router.get("/export")
    async def export(
        source: Literal["all", "managed"] = "all",
        format_: Annotated[Literal["prometheus", "monitor"], Query(alias="format")] = "prometheus",
    ) -> Response:
        return Response(
            await rules.export(only_managed=source == "managed", is_extended=format_ == "monitor"),
            media_type="application/yaml",
            headers={"Content-Disposition": 'attachment; filename="rules.yml"'},
        )

    @router.post("/import")
    async def import_file(
        body: ImportBody, principal: Annotated[Principal, Depends(guard.editor)]
    ) -> dict[str, Any]:
        with _refusing(rules):
            imported = await rules.import_file(
                body.text, replaces=body.replace, by=principal.name, is_trial=body.check
            )
        return {
            "added": len(imported.added),
            "changed": len(imported.changed),
            "removed": len(imported.removed),
            "groups": sorted({rule.group for rule in (*imported.added, *imported.changed)}),
        }


def render_managed(rule: ManagedRule) -> dict[str, Any]:
    """Render a rule, or a version of one."""
    return {
        "id": rule.id,
        "group": rule.group,
        "settings": _render_settings(rule.settings),
        "name": rule.name,
        "type": "recording" if "record" in rule.body else "alerting",
        "rule": None if rule.is_deleted else dict(rule.body),
        "yaml": None if rule.is_deleted else render_rule(rule.body),
        "on_no_data": rule.on_no_data and rule.on_no_data.value,
        "is_enabled": rule.is_enabled,
        "is_deleted": rule.is_deleted,
        "version": rule.version,
        "updated_at": isoformat(rule.updated_at),
        "updated_by": rule.updated_by,
    }


def _render_one(rules: ManagedRules, rule: ManagedRule) -> dict[str, Any]:
    return {**render_managed(rule), "twins": rules.find_twins(rule.id)}


def to_api_error(error: InvalidRuleError) -> ApiError:
    """Return the answer to a rule that cannot be used."""
    return ApiError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid_rule",
        str(error)[:2000],
        details={"problems": [render_problem(each) for each in error.problems[:_MOST_PROBLEMS]]},
    )


def render_problem(problem: RuleFileError) -> dict[str, Any]:
    """Render something that is wrong; line and column are null where they mean nothing."""
    return {
        "line": problem.line or None,
        "column": problem.column or None,
        "field": problem.field,
        "group": problem.group,
        "rule": problem.rule,
        "message": problem.message,
    }


def _render_settings(settings: GroupSettings) -> dict[str, Any]:
    return {
        "interval": settings.interval or None,
        "query_offset": settings.query_offset or None,
        "limit": settings.limit,
    }


def _find(rules: ManagedRules, rule_id: str) -> ManagedRule:
    with _refusing(rules, rule_id):
        return rules.find(rule_id)


@contextmanager
def _refusing(rules: ManagedRules, rule_id: str = "") -> Generator[None]:
    """Answer what the rules refuse."""
    try:
        yield
    except InvalidRuleError as error:
        raise to_api_error(error) from error
    except NoSuchRuleError as error:
        raise NotFoundError(f"There is no {rule_id[:100]!r} among what was made here.") from error
    except GroupExistsError as error:
        raise ApiError(
            HTTPStatus.CONFLICT, "group_exists", str(error), details={"group": error.group}
        ) from error
    except VersionConflictError as error:
        known = {rule.id: rule for rule in rules.list_rules()}.get(error.rule_id)
        raise ApiError(
            HTTPStatus.CONFLICT,
            "version_conflict",
            "Somebody has changed the rule meanwhile: look at it again.",
            details={"current": known and render_managed(known)},
        ) from error
