"""What is scraped: from discovered labels, through relabelling, to addresses with labels."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from resumatch_monitor.kit.durations import format_duration, parse_duration
from resumatch_monitor.metrics.config import GlobalConfig, MetricsConfig, ScrapeConfig
from resumatch_monitor.metrics.discovery_config import StaticConfig, check_address
from resumatch_monitor.metrics.pool import ScrapePool, build_pool

_SECRET_WORDS = ("token", "key", "secret", "password", "passwd", "auth", "signature")
_PARAM_PREFIX = "__param_"
_META_PREFIX = "__meta_"
_URL_LABELS = frozenset(("__meta_url",))
_MASK = "***"
_SHORTEST_INTERVAL = timedelta(milliseconds=100)
_LONGEST_INTERVAL = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Target:
    """One address to scrape.

    Attributes:
        key: Names the target across restarts; holds no secret.
        url: May hold a secret in its query; show `shown_url` to people.
        labels: What every series of the target gets; `job` and `instance` among them.
        discovered: What it had before relabelling, likely secrets masked.
    """

    key: str
    url: str
    labels: Mapping[str, str]
    interval: timedelta
    timeout: timedelta
    pool: ScrapePool = field(compare=False)
    discovered: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)

    @property
    def config(self) -> ScrapeConfig:
        """How it is scraped."""
        return self.pool.config

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
        config = self.config
        if config.authorization is not None and config.authorization.credentials is not None:
            found.add(config.authorization.credentials.get_secret_value())
        if config.bearer_token is not None:
            found.add(config.bearer_token.get_secret_value())
        if config.basic_auth is not None:
            password = config.basic_auth.password.get_secret_value()
            pair = f"{config.basic_auth.username}:{password}".encode()
            found |= {password, base64.b64encode(pair).decode()}
        pairs = parse_qsl(urlsplit(self.url).query)
        return found | {value for name, value in pairs if _may_be_secret(name)}

    @property
    def shown_url(self) -> str:
        """The URL without what may be a secret."""
        return mask_url(self.url)


@dataclass(frozen=True, slots=True)
class BuiltTargets:
    """What became of a job's discovered targets.

    Attributes:
        targets: Each once; the first `target_limit`.
        count_targets: How many there are.
        dropped: What relabelling dropped, likely secrets masked; the first `keep_dropped_targets`.
        count_dropped: How many it dropped.
        problems: Why others cannot be scraped; the first few.
        count_problems: How many they are.
    """

    targets: Sequence[Target]
    count_targets: int = 0
    dropped: Sequence[Mapping[str, str]] = ()
    count_dropped: int = 0
    problems: Sequence[str] = ()
    count_problems: int = 0


_MOST_PROBLEMS = 10


def build_pool_targets(pool: ScrapePool, discovered: Iterable[Mapping[str, str]]) -> BuiltTargets:
    """Relabel what was discovered; one that makes no target costs only itself."""
    targets: dict[str, Target] = {}
    dropped: list[Mapping[str, str]] = []
    problems: list[str] = []
    beyond: set[str] = set()
    count_dropped = count_problems = 0
    for labels in discovered:
        before = _add_defaults(pool, labels)
        try:
            target = _build_target(pool, before)
        except ValueError as error:
            count_problems += 1
            if len(problems) < _MOST_PROBLEMS:
                problems.append(f"{_mask_address(before.get('__address__', ''))!r}: {error}")
            continue
        if target is None:
            count_dropped += 1
            if len(dropped) < pool.limits.kept_dropped_targets:
                dropped.append(mask_labels(before))
        elif len(targets) < pool.limits.targets:
            targets.setdefault(target.key, target)
        elif target.key not in targets:
            # There may be ever so many; what is not scraped is counted alone.
            beyond.add(target.key)
    return BuiltTargets(
        targets=list(targets.values()),
        count_targets=len(targets) + len(beyond),
        dropped=dropped,
        count_dropped=count_dropped,
        problems=problems,
        count_problems=count_problems,
    )


def build_targets(
    scrape_configs: Sequence[ScrapeConfig], global_config: GlobalConfig
) -> list[Target]:
    """Return the targets that the configuration itself lists, each once.

    Raises:
        ValueError: If one cannot be scraped, or a time-out is longer than its interval.
    """
    targets: dict[str, Target] = {}
    for config in scrape_configs:
        pool = build_pool(config, global_config, MetricsConfig())
        built = build_pool_targets(pool, list_static(config.static_configs))
        if built.problems:
            raise ValueError(f"scrape_configs, job {config.job_name!r}: {built.problems[0]}")
        for target in built.targets:
            targets.setdefault(target.key, target)
    return list(targets.values())


def list_static(groups: Iterable[StaticConfig]) -> list[dict[str, str]]:
    """Return what groups of targets discover: each address with its group's labels."""
    return [
        {**group.labels, "__address__": address} for group in groups for address in group.targets
    ]


def mask_url(url: str) -> str:
    """Return `url` without user information and with likely secrets in its query masked."""
    parts = urlsplit(url)
    netloc = parts.netloc.rpartition("@")[2]
    query = urlencode(
        [
            (name, _MASK if _may_be_secret(name) else value)
            for name, value in parse_qsl(parts.query, keep_blank_values=True)
        ],
        safe="*",
    )
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def mask_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return discovered labels with likely secrets masked."""
    return {name: _mask_label(name, value) for name, value in sorted(labels.items())}


def _mask_label(name: str, value: str) -> str:
    if name.startswith(_PARAM_PREFIX) and _may_be_secret(name):
        return _MASK
    if name in _URL_LABELS:
        return mask_url(value)
    return _mask_address(value) if name == "__address__" else value


def _mask_address(address: str) -> str:
    # What stands before an @ is likely a password.
    return f"{_MASK}@{address.rpartition('@')[2]}" if "@" in address else address


def _may_be_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)


def _add_defaults(pool: ScrapePool, discovered: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that relabelling begins with."""
    config = pool.config
    labels = {name: value for name, value in discovered.items() if value}
    for name, value in (
        ("job", config.job_name),
        ("__scrape_interval__", format_duration(pool.interval)),
        ("__scrape_timeout__", format_duration(pool.timeout)),
        ("__metrics_path__", config.metrics_path),
        ("__scheme__", config.scheme),
    ):
        labels.setdefault(name, value)
    for name, values in config.params.items():
        if values and values[0]:
            labels[_PARAM_PREFIX + name] = values[0]
    return labels


def _build_target(pool: ScrapePool, before: Mapping[str, str]) -> Target | None:
    labels = pool.relabel.apply(before)
    if labels is None:
        return None
    address = labels.get("__address__", "")
    if not address:
        raise ValueError("there is no __address__ after relabelling")
    check_address(address)
    interval = _parse_time(labels, "__scrape_interval__")
    # A configuration may say less; what is discovered must not keep the monitor busy.
    if interval < min(pool.interval, _SHORTEST_INTERVAL):
        raise ValueError("__scrape_interval__ must be at least 100ms")
    timeout = _parse_time(labels, "__scrape_timeout__")
    if timeout > interval:
        raise ValueError(
            f"__scrape_timeout__ {format_duration(timeout)} is longer than"
            f" __scrape_interval__ {format_duration(interval)}"
        )
    url = _build_url(pool.config, labels, address)
    labels.setdefault("instance", address)
    # As in Prometheus, labels that begin with two underscores only steer the scrape.
    public = {name: value for name, value in labels.items() if not name.startswith("__")}
    identity = repr((url, sorted(public.items()))).encode()
    digest = hashlib.blake2b(identity, digest_size=8).hexdigest()
    return Target(
        key=f"{public.get('job', '')}/{public['instance']}/{digest}",
        url=url,
        labels=public,
        interval=interval,
        timeout=timeout,
        pool=pool,
        discovered=mask_labels(before),
    )


def _parse_time(labels: Mapping[str, str], name: str) -> timedelta:
    try:
        duration = parse_duration(labels.get(name, ""))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if not timedelta(0) < duration <= _LONGEST_INTERVAL:
        raise ValueError(f"{name} must be more than 0 and at most a year")
    return duration


def _build_url(config: ScrapeConfig, labels: Mapping[str, str], address: str) -> str:
    scheme = labels.get("__scheme__", "")
    if scheme not in ("http", "https"):
        raise ValueError(f"__scheme__ is {scheme!r}, not http or https")
    params = {name: list(values) for name, values in config.params.items()}
    for name, value in labels.items():
        if name.startswith(_PARAM_PREFIX):
            params[name.removeprefix(_PARAM_PREFIX)] = [
                value,
                *params.get(name.removeprefix(_PARAM_PREFIX), [])[1:],
            ]
    path = labels.get("__metrics_path__", "")
    path = path if path.startswith("/") else f"/{path}"
    query = urlencode([(name, value) for name in sorted(params) for value in params[name]])
    return f"{scheme}://{address}{path}" + (f"?{query}" if query else "")
