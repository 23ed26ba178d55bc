"""ResuMatch's back end: builds everything, and takes it down again."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import uvicorn
from fastapi import APIRouter, FastAPI
from structlog.stdlib import get_logger

from resumatch.backend import __version__
from resumatch.backend.accounts import Accounts
from resumatch.backend.analyses import Analyses
from resumatch.backend.analytics import ConversionTracker
from resumatch.backend.auth import Passwords, Pseudonyms, Sessions
from resumatch.backend.body_limit import BodyLimitMiddleware
from resumatch.backend.config import ConfigurationError, Settings
from resumatch.backend.database import Database
from resumatch.backend.errors import install_error_handlers
from resumatch.backend.extraction import Extractor
from resumatch.backend.faults import Faults
from resumatch.backend.health import HealthChecker
from resumatch.backend.logs import RequestLog, configure_logging
from resumatch.backend.metrics import Metrics
from resumatch.backend.middleware import RequestContextMiddleware
from resumatch.backend.migrate import upgrade
from resumatch.backend.rate_limiting import RateLimiter
from resumatch.backend.redis_client import RedisClient
from resumatch.backend.resumes import Resumes
from resumatch.backend.routes import accounts as account_routes
from resumatch.backend.routes import analyses as analysis_routes
from resumatch.backend.routes import operations as operation_routes
from resumatch.backend.routes import resumes as resume_routes
from resumatch.backend.routes.access import build_current_person
from resumatch.backend.sentry import start_sentry, stop_sentry

# By its name: it is "__main__" when it is started as a program.
logger = get_logger("resumatch.backend.main")

_REDIS_INTERVAL_SECONDS = 5.0
_TIDY_INTERVAL_SECONDS = 600.0
_STOP_TIMEOUT_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What the routes and the background loops use."""

    metrics: Metrics
    database: Database
    redis: RedisClient
    limiter: RateLimiter
    faults: Faults
    sessions: Sessions
    accounts: Accounts
    resumes: Resumes
    analyses: Analyses


def create_app(settings: Settings) -> FastAPI:
    """Build the application; it connects to nothing before it is started."""
    start_sentry(settings)
    services = _build_services(settings)
    app = FastAPI(
        title="ResuMatch", version=__version__, lifespan=_build_lifespan(settings, services)
    )
    install_error_handlers(app)
    for router in _build_routers(settings, services):
        app.include_router(router)
    # The last one added is the outermost.
    app.add_middleware(BodyLimitMiddleware, upload_max_bytes=settings.upload_max_bytes)
    services.metrics.instrument(app)
    app.add_middleware(
        RequestContextMiddleware,
        metrics=services.metrics,
        synthetic_token=settings.synthetic_token,
        request_log=(
            RequestLog("resumatch.access", settings.service) if settings.log_requests else None
        ),
    )
    return app


def _build_services(settings: Settings) -> Services:
    """Build everything below the routes."""
    metrics = Metrics(version=__version__)
    database = Database(settings=settings, metrics=metrics)
    redis = RedisClient(settings=settings, metrics=metrics)
    limiter = RateLimiter(redis=redis, metrics=metrics, pseudonyms=Pseudonyms(settings=settings))
    tracker = ConversionTracker(
        database=database,
        registry=metrics.registry,
        window=timedelta(days=settings.funnel_window_days),
    )
    faults = Faults(enabled=settings.demo_faults)
    sessions = Sessions(settings=settings, database=database)
    accounts = Accounts(
        database=database,
        redis=redis,
        passwords=Passwords(settings=settings),
        sessions=sessions,
        limiter=limiter,
        metrics=metrics,
    )
    resumes = Resumes(
        database=database,
        extractor=Extractor(settings=settings),
        tracker=tracker,
        metrics=metrics,
    )
    analyses = Analyses(
        database=database, resumes=resumes, tracker=tracker, metrics=metrics, faults=faults
    )
    return Services(
        metrics=metrics,
        database=database,
        redis=redis,
        limiter=limiter,
        faults=faults,
        sessions=sessions,
        accounts=accounts,
        resumes=resumes,
        analyses=analyses,
    )


def _build_lifespan(
    settings: Settings, services: Services
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        if settings.migrate_on_start:
            await upgrade(settings.database_url)
        stopping = asyncio.Event()
        loops = [
            asyncio.create_task(_repeat(action, interval_seconds, stopping))
            for action, interval_seconds in (
                (services.redis.refresh_metrics, _REDIS_INTERVAL_SECONDS),
                (services.accounts.tidy, _TIDY_INTERVAL_SECONDS),
            )
        ]
        logger.info("started")
        yield
        # Not by cancelling alone: a driver that is cancelled while it connects may report an
        # ordinary error, and the loop would go on.
        stopping.set()
        _, unfinished = await asyncio.wait(loops, timeout=_STOP_TIMEOUT_SECONDS)
        for loop in unfinished:
            loop.cancel()
        await services.database.close()
        await services.redis.close()
        stop_sentry()

    return lifespan


def _build_routers(settings: Settings, services: Services) -> list[APIRouter]:
    limiter, faults = services.limiter, services.faults
    current_person = build_current_person(
        sessions=services.sessions,
        redis=services.redis,
        allowed_origins=settings.allowed_origins,
    )
    health = HealthChecker(
        {"database": services.database.ping, "redis": services.redis.ping},
        timeout_seconds=settings.health_timeout_seconds,
    )
    routers = [
        account_routes.build_router(
            accounts=services.accounts,
            resumes=services.resumes,
            sessions=services.sessions,
            limiter=limiter,
            current_person=current_person,
            is_secure=settings.is_production,
        ),
        resume_routes.build_router(
            resumes=services.resumes,
            limiter=limiter,
            faults=faults,
            current_person=current_person,
        ),
        analysis_routes.build_router(
            analyses=services.analyses,
            limiter=limiter,
            faults=faults,
            current_person=current_person,
        ),
        operation_routes.build_router(
            health=health,
            metrics=services.metrics,
            metrics_token=settings.metrics_token,
            version=__version__,
        ),
    ]
    if settings.demo_faults:
        routers.append(operation_routes.build_faults_router(faults=faults))
    return routers


async def _repeat(
    action: Callable[[], Awaitable[object]], interval_seconds: float, stopping: asyncio.Event
) -> None:
    while not stopping.is_set():
        try:
            await action()
        except Exception as error:  # noqa: BLE001 - the next turn tries again
            logger.warning("background_task_failed", error_type=type(error).__name__)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), interval_seconds)


def main() -> None:
    """Serve on HOST:PORT."""
    try:
        settings = Settings.from_environment(os.environ)
    except ConfigurationError as error:
        sys.exit(f"ResuMatch cannot start: {error}")
    try:
        configure_logging(
            settings.log_level,
            settings.service,
            file=settings.log_file,
            file_max_bytes=settings.log_file_max_bytes,
        )
    except OSError as error:
        sys.exit(f"ResuMatch cannot start: RESUMATCH_LOG_FILE: {error}")
    uvicorn.run(
        create_app(settings),
        host=os.environ.get("HOST", "127.0.0.1"),
        port=int(os.environ.get("PORT", "8000")),
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
