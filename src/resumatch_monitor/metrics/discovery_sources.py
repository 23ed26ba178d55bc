"""The places that targets come from: the configuration, files, HTTP endpoints."""

import asyncio
import glob
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, cast

import orjson

from resumatch_monitor.kit.clock import Clock
from resumatch_monitor.kit.network import find_url_secrets, scrub
from resumatch_monitor.kit.yamltree import YamlError, parse_yaml
from resumatch_monitor.metrics.access import AccessProvider
from resumatch_monitor.metrics.discovery_config import FileSDConfig, HTTPSDConfig, StaticConfig
from resumatch_monitor.metrics.fetch import FetchError, Question, fetch
from resumatch_monitor.metrics.status import DiscoveryStatus
from resumatch_monitor.metrics.targets import list_static, mask_url

Discovered = list[dict[str, str]]
"""Targets as their labels, `__address__` among them."""

_LARGEST_ANSWER_BYTES = 16 * 1024 * 1024
_MOST_FILES = 1_000
_MOST_TARGETS = 100_000
_MOST_LABELS = 128
_LOOK_AT_FILES_EVERY = timedelta(seconds=5)
_LONGEST_HTTP_TIMEOUT = timedelta(seconds=30)
_GROUP_KEYS = frozenset(("targets", "labels"))


class DiscoveryError(Exception):
    """A list of targets cannot be used; the message names the place and holds no secret."""


class DiscoverySource(Protocol):
    """One place that targets come from."""

    @property
    def status(self) -> DiscoveryStatus:
        """How it is doing."""
        ...

    @property
    def pause(self) -> timedelta | None:
        """How long to wait before the next look; None if it never changes."""
        ...

    async def look(self) -> Discovered:
        """Return its targets, those of the last good answer if there is no better one."""
        ...


class StaticSource:
    """`static_configs`."""

    pause = None

    def __init__(self, groups: Sequence[StaticConfig]) -> None:
        self._targets = list_static(groups)
        self.status = DiscoveryStatus("static", "static_configs", targets=len(self._targets))

    def list_targets(self) -> Discovered:
        """Return the targets, which never change."""
        return self._targets

    async def look(self) -> Discovered:
        return self._targets


@dataclass(frozen=True, slots=True)
class _ReadFile:
    """What a file said when it was last readable, and what it looked like."""

    stamp: tuple[int, int, int]
    targets: Discovered
    error: str = ""


class FileSource:
    """A `file_sd_config`. A file that cannot be read keeps its last good targets."""

    def __init__(self, config: FileSDConfig, *, clock: Clock) -> None:
        self._patterns = [str(path) for path in config.files]
        self._clock = clock
        self._refresh_seconds = config.refresh_interval.total_seconds()
        self._read_at = 0.0
        self._files: dict[str, _ReadFile] = {}
        self.pause = min(_LOOK_AT_FILES_EVERY, config.refresh_interval)
        names = ", ".join(path.name for path in config.files)
        self.status = DiscoveryStatus("file", names)

    async def look(self) -> Discovered:
        now = self._clock.monotonic()
        is_due = not self._read_at or now - self._read_at >= self._refresh_seconds
        files = await asyncio.to_thread(self._read_all, is_due)
        if is_due:
            self._read_at = now
        if is_due or files != self._files:
            targets = sum(len(each.targets) for each in files.values())
            errors = [each.error for each in files.values() if each.error]
            if not files:
                errors = ["no file matches"]
            self.status = replace(
                self.status,
                targets=targets,
                last_refresh_at=self._clock.now(),
                last_error="; ".join(errors[:3]),
            )
        self._files = files
        return [target for each in files.values() for target in each.targets]

    def _read_all(self, is_due: bool) -> dict[str, _ReadFile]:
        found: dict[str, _ReadFile] = {}
        for pattern in self._patterns:
            for name in sorted(glob.glob(pattern))[:_MOST_FILES]:
                known = self._files.get(name)
                stamp = _stamp(Path(name))
                if known is None or is_due or known.stamp != stamp:
                    found[name] = _read_file(Path(name), stamp, known)
                else:
                    found[name] = known
        return found


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0, 0
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read_file(path: Path, stamp: tuple[int, int, int], known: _ReadFile | None) -> _ReadFile:
    last_good = known.targets if known is not None else []
    try:
        with path.open("rb") as file:
            raw = file.read(_LARGEST_ANSWER_BYTES + 1)
        groups = _parse(raw, is_json=path.suffix == ".json")
        return _ReadFile(stamp, parse_groups(groups, {"__meta_filepath": str(path)}))
    except OSError as error:
        return _ReadFile(stamp, last_good, f"{path.name}: {error.strerror or error}")
    except DiscoveryError as error:
        return _ReadFile(stamp, last_good, f"{path.name}: {error}")


class HTTPSource:
    """An `http_sd_config`. An endpoint that does not answer keeps its last good targets."""

    def __init__(
        self, config: HTTPSDConfig, *, access: AccessProvider, timeout: timedelta, clock: Clock
    ) -> None:
        self._config = config
        self._access = access
        self._clock = clock
        self._timeout = min(timeout, _LONGEST_HTTP_TIMEOUT)
        self._targets: Discovered = []
        self.pause = config.refresh_interval
        self.status = DiscoveryStatus("http", mask_url(config.url))

    async def look(self) -> Discovered:
        try:
            self._targets = await self._ask()
        except (FetchError, DiscoveryError) as error:
            said = scrub(str(error), find_url_secrets(self._config.url))
            self.status = replace(self.status, last_error=said)
        else:
            self.status = replace(
                self.status,
                targets=len(self._targets),
                last_refresh_at=self._clock.now(),
                last_error="",
            )
        return self._targets

    async def _ask(self) -> Discovered:
        question = Question(
            url=self._config.url,
            headers={
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "X-Prometheus-Refresh-Interval-Seconds": f"{self.pause.total_seconds():g}",
            },
            timeout=self._timeout,
            largest_body=_LARGEST_ANSWER_BYTES,
            limit_name="a list of targets",
            who="the endpoint",
            follow_redirects=self._config.follow_redirects,
        )
        fetched = await fetch(self._access, question)
        media_type = fetched.content_type.partition(";")[0].strip().lower()
        if media_type != "application/json":
            shown = media_type[:100] or "no Content-Type"
            raise DiscoveryError(f"the endpoint answered {shown}, not application/json")
        groups = await asyncio.to_thread(_parse, fetched.body, is_json=True)
        try:
            return parse_groups(groups, {"__meta_url": self._config.url})
        except DiscoveryError as error:
            raise DiscoveryError(scrub(str(error), fetched.secrets)) from None


def _parse(raw: bytes, *, is_json: bool) -> object:
    if len(raw) > _LARGEST_ANSWER_BYTES:
        raise DiscoveryError(f"it is larger than {_LARGEST_ANSWER_BYTES} bytes")
    try:
        if is_json:
            return orjson.loads(raw)
        return parse_yaml(raw.decode()).value
    except orjson.JSONDecodeError as error:
        raise DiscoveryError(
            f"line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from None
    except YamlError as error:
        position = error.position
        raise DiscoveryError(
            f"line {position.line}, column {position.column}: {error.message}"
        ) from None
    except UnicodeDecodeError:
        raise DiscoveryError("it is not UTF-8") from None


def parse_groups(groups: object, meta: Mapping[str, str]) -> Discovered:
    """Return the targets of a list of groups, each with the group's labels and `meta`.

    Raises:
        DiscoveryError: If it is no such list, or one of too many; the message names the group.
    """
    if groups is None:
        return []
    if not isinstance(groups, list):
        raise DiscoveryError("it is not a list of groups of targets")
    found: Discovered = []
    for number, group in enumerate(cast("list[object]", groups), 1):
        try:
            addresses, labels = _parse_group(group)
        except ValueError as error:
            raise DiscoveryError(f"group {number}: {error}") from None
        if len(found) + len(addresses) > _MOST_TARGETS:
            raise DiscoveryError(f"it names more than {_MOST_TARGETS} targets")
        found += ({**labels, **meta, "__address__": address} for address in addresses)
    return found


def _parse_group(group: object) -> tuple[list[str], dict[str, str]]:
    if not isinstance(group, dict):
        raise ValueError("is not an object with targets and labels")  # noqa: TRY004
    keys = cast("dict[str, Any]", group)
    unknown = sorted(set(keys) - _GROUP_KEYS)
    if unknown:
        raise ValueError(f"there is no key {unknown[0][:100]!r}; possible are: labels, targets")
    addresses: Any = keys.get("targets") or []
    labels: Any = keys.get("labels") or {}
    if not isinstance(addresses, list) or not all(
        isinstance(each, str) for each in cast("list[object]", addresses)
    ):
        raise ValueError("targets is not a list of texts")
    if not isinstance(labels, dict) or len(cast("dict[str, object]", labels)) > _MOST_LABELS:
        raise ValueError("labels is not an object of texts, or too large")
    texts = {name: _to_text(name, each) for name, each in cast("dict[str, Any]", labels).items()}
    return cast("list[str]", addresses), texts


def _to_text(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise ValueError(f"the label {name[:100]!r} is not a text")  # noqa: TRY004
    return str(value)
