"""What is scraped, and how it is doing."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from resumatch_monitor.metrics.config import GlobalConfig, ScrapeConfig

_SECRET_WORDS = ("token", "key", "secret", "password", "passwd", "auth", "signature")
_PARAM_PREFIX = "__param_"


@dataclass(frozen=True, slots=True)
class Target:
    """One address to scrape.

    Attributes:
        key: Names the target across restarts; holds no secret.
        url: May hold a secret in its query; show `shown_url` to people.
        labels: What every series of the target gets; `job` and `instance` among them.
    """

    key: str
    url: str
    labels: Mapping[str, str]
    interval: timedelta
    timeout: timedelta
    config: ScrapeConfig

    @property
    def job(self) -> str:
        """The label `job`."""
        return self.labels.get("job", "")

    @property
    def instance(self) -> str:
        """The label `instance`."""
        return self.labels.get("instance", "")

    @property
    def secrets(self) -> set[str]:
        """What must not appear in what is said of the target, although it may echo it."""
        found: set[str] = set()
        if self.config.authorization is not None:
            found.add(self.config.authorization.credentials.get_secret_value())
        if self.config.basic_auth is not None:
            password = self.config.basic_auth.password.get_secret_value()
            pair = f"{self.config.basic_auth.username}:{password}".encode()
            found |= {password, base64.b64encode(pair).decode()}
        pairs = parse_qsl(urlsplit(self.url).query)
        return found | {value for name, value in pairs if _may_be_secret(name)}

    @property
    def shown_url(self) -> str:
        """The URL without what may be a secret."""
        return mask_url(self.url)


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """How a target is doing.

    Attributes:
        health: `up`, `down`, or `unknown` before the first scrape.
        last_error: Why the last scrape failed or was not stored; empty if all went well.
        labels: What its series get; `job` and `instance` among them.
        interval_seconds: How often it is scraped.
    """

    job: str
    instance: str
    url: str
    labels: Mapping[str, str]
    health: str = "unknown"
    last_scrape_at: datetime | None = None
    last_error: str = ""
    scrape_duration_seconds: float = 0.0
    samples_scraped: int = 0
    interval_seconds: float = 0.0
    timeout_seconds: float = 0.0


class WatchedTarget(Protocol):
    """The part of a `TargetStatus` that everything that is watched has, collectors included."""

    @property
    def job(self) -> str: ...

    @property
    def instance(self) -> str: ...

    @property
    def url(self) -> str: ...

    @property
    def health(self) -> str: ...

    @property
    def last_scrape_at(self) -> datetime | None: ...

    @property
    def last_error(self) -> str: ...

    @property
    def scrape_duration_seconds(self) -> float: ...

    @property
    def samples_scraped(self) -> int: ...

    @property
    def labels(self) -> Mapping[str, str]: ...


class TargetSource(Protocol):
    """Something that watches targets."""

    def statuses(self) -> Sequence[WatchedTarget]:
        """Return how each is doing."""
        ...


def build_targets(
    scrape_configs: Sequence[ScrapeConfig], global_config: GlobalConfig
) -> list[Target]:
    """Return the targets that the configuration lists, each once.

    Raises:
        ValueError: If an address is none, or a time-out is longer than its interval.
    """
    targets: dict[str, Target] = {}
    for config in scrape_configs:
        interval = config.scrape_interval or global_config.scrape_interval
        timeout = config.scrape_timeout or min(global_config.scrape_timeout, interval)
        if timeout > interval:
            raise ValueError(
                f"scrape_configs, job {config.job_name!r}: scrape_timeout is longer than"
                " scrape_interval"
            )
        for static in config.static_configs:
            for address in static.targets:
                target = _build_target(config, address, static.labels, interval, timeout)
                targets.setdefault(target.key, target)
    return list(targets.values())


def mask_url(url: str) -> str:
    """Return `url` without user information and with likely secrets in its query masked."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    query = urlencode(
        [
            (name, "***" if _may_be_secret(name) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ],
        safe="*",
    )
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def _may_be_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)


def _build_target(
    config: ScrapeConfig,
    address: str,
    own_labels: Mapping[str, str],
    interval: timedelta,
    timeout: timedelta,
) -> Target:
    params = {**config.params}
    for name, value in own_labels.items():
        if name.startswith(_PARAM_PREFIX):
            params[name.removeprefix(_PARAM_PREFIX)] = [value]
    scheme = own_labels.get("__scheme__", config.scheme)
    path = own_labels.get("__metrics_path__", config.metrics_path)
    path = path if path.startswith("/") else f"/{path}"
    query = urlencode([(name, value) for name, values in params.items() for value in values])
    url = f"{scheme}://{address}{path}" + (f"?{query}" if query else "")
    labels = {
        "job": config.job_name,
        "instance": address,
        # As in Prometheus, labels that begin with two underscores only steer the scrape.
        **{name: value for name, value in own_labels.items() if not name.startswith("__")},
    }
    identity = repr((url, sorted(labels.items()))).encode()
    digest = hashlib.blake2b(identity, digest_size=8).hexdigest()
    return Target(
        key=f"{labels['job']}/{labels['instance']}/{digest}",
        url=url,
        labels=labels,
        interval=interval,
        timeout=timeout,
        config=config,
    )
