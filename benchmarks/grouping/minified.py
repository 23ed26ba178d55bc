"""What a bundler makes of calls: names that change with each build, one line, a chunk a module."""

from collections.abc import Callable
from typing import Any
from zlib import crc32

from benchmarks.grouping.scene import Call, Occurrence
from benchmarks.grouping.values import make_hex

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_$"


def minify(occurrence: Occurrence) -> Callable[[Call], dict[str, Any]]:
    """Return what writes a call as a frame of the build that the occurrence ran."""
    rng = occurrence.rng
    build = rng.randrange(5, 60) if occurrence.variation == "build" else occurrence.release
    hosts = ("https://app.example.com", "https://staging.example.com", "app://")
    host = rng.choice(hosts) if occurrence.variation == "hosts" else hosts[0]
    engine = rng.randrange(3) if occurrence.variation == "engine" else 0

    def frame(call: Call) -> dict[str, Any]:
        return {
            "function": _name(call, build, engine),
            "filename": f"{host}/_next/static/chunks/{_chunk(call, build)}",
            "lineno": 1,
            "colno": _number(f"{call.module}{call.function}{call.source}{build}") % 90_000 + 500,
            # The browser's SDK holds all that a bundle contains for the application's own.
            "in_app": True,
        }

    def framed(call: Call) -> dict[str, Any]:
        written = frame(call)
        if engine == 2 and written["function"] == "?":
            written["function"] = f"global code{make_hex(rng, 0)}" if rng.random() < 0.1 else "?"
        return written

    return framed


def _name(call: Call, build: int, engine: int) -> str:
    number = _number(f"{call.module}.{call.function}.{call.source}.{build}")
    short = _LETTERS[number % 54] + ("" if number % 3 else _LETTERS[number // 54 % 52])
    kind = _number(f"{call.module} {call.function}") % 10
    if not call.is_app or kind < 4 or call.function.startswith("<"):
        return "?" if number % 4 == 0 else short
    if kind < 8:
        # A method or a property: bundlers leave these names alone.
        owner = ("Object.", "", f"{short}.")[engine]
        return f"{owner}{call.function}"
    return f"{short}/<" if engine == 1 else short


def _chunk(call: Call, build: int) -> str:
    digest = f"{_number(f'{call.module}/{build}'):08x}{build:08x}"
    if not call.is_app:
        return f"framework-{digest}.js"
    kind = _number(call.module) % 3
    if kind == 0:
        return f"pages/{call.module.replace('.', '/')}-{digest}.js"
    if kind == 1:
        return f"{_number(call.module) % 900}-{digest}.js"
    return f"{_number(f'{call.module}{build}') % 900}.{digest}.js"


def _number(text: str) -> int:
    return crc32(text.encode())
