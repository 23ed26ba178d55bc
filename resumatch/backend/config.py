"""Settings, read from the environment once, at the start."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from resumatch.backend import __version__
from resumatch.backend.ecs import Service

_PRODUCTION = "production"
_SHORTEST_SECRET = 32
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


class ConfigurationError(Exception):
    """An environment variable is missing or wrong; the message names it, never its value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be configured."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    environment: str = "development"
    release: str = f"resumatch@{__version__}"

    sentry_dsn: str = field(default="", repr=False)
    traces_sample_rate: float = 0.1
    log_level: str = "INFO"
    log_requests: bool = True
    log_file: Path | None = None
    log_file_max_bytes: int = 16 * 1024 * 1024
    metrics_token: str = field(default="", repr=False)
    synthetic_token: str = field(default="", repr=False)

    allowed_origins: tuple[str, ...] = ()
    session_hours: float = 24 * 14
    upload_max_bytes: int = 5 * 1024 * 1024
    extraction_timeout_seconds: float = 10.0
    extraction_memory_bytes: int = 512 * 1024 * 1024
    health_timeout_seconds: float = 1.0
    slow_query_seconds: float = 1.0
    pool_size: int = 10
    pool_overflow: int = 10
    pool_timeout_seconds: float = 5.0
    funnel_window_days: float = 30.0
    active_user_minutes: float = 15.0
    password_memory_kib: int = 64 * 1024
    password_rounds: int = 3

    migrate_on_start: bool = False
    demo_faults: bool = False

    @property
    def is_production(self) -> bool:
        return self.environment == _PRODUCTION

    @property
    def service(self) -> Service:
        return Service(environment=self.environment, version=self.release)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read `RESUMATCH_…` and `SENTRY_DSN`.

        Raises:
            ConfigurationError: If a variable is missing or cannot be understood.
        """
        reader = _Reader(environ)
        environment = reader.text("ENVIRONMENT", "development")
        log_file = reader.text("LOG_FILE", "")
        return cls(
            database_url=async_database_url(reader.required("DATABASE_URL")),
            redis_url=reader.required("REDIS_URL"),
            secret_key=_secret_key(reader.text("SECRET_KEY", ""), environment),
            environment=environment,
            release=reader.text("RELEASE", f"resumatch@{__version__}"),
            sentry_dsn=environ.get("SENTRY_DSN", ""),
            traces_sample_rate=reader.number("TRACES_SAMPLE_RATE", 0.1, most=1.0),
            log_level=reader.text("LOG_LEVEL", "INFO").upper(),
            log_requests=reader.flag("LOG_REQUESTS", default=True),
            log_file=Path(log_file) if log_file else None,
            log_file_max_bytes=int(reader.number("LOG_FILE_MAX_BYTES", 16 * 1024 * 1024)),
            metrics_token=reader.text("METRICS_TOKEN", ""),
            synthetic_token=reader.text("SYNTHETIC_TOKEN", ""),
            allowed_origins=tuple(reader.text("ALLOWED_ORIGINS", "").split()),
            session_hours=reader.number("SESSION_HOURS", 24 * 14),
            upload_max_bytes=int(reader.number("UPLOAD_MAX_BYTES", 5 * 1024 * 1024)),
            extraction_timeout_seconds=reader.number("EXTRACTION_TIMEOUT_SECONDS", 10.0),
            extraction_memory_bytes=int(
                reader.number("EXTRACTION_MEMORY_BYTES", 512 * 1024 * 1024)
            ),
            health_timeout_seconds=reader.number("HEALTH_TIMEOUT_SECONDS", 1.0),
            slow_query_seconds=reader.number("SLOW_QUERY_SECONDS", 1.0),
            pool_size=int(reader.number("POOL_SIZE", 10)),
            pool_overflow=int(reader.number("POOL_OVERFLOW", 10)),
            pool_timeout_seconds=reader.number("POOL_TIMEOUT_SECONDS", 5.0),
            funnel_window_days=reader.number("FUNNEL_WINDOW_DAYS", 30.0),
            active_user_minutes=reader.number("ACTIVE_USER_MINUTES", 15.0),
            password_memory_kib=int(reader.number("PASSWORD_MEMORY_KIB", 64 * 1024)),
            password_rounds=int(reader.number("PASSWORD_ROUNDS", 3)),
            migrate_on_start=reader.flag("MIGRATE_ON_START", default=False),
            demo_faults=reader.flag("DEMO_FAULTS", default=False),
        )


def async_database_url(url: str) -> str:
    """Make a URL as hosting companies give it (`postgres://…?sslmode=…`) one for asyncpg.

    Raises:
        ConfigurationError: If it is not a PostgreSQL URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"postgres", "postgresql", "postgresql+asyncpg"}:
        raise ConfigurationError("RESUMATCH_DATABASE_URL must begin with postgresql://")
    query = [
        ("ssl" if name == "sslmode" else name, value) for name, value in parse_qsl(parts.query)
    ]
    rest = urlunsplit(("", parts.netloc, parts.path, urlencode(query), ""))
    return "postgresql+asyncpg:" + (rest if rest.startswith("//") else f"//{rest}")


def _secret_key(given: str, environment: str) -> str:
    if not given and environment != _PRODUCTION:
        # Sessions then end with the process, which is what a developer's machine can bear.
        return secrets.token_urlsafe(_SHORTEST_SECRET)
    if len(given) < _SHORTEST_SECRET:
        raise ConfigurationError(
            f"RESUMATCH_SECRET_KEY must have at least {_SHORTEST_SECRET} characters"
        )
    return given


class _Reader:
    """Reads one variable each, with errors that name it."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str) -> str:
        return self._environ.get(f"RESUMATCH_{name}", default)

    def required(self, name: str) -> str:
        value = self.text(name, "")
        if not value:
            raise ConfigurationError(f"RESUMATCH_{name} is not set")
        return value

    def number(self, name: str, default: float, *, most: float = float("inf")) -> float:
        text = self.text(name, "")
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            raise ConfigurationError(f"RESUMATCH_{name} must be a number") from None
        if not 0 <= value <= most:
            raise ConfigurationError(f"RESUMATCH_{name} must be between 0 and {most:g}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        text = self.text(name, "1" if default else "0").lower()
        if text not in _TRUE | _FALSE:
            raise ConfigurationError(f"RESUMATCH_{name} must be 0 or 1")
        return text in _TRUE
