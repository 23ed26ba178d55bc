"""Events as SDKs send them, and error tracking put together as the monitor does it."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
from fastapi import FastAPI

from resumatch_monitor.alerts.alert import Alert
from resumatch_monitor.api import groupings as groupings_api
from resumatch_monitor.api import issues as issues_api
from resumatch_monitor.api import issues_regroup as issues_regroup_api
from resumatch_monitor.api import issues_search as issues_search_api
from resumatch_monitor.api import issues_workflow as issues_workflow_api
from resumatch_monitor.api import sentry as sentry_api
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.errors import install_error_handlers
from resumatch_monitor.api.event_source_maps import EventPresenter
from resumatch_monitor.api.guard import Guard, Principal, Role
from resumatch_monitor.api.lanes import ProjectLanes
from resumatch_monitor.errortracking.alerting.watch import IssueWatch
from resumatch_monitor.errortracking.config import ErrorsConfig
from resumatch_monitor.errortracking.digest import Digest
from resumatch_monitor.errortracking.grouping.project import GroupingBook
from resumatch_monitor.errortracking.helper import Preparing
from resumatch_monitor.errortracking.issues import IssueStatus
from resumatch_monitor.errortracking.metrics import ErrorMetrics
from resumatch_monitor.errortracking.regroup.preview import Previews
from resumatch_monitor.errortracking.regroup.settings import GroupingSettings
from resumatch_monitor.errortracking.relay import IssueAlertRelay
from resumatch_monitor.errortracking.workflow.decisions import Decision
from resumatch_monitor.errortracking.workflow.owners import Owners
from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.spool import SpoolWriter
from resumatch_monitor.kit.telemetry import Telemetry
from resumatch_monitor.sentry.config import ProjectConfig
from resumatch_monitor.sentry.intake import Intake
from resumatch_monitor.sentry.items import ItemKind, ItemProcessor
from resumatch_monitor.sentry.limits import ItemLimits
from resumatch_monitor.sentry.metrics import DoorMetrics
from resumatch_monitor.sentry.outcomes import OutcomeLedger
from resumatch_monitor.sentry.projects import Projects
from resumatch_monitor.sentry.quotas import Quotas
from resumatch_monitor.sentry.screening import Screening
from resumatch_monitor.sourcemaps.resolver import EventReport
from resumatch_monitor.storage.spool.metrics import SpoolTelemetry
from resumatch_monitor.storage.spool.spool import Spool
from resumatch_monitor.storage.spool.state import SpoolLimits
from resumatch_monitor.storage.sql.database import Database
from resumatch_monitor.storage.sql.groupings import SqlEventSamples, SqlGroupingStore
from resumatch_monitor.storage.sql.issues import SqlIssueStore
from resumatch_monitor.storage.sql.issues_activity import SqlIssueDesk
from resumatch_monitor.storage.sql.issues_alerts import SqlIssueAlerts
from resumatch_monitor.storage.sql.issues_facets import SqlIssueFacets
from resumatch_monitor.storage.sql.issues_read import SqlIssueReader
from resumatch_monitor.storage.sql.outcomes import SqlOutcomeStore
from resumatch_monitor.storage.sql.regrouping import SqlIssueRegrouper
from resumatch_monitor.storage.sql.saved_searches import SqlSavedSearches

KEY = "0123456789abcdef0123456789abcdef"
VIEWER_TOKEN = "viewer-token-of-the-tests"
EDITOR_TOKEN = "editor-token-of-the-tests"
PROJECT = ProjectConfig(id=1, slug="resumatch-api", key=KEY, name="ResuMatch API")


class TokenAuthenticator:
    """Knows one viewer and one editor."""

    async def authenticate_session(self, token: str) -> Principal | None:
        return None

    async def authenticate_bearer(self, token: str) -> Principal | None:
        if token == VIEWER_TOKEN:
            return Principal("token:viewer", Role.VIEWER)
        return Principal("alice@example.org", Role.EDITOR) if token == EDITOR_TOKEN else None


class RecordingSink:
    """Keeps the alerts that were put; fails while `failure` is set."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.failure: Exception | None = None

    async def put(self, alerts: Sequence[Alert]) -> None:
        if self.failure is not None:
            raise self.failure
        self.alerts.extend(alerts)


class NothingUploaded:
    """Knows no source maps."""

    def explain(self, project_id: int, raw: dict[str, Any]) -> EventReport:
        return EventReport(raw)


@dataclass
class Regrouping:
    """How projects group, and what changes it by hand."""

    book: GroupingBook
    regrouper: SqlIssueRegrouper
    previews: Previews
    settings: GroupingSettings


@dataclass
class ErrorStack:
    """Error tracking over real files; loops run only when a test drives them."""

    app: FastAPI
    spool: Spool
    store: SqlIssueStore
    reader: SqlIssueReader
    digest: Digest
    relay: IssueAlertRelay
    sink: RecordingSink
    telemetry: Telemetry
    client: httpx.AsyncClient
    projects: Projects
    outcomes: OutcomeLedger
    outcome_store: SqlOutcomeStore
    regrouping: Regrouping
    workflow: SqlIssueDesk
    alerts: SqlIssueAlerts

    async def set_status(
        self, ids: Sequence[int], status: IssueStatus, *, actor: str, at: datetime
    ) -> int:
        """Set the status of issues; return how many it changed."""
        decided = await self.workflow.decide(ids, Decision(status), actor=actor, at=at)
        return decided.updated

    async def drain(self) -> None:
        """Digest everything that waits and relay its alerts."""
        while self.spool.pending:
            await self.digest.digest_batch()
        while await self.relay.relay():
            pass

    def sample(self, name: str, **labels: str) -> float:
        """Return the value of one of the monitor's own metrics."""
        return self.telemetry.registry.get_sample_value(name, labels) or 0.0


def build_regrouping(
    database: Database, *, projects: Projects, config: ErrorsConfig, clock: Clock
) -> Regrouping:
    """Build what changes the grouping by hand."""
    store, samples = SqlGroupingStore(database), SqlEventSamples(database)
    book = GroupingBook(store, projects=projects, configured_rules=config.fingerprint_rules)
    regrouper, previews = SqlIssueRegrouper(database), Previews(samples=samples, clock=clock)
    settings = GroupingSettings(
        store=store,
        book=book,
        samples=samples,
        regrouper=regrouper,
        previews=previews,
        clock=clock,
        retention=config.retention,
    )
    return Regrouping(book, regrouper, previews, settings)


_TRACES = (ItemKind.TRANSACTION, ItemKind.SPAN)


@asynccontextmanager
async def build_stack(
    folder: Path,
    *,
    database: Database,
    clock: Clock,
    config: ErrorsConfig | None = None,
    limits: SpoolLimits | None = None,
    bodies: BodyReader | None = None,
    free_bytes: Callable[[Path], int] | None = None,
    processors: Mapping[ItemKind, ItemProcessor] | None = None,
    preparing: Preparing | None = None,
    project: ProjectConfig = PROJECT,
    traces_spool: SpoolWriter | None = None,
) -> AsyncGenerator[ErrorStack]:
    """Build error tracking around `database`, with its spool in `folder`."""
    config = config or ErrorsConfig()
    telemetry = Telemetry()
    metrics = ErrorMetrics(telemetry)
    spool = Spool(
        folder,
        limits=limits or SpoolLimits(max_bytes=config.spool_max_bytes),
        metrics=SpoolTelemetry(telemetry).for_signal("errors"),
        free_bytes=free_bytes,
    )
    spool.start()
    watch = IssueWatch(config.alerts, severity=config.new_issue_severity)
    store = SqlIssueStore(database, watch, Owners(config.owners))
    reader, sink = SqlIssueReader(database), RecordingSink()
    alerts = SqlIssueAlerts(database, watch)
    relay = IssueAlertRelay(
        queue=alerts,
        sink=sink,
        severity=config.new_issue_severity,
        storm=config.storm,
        clock=clock,
    )
    projects = Projects([project])
    regrouping = build_regrouping(database, projects=projects, config=config, clock=clock)
    digest = Digest(
        spool=spool,
        store=store,
        projects=projects,
        groupings=regrouping.book,
        config=config,
        metrics=metrics,
        clock=clock,
        on_alerts=relay.wake,
        processors=processors,
        preparing=preparing,
    )
    door = DoorMetrics(telemetry)
    outcome_store = SqlOutcomeStore(database)
    outcomes = OutcomeLedger(outcome_store, clock=clock)
    intake = Intake(
        projects=projects,
        sinks={
            **dict.fromkeys((ItemKind.EVENT, *(processors or {})), spool),
            **({} if traces_spool is None else dict.fromkeys(_TRACES, traces_spool)),
        },
        limits=ItemLimits(event_max_bytes=config.event_max_bytes),
        screening=Screening(quotas=Quotas(clock=clock), outcomes=outcomes, metrics=door),
        metrics=door,
        clock=clock,
        ids=RandomIds(),
    )
    app = FastAPI()
    install_error_handlers(app)
    bodies = bodies or BodyReader(max_bytes=config.envelope_max_bytes)
    app.include_router(sentry_api.build_router(intake=intake, bodies=bodies, metrics=door))
    lanes = sentry_api.build_lanes(intake=intake, bodies=bodies, metrics=door)
    app.add_middleware(ProjectLanes, handlers=lanes)
    guard = Guard(TokenAuthenticator(), is_secure=False)
    workflow = SqlIssueDesk(database)
    desk = issues_workflow_api.WorkflowDesk(
        reader=reader,
        workflow=workflow,
        comments=workflow,
        list_people=workflow.list_people,
        find_heir=regrouping.regrouper.find_heir,
        clock=clock,
    )
    app.include_router(issues_workflow_api.build_router(desk=desk, guard=guard))
    app.include_router(
        issues_api.build_router(
            reader=reader,
            projects=projects,
            clock=clock,
            guard=guard,
            external_url="http://monitor.example.org:8000",
            events=EventPresenter(
                explainer=NothingUploaded(),
                monitor_url="http://monitor.example.org:8000",
                slug_of=projects.slug,
            ),
            find_heir=regrouping.regrouper.find_heir,
        )
    )
    app.include_router(
        issues_search_api.build_router(
            issues_search_api.SearchSources(
                facets=SqlIssueFacets(database), saved=SqlSavedSearches(database), clock=clock
            ),
            guard,
        )
    )
    app.include_router(
        issues_regroup_api.build_router(
            regrouper=regrouping.regrouper,
            reader=reader,
            book=regrouping.book,
            clock=clock,
            guard=guard,
        )
    )
    app.include_router(
        groupings_api.build_router(settings=regrouping.settings, projects=projects, guard=guard)
    )
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        try:
            yield ErrorStack(
                app,
                spool,
                store,
                reader,
                digest,
                relay,
                sink,
                telemetry,
                client,
                projects,
                outcomes,
                outcome_store,
                regrouping,
                workflow,
                alerts,
            )
        finally:
            await digest.stop()
            spool.stop()


def bearer(token: str = VIEWER_TOKEN) -> dict[str, str]:
    """Return the header that signs a request in."""
    return {"Authorization": f"Bearer {token}"}


def make_frame(function: str, module: str = "shop.cart", **over: Any) -> dict[str, Any]:
    return {
        "function": function,
        "module": module,
        "filename": module.replace(".", "/") + ".py",
        "abs_path": "/srv/" + module.replace(".", "/") + ".py",
        "lineno": 10,
        "in_app": True,
        "context_line": f"    return {function}()",
        "vars": {"n": "1"},
        **over,
    }


def make_exception(
    kind: str = "KeyError", value: str = "'salary'", *functions: str, **over: Any
) -> dict[str, Any]:
    return {
        "type": kind,
        "value": value,
        "module": "builtins",
        "mechanism": {"type": "generic", "handled": False},
        "stacktrace": {"frames": [make_frame(name) for name in functions or ("checkout", "pay")]},
        **over,
    }


def make_event(number: int = 1, **over: Any) -> dict[str, Any]:
    """Return an event; `number` makes its id."""
    return {
        "event_id": f"{number:032x}",
        "platform": "python",
        "level": "error",
        "release": "shop@1.0",
        "environment": "production",
        "server_name": "web-1",
        "transaction": "/checkout",
        "sdk": {"name": "sentry.python", "version": "2.75.0"},
        "exception": {"values": [make_exception()]},
        **over,
    }


def make_envelope(*events: dict[str, Any], has_length: bool = True, **headers: Any) -> bytes:
    """Return an envelope with an event item for each of `events`."""
    lines = [orjson.dumps(headers)]
    for event in events:
        payload = orjson.dumps(event)
        item = {"type": "event", **({"length": len(payload)} if has_length else {})}
        lines += [orjson.dumps(item), payload]
    return b"\n".join(lines) + b"\n"


ENVELOPE_URL = f"/api/1/envelope/?sentry_key={KEY}&sentry_version=7"
RETENTION = timedelta(days=90)
