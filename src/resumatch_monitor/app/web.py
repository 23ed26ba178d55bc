"""The HTTP edge over a monitor's parts."""

import shutil
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from sqlalchemy import text

from resumatch_monitor import ui
from resumatch_monitor.api import (
    accounts,
    alerts,
    cardinality,
    charts,
    crons,
    dashboards,
    event_files,
    exemplars,
    explain,
    groupings,
    health,
    issues,
    issues_regroup,
    issues_search,
    issues_workflow,
    notifications,
    otlp,
    overview,
    pagerduty,
    performance,
    probes,
    projects,
    receivers,
    remote_write,
    routes,
    sentry,
    targets,
    traces,
)
from resumatch_monitor.api.alerts_render import Standings
from resumatch_monitor.api.bodies import BodyReader
from resumatch_monitor.api.edge import build_app
from resumatch_monitor.api.event_source_maps import EventPresenter
from resumatch_monitor.api.guard import Guard, refuse_foreign_origin
from resumatch_monitor.app.diagnosis import build_message_renderer
from resumatch_monitor.app.handling import DrillBook, find_webhook_secrets
from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.app.web_alertmanager import build_alertmanager, build_silences
from resumatch_monitor.app.web_logs import build_logs
from resumatch_monitor.app.web_prometheus import build_prometheus
from resumatch_monitor.app.web_rules import build_rules
from resumatch_monitor.app.web_sentry import build_sentry_api
from resumatch_monitor.config.defaults import DASHBOARD_FILES
from resumatch_monitor.dispatch.handling.link_actions import LinkActions
from resumatch_monitor.dispatch.handling.pagerduty_hook import PagerDutyHook
from resumatch_monitor.dispatch.practice.trial import ChannelTester
from resumatch_monitor.storage.logindex.trace_logs import TraceLogs
from resumatch_monitor.ui import action_pages, pages
from resumatch_monitor.ui.bundle import Bundle


def build_web(monitor: Monitor, *, folder: Path) -> FastAPI:
    """Return the application that serves `monitor`, whose data is in `folder`."""
    is_secure = monitor.external_url.startswith("https://")
    guard = Guard(monitor.accounts, is_secure=is_secure)
    bodies = BodyReader(
        max_bytes=monitor.config.errors.envelope_max_bytes,
        max_wire_bytes=monitor.config.intake.envelope_packed_max_bytes,
    )
    intake, metrics = monitor.intake.intake, monitor.intake.metrics
    return build_app(
        routers=[
            _build_health(monitor, folder),
            sentry.build_router(intake=intake, bodies=bodies, metrics=metrics),
            # Among the first that are asked: what comes most often.
            *_build_push(monitor, guard),
            *build_logs(monitor, guard),
            accounts.build_router(accounts=monitor.accounts, guard=guard),
            *_build_alerting(monitor, guard),
            *_build_metrics(monitor, guard, folder),
            *_build_watching(monitor, guard),
            *_build_pages(monitor, guard),
        ],
        ids=monitor.ids,
        telemetry=monitor.telemetry,
        is_ready=lambda: monitor.is_ready,
        lanes=sentry.build_lanes(intake=intake, bodies=bodies, metrics=metrics),
    )


def _build_standings(monitor: Monitor) -> Standings:
    return Standings(
        firing=monitor.alerting.firing,
        find_handling=monitor.alerting.handlings.find,
        pending=monitor.rules.manager.pending_alerts,
        mute_of=monitor.alerting.dispatcher.mute_of,
        mutes_of=monitor.alerting.muters.find_all,
        receivers=monitor.alerting.dispatcher.receivers_of,
        clock=monitor.clock,
    )


def _build_alerting(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    return [
        alerts.build_router(
            sources=alerts.AlertSources(
                reader=monitor.alerting.handling.reader,
                standings=_build_standings(monitor),
                handlings=monitor.alerting.handlings,
                quality=monitor.alerting.handling.quality,
                deliveries=monitor.alerting.outbox_store,
                silences=monitor.alerting.silence_store,
                expression=monitor.rules.manager.find_expr,
                has_channel=lambda: monitor.alerting.dispatcher.has_channel,
                ids=monitor.ids,
            ),
            guard=guard,
        ),
        pagerduty.build_router(
            hook=PagerDutyHook(
                secrets=find_webhook_secrets(monitor.config.alerting),
                incidents=monitor.alerting.handling.incidents,
                handlings=monitor.alerting.handlings,
                drills=DrillBook(monitor.rules.drills),
                clock=monitor.clock,
            )
        ),
        notifications.build_router(
            deliveries=monitor.alerting.outbox_store,
            log=monitor.alerting.outbox_store,
            render_message=build_message_renderer(
                monitor.alerting.notifier_context, diagnose=monitor.diagnoser.diagnose_for_page
            ),
            on_retry=monitor.alerting.outbox.wake,
            clock=monitor.clock,
            guard=guard,
        ),
        receivers.build_router(
            receivers=monitor.config.alerting.receivers,
            tester=ChannelTester(
                monitor.alerting.integrations, clock=monitor.clock, ids=monitor.ids
            ),
            log=monitor.alerting.outbox_store,
            guard=guard,
        ),
        routes.build_router(
            root=monitor.alerting.route,
            is_default=monitor.config.alerting.policy.is_default,
            plans=monitor.alerting.digester.plans,
            integrations=monitor.alerting.integrations,
            muter=monitor.alerting.muters,
            clock=monitor.clock,
            guard=guard,
        ),
        *build_rules(monitor, guard),
        build_silences(monitor, guard),
        build_alertmanager(monitor, guard),
    ]


def _build_metrics(monitor: Monitor, guard: Guard, folder: Path) -> list[APIRouter]:
    sources = monitor.metrics.target_sources
    return [
        *build_prometheus(monitor, guard, folder=folder),
        charts.build_router(queries=monitor.metrics.queries, guard=guard, clock=monitor.clock),
        explain.build_router(queries=monitor.metrics.queries, guard=guard, clock=monitor.clock),
        dashboards.build_router(
            dashboards=dashboards.load_dashboards(DASHBOARD_FILES),
            querier=monitor.metrics.queries,
            clock=monitor.clock,
            guard=guard,
        ),
        targets.build_router(sources=sources, pools=monitor.metrics.discovery, guard=guard),
        cardinality.build_router(
            source=monitor.stores.embedded, metadata=monitor.metrics.metadata, guard=guard
        ),
    ]


def _build_push(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    config = monitor.config.metrics.push
    return [
        remote_write.build_router(
            receiver=monitor.metrics.remote_write,
            bodies=BodyReader(max_bytes=config.body_size_limit_bytes, only_coding="snappy"),
            guard=guard,
        ),
        exemplars.build_router(
            exemplars=monitor.stores.exemplars, guard=guard, clock=monitor.clock
        ),
        otlp.build_router(
            metrics=monitor.metrics.otlp,
            traces=monitor.traces.receiver,
            logs=monitor.logs.otlp,
            bodies=BodyReader(max_bytes=config.otlp_body_size_limit_bytes),
            guard=guard,
        ),
    ]


def _build_watching(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    sources = overview.OverviewSources(
        alerts=monitor.alerting.alert_store,
        deliveries=monitor.alerting.outbox_store,
        issues=monitor.errors.reader,
        probes=monitor.probes.reader,
        count_open=_build_standings(monitor).count_open,
        pending=monitor.rules.manager.pending_alerts,
        receivers=monitor.alerting.dispatcher.receivers_of,
        has_channel=lambda: monitor.alerting.dispatcher.has_channel,
        count_targets_down=monitor.metrics.count_targets_down,
        started_at=monitor.started_at,
    )
    return [
        *build_sentry_api(monitor, guard),
        overview.build_router(sources=sources, clock=monitor.clock, guard=guard),
        issues_workflow.build_router(
            desk=issues_workflow.WorkflowDesk(
                reader=monitor.errors.reader,
                workflow=monitor.errors.workflow,
                comments=monitor.errors.workflow,
                list_people=monitor.errors.workflow.list_people,
                find_heir=monitor.errors.regrouper.find_heir,
                clock=monitor.clock,
            ),
            guard=guard,
        ),
        issues_search.build_router(
            issues_search.SearchSources(
                facets=monitor.errors.facets,
                saved=monitor.errors.saved_searches,
                clock=monitor.clock,
            ),
            guard,
        ),
        issues.build_router(
            reader=monitor.errors.reader,
            projects=monitor.errors.projects,
            clock=monitor.clock,
            guard=guard,
            external_url=monitor.config.external_url,
            events=EventPresenter(
                explainer=monitor.source_maps.resolver,
                monitor_url=monitor.external_url,
                slug_of=monitor.errors.projects.slug,
            ),
            find_heir=monitor.errors.regrouper.find_heir,
        ),
        projects.build_router(
            sources=projects.ProjectSources(
                book=monitor.intake.book,
                quotas=monitor.intake.quotas,
                outcomes=monitor.intake.outcome_store,
                ledger=monitor.intake.outcomes,
                clock=monitor.clock,
                external_url=monitor.config.external_url,
            ),
            guard=guard,
        ),
        *_build_grouping(monitor, guard),
        event_files.build_router(files=monitor.files.store, guard=guard),
        traces.build_router(
            sources=traces.TraceSources(
                reader=monitor.traces.reader,
                errors=monitor.traces.errors,
                logs=TraceLogs(monitor.logs.reader),
            ),
            clock=monitor.clock,
            guard=guard,
        ),
        performance.build_router(
            sources=performance.PerformanceSources(
                reader=monitor.performance.reader,
                config=monitor.config.performance,
                slug_of=monitor.errors.projects.slug,
                clock=monitor.clock,
            ),
            guard=guard,
        ),
        probes.build_router(reader=monitor.probes.reader, clock=monitor.clock, guard=guard),
        crons.build_router(
            sources=crons.CronSources(
                store=monitor.crons.store,
                slug_of=monitor.errors.projects.slug,
                on_change=monitor.crons.relay.wake,
                clock=monitor.clock,
            ),
            guard=guard,
        ),
    ]


def _build_grouping(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    return [
        issues_regroup.build_router(
            regrouper=monitor.errors.regrouper,
            reader=monitor.errors.reader,
            book=monitor.errors.groupings,
            clock=monitor.clock,
            guard=guard,
        ),
        groupings.build_router(
            settings=monitor.errors.grouping_settings,
            projects=monitor.errors.projects,
            guard=guard,
        ),
    ]


def _build_pages(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    async def is_signed_in(request: Request) -> bool:
        return await guard.identify(request) is not None

    bundle = Bundle(Path(ui.__file__).parent / "dist")
    return [
        action_pages.build_action_router(
            actions=LinkActions(
                links=monitor.alerting.handling.links,
                reader=monitor.alerting.handling.reader,
                handlings=monitor.alerting.handlings,
                silences=monitor.alerting.silences,
                drills=DrillBook(monitor.rules.drills),
                clock=monitor.clock,
            ),
            stylesheets=bundle.stylesheets,
        ),
        # The last: it takes every other path.
        pages.build_router(
            accounts=monitor.accounts,
            bundle=bundle,
            guard=pages.PageGuard(
                cookie_name=guard.cookie_name,
                is_secure=guard.is_secure,
                is_signed_in=is_signed_in,
                refuse_foreign_origin=refuse_foreign_origin,
            ),
        ),
    ]


def _build_health(monitor: Monitor, folder: Path) -> APIRouter:
    async def check_database() -> str:
        await monitor.stores.database.read(lambda connection: connection.execute(text("SELECT 1")))
        return ""

    async def check_disk() -> str:
        free = shutil.disk_usage(folder).free
        needed = monitor.config.storage.min_free_bytes
        return "" if free > needed else f"only {free} bytes are free; ingest has stopped"

    checks = {"database": check_database, "disk": check_disk}
    if (external := monitor.stores.external) is not None:

        async def check_metrics_store() -> str:
            return external.writer.problem

        checks["metrics store"] = check_metrics_store

    return health.build_router(
        is_ready=lambda: monitor.is_ready,
        checks=checks,
        clock=monitor.clock,
        telemetry=monitor.telemetry,
    )
