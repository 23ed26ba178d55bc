"""A pattern of the configuration, and the files that it leads to."""

import glob
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from resumatch_monitor.kit.regex import Regex
from resumatch_monitor.logs.files.assembling import Rules
from resumatch_monitor.logs.files.config import LogFileConfig

_PACKED = (".gz", ".zst", ".xz", ".bz2", ".zip", ".lz4")


class FilePattern:
    """What holds for all files of a pattern.

    Attributes:
        name: The pattern itself.
        hints: What records are told to be.
        starts_at_end: Files that are there when it is first used are read from their end.
    """

    def __init__(self, config: LogFileConfig) -> None:
        self.name = os.path.abspath(config.path)
        self.wait_seconds = config.wait.total_seconds()
        self.starts_at_end = config.start_at == "end"
        is_json = config.format == "json"
        self.rules = Rules(
            is_first=Regex(config.first_line).searches if config.first_line else None,
            joins=(config.multiline or bool(config.first_line)) and not is_json,
            has_json=config.format != "text",
            max_lines=config.max_lines,
            max_bytes=config.max_record_bytes,
        )
        self.hints: Mapping[str, Any] = {
            "source": "file",
            "service": config.service,
            "environment": config.environment,
            "format": config.format,
            "timezone": config.timezone,
        }

    def find(self, limit: int) -> Iterator[str]:
        """Yield the paths that match, `limit` at most, packed files left out; blocks."""
        return islice(filter(_is_text, _expand(self.name)), limit)


def _expand(pattern: str) -> Iterator[str]:
    """Yield what a pattern leads to; `**` does not go through links, which may lead in circles."""
    head, has_depth, tail = (pattern + "/*" * pattern.endswith("/**")).partition("/**/")
    if not has_depth:
        yield from glob.iglob(pattern)
        return
    for base in glob.iglob(head or "/"):
        for folder, names, _ in os.walk(base):
            names[:] = [each for each in names if not each.startswith(".")]
            yield from _expand(f"{glob.escape(folder)}/{tail}")


def _is_text(path: str) -> bool:
    return not path.endswith(_PACKED)
