"""Every metric that ResuMatch counts itself, all present at 0 from the first scrape."""

import gzip

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_fastapi_instrumentator import Instrumentator
from prometheus_fastapi_instrumentator.metrics import Info as RequestInfo
from starlette.requests import Request
from starlette.responses import Response

LIMITED_ENDPOINTS = ("register", "login", "upload-resume", "analyze")
SUSPICIONS = (
    "eicar",
    "embedded_object",
    "external_reference",
    "macros",
    "pdf_active_content",
    "polyglot",
    "resource_exhaustion",
    "wrong_magic_bytes",
    "xml_entities",
    "zip_bomb",
)

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 10.0, 30.0)
_WAIT_BUCKETS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0)


class Metrics:
    """The registry and what is counted on it. One for each application."""

    def __init__(self, *, version: str) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        # An Info named "app" is exposed as app_info{version="…"} 1.
        Info("app", "Application info", registry=registry).info({"version": version})

        self.user_registrations = self._counter(
            "user_registrations_total", "Total user registrations"
        )
        self.resume_uploads = self._counter("resume_uploads_total", "Total resume uploads")
        self.job_analyses = self._counter("job_analyses_total", "Total job analyses, attempts")
        self.job_analyses_failed = self._counter(
            "job_analyses_failed_total", "Job analyses that ended in an error"
        )
        self.analysis_duration = Histogram(
            "analysis_duration_seconds",
            "Time spent on analysis",
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self.active_users = Gauge("active_users", "Number of active users", registry=registry)
        self.failed_logins = self._counter(
            "failed_login_attempts_total", "Sign-ins with a wrong address or password"
        )
        self.suspicious_uploads = self._counter(
            "suspicious_file_uploads_total", "Uploads refused as an attack", "reason"
        )
        self.rate_limit_violations = self._counter(
            "rate_limit_violations_total", "Total rate limit violations", "endpoint"
        )
        self.rate_limit_unchecked = self._counter(
            "rate_limit_unchecked_total",
            "Requests let through because Redis could not be asked",
            "endpoint",
        )
        self.synthetic_requests = self._counter(
            "synthetic_requests_total", "Requests of the monitoring, not of people"
        )
        for reason in SUSPICIONS:
            self.suspicious_uploads.labels(reason)
        for endpoint in LIMITED_ENDPOINTS:
            self.rate_limit_violations.labels(endpoint)
            self.rate_limit_unchecked.labels(endpoint)
        self._add_database_metrics()
        self._add_redis_metrics()

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, registry=self.registry)

    def _add_database_metrics(self) -> None:
        self.slow_queries = self._counter(
            "db_slow_queries_total", "Database queries slower than the limit"
        )
        self.pool_size = self._gauge("db_pool_size", "Connections that the pool keeps")
        self.pool_checked_out = self._gauge("db_pool_checked_out", "Connections of the pool in use")
        self.pool_overflow = self._gauge(
            "db_pool_overflow", "Connections in use beyond the size of the pool"
        )
        self.pool_wait = Histogram(
            "db_pool_wait_seconds",
            "Time until the pool handed out a connection, new connections included",
            buckets=_WAIT_BUCKETS,
            registry=self.registry,
        )
        self.pool_events = self._counter(
            "db_pool_events_total", "What happened to connections of the pool", "event"
        )
        self.pool_timeouts = self._counter(
            "db_pool_timeouts_total", "Requests that the pool could not give a connection in time"
        )

    def _add_redis_metrics(self) -> None:
        self.redis_up = self._gauge("redis_healthy", "1 while Redis answers")
        self.redis_ping = self._gauge("redis_ping_seconds", "Time of the last answered PING")
        self.redis_memory = self._gauge("redis_used_memory_bytes", "Memory that Redis uses")
        self.redis_clients = self._gauge("redis_connected_clients", "Connections to Redis")
        self.redis_evictions = self._gauge("redis_evicted_keys", "Keys evicted since its start")

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, registry=self.registry)

    def instrument(self, app: FastAPI) -> None:
        """Count and time the requests of `app`."""
        requests = self._counter(
            "http_requests_total", "HTTP requests", "method", "handler", "status"
        )
        duration = Histogram(
            "http_request_duration_seconds",
            "Time until the answer was sent",
            ("method", "handler"),
            buckets=_REQUEST_BUCKETS,
            registry=self.registry,
        )

        def observe(info: RequestInfo) -> None:
            method, handler = info.method, info.modified_handler
            requests.labels(method, handler, info.modified_status).inc()
            duration.labels(method, handler).observe(info.modified_duration)

        # Grouped as "2xx", statuses would not match status=~"5..", and one unknown path a
        # series would let anyone fill the memory.
        Instrumentator(
            should_group_status_codes=False, should_group_untemplated=True, registry=self.registry
        ).add(observe).instrument(app)

    def render(self, request: Request) -> Response:
        """Answer a scrape in the format that it accepts."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        body = encode(self.registry)
        headers = {"Vary": "Accept, Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            body = gzip.compress(body, compresslevel=1)
            headers["Content-Encoding"] = "gzip"
        return Response(body, media_type=content_type, headers=headers)
