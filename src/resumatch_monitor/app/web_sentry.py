"""Sentry's web API, for sentry-cli and the bundler plugins, and what they uploaded."""

from fastapi import APIRouter

from resumatch_monitor.api import (
    feedback,
    releases,
    sentry_cli,
    sentry_cli_files,
    sentry_cli_releases,
    sentry_cli_uploads,
    source_maps,
)
from resumatch_monitor.api.guard import Guard
from resumatch_monitor.app.monitor import Monitor
from resumatch_monitor.storage.sql.releases_book import SqlReleaseBook


def build_sentry_api(monitor: Monitor, guard: Guard) -> list[APIRouter]:
    """Return the routes under `/api/0`, and those of the page about uploads."""
    projects = monitor.errors.projects
    book = SqlReleaseBook(monitor.stores.database)
    desk = sentry_cli_releases.ReleaseDesk(
        releases=book, deploys=book, new_issues=book, projects=projects, clock=monitor.clock
    )
    uploads = sentry_cli_uploads.UploadDesk(
        assembler=monitor.source_maps.assembler,
        releases=book,
        projects=projects,
        external_url=monitor.config.external_url,
        max_bytes=monitor.config.source_maps.bundle_max_bytes,
    )
    reader = monitor.source_maps.reader
    return [
        sentry_cli.build_info_router(guard=guard, projects=projects),
        sentry_cli_releases.build_router(desk=desk, guard=guard),
        sentry_cli_uploads.build_router(desk=uploads, guard=guard),
        sentry_cli_files.build_router(
            desk=uploads, reader=reader, bundles=monitor.source_maps.bundles, guard=guard
        ),
        sentry_cli.build_rest_router(guard),
        feedback.build_router(reader=monitor.feedback.store, slug_of=projects.slug, guard=guard),
        releases.build_router(
            sources=releases.ReleaseSources(
                reader=monitor.release_health.reader,
                new_issues=book,
                deploys=book,
                slug_of=projects.slug,
                clock=monitor.clock,
            ),
            guard=guard,
        ),
        source_maps.build_router(
            reader=reader,
            index=monitor.source_maps.index,
            assembler=monitor.source_maps.assembler,
            projects=projects,
            max_bytes=monitor.config.source_maps.max_bytes,
            guard=guard,
        ),
    ]
