"""The process that reads source maps, apart from the monitor's own.

The library that reads them is native code: a deeply nested script overflows its stack, and then the
whole process is gone; some maps take seconds and hundreds of mebibytes. Here a crash costs one
answer, time is bounded by an alarm that ends the process, memory by a limit, and all of it is given
back when nobody asks for a while.

A request is a line of JSON on the standard input, its answer a line on the standard output.
"""

import base64
import binascii
import contextlib
import json
import os
import resource
import select
import signal
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from symbolic.sourcemapcache import SourceMapCache, SourceMapCacheToken

IDLE_SECONDS = 300.0
_LARGEST_MEMBER_BYTES = 256 * 1024 * 1024
_REFERENCES = (b"//# sourceMappingURL=", b"//@ sourceMappingURL=")
_TAIL_BYTES = 4_096
_LONGEST_LINE = 400
_LONGEST_TEXT = 1_000


class MapCache:
    """The maps that were read last, as many as fit."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._maps: OrderedDict[str, tuple[SourceMapCache, int]] = OrderedDict()

    def get(self, request: dict[str, Any]) -> "SourceMapCache":
        """Return the map that a request names, reading it if it is not here.

        Raises:
            Exception: Whatever is wrong with it.
        """
        key = str(request["key"])
        found = self._maps.get(key)
        if found is not None:
            self._maps.move_to_end(key)
            return found[0]
        from symbolic.sourcemapcache import SourceMapCache  # noqa: PLC0415 - heavy

        script, content = _read_files(request)
        size = len(script) + len(content)
        # Before it is read: the old ones and the new one together are what the limit is for.
        while self._maps and self._bytes + size > self._max_bytes:
            _, (_, freed) = self._maps.popitem(last=False)
            self._bytes -= freed
        read = SourceMapCache.from_bytes(script, content)
        self._maps[key] = read, size
        self._bytes += size
        return read


def main() -> None:
    """Answer until the input ends, or nobody asks for a while."""
    memory_bytes, cache_bytes = int(sys.argv[1]), int(sys.argv[2])
    _stand_back(memory_bytes)
    maps = MapCache(cache_bytes)
    source, answers = sys.stdin.buffer, sys.stdout.buffer
    while True:
        # A request is asked for only when the one before is answered, so nothing is buffered.
        if not select.select([source], [], [], IDLE_SECONDS)[0]:
            return
        line = source.readline()
        if not line:
            return
        answers.write(json.dumps(_answer(maps, line)).encode() + b"\n")
        answers.flush()


def _stand_back(memory_bytes: int) -> None:
    """Take no more than is allowed, and be the first that the system ends when it needs memory."""
    os.nice(5)
    for limit, size in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CORE, 0)):
        # Some systems know no limit on memory.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (size, size))
    with contextlib.suppress(OSError), Path("/proc/self/oom_score_adj").open("w") as score:
        score.write("1000")


def _answer(maps: MapCache, line: bytes) -> dict[str, Any]:
    request = json.loads(line)
    # Native code hears of no signal but those that end the process: that is what is wanted.
    signal.setitimer(signal.ITIMER_REAL, float(request["seconds"]))
    try:
        read = maps.get(request)
        context = int(request["context"])
        return {"places": [_find(read, place, context) for place in request["places"]]}
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a map, the next is asked for
        return {"error": _describe(error), "is_gone": isinstance(error, FileNotFoundError)}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _find(read: "SourceMapCache", place: list[int], context: int) -> dict[str, Any] | None:
    token: SourceMapCacheToken | None = read.lookup(place[0], place[1], context)
    if token is None or not token.line:
        return None
    return {
        "line": token.line,
        "column": token.col,
        "source": _cut(token.src, _LONGEST_TEXT),
        "name": _cut(token.name, _LONGEST_TEXT),
        "function": _cut(token.function_name, _LONGEST_TEXT),
        "context_line": _cut_line(token.context_line),
        "pre_context": [_cut_line(line) or "" for line in token.pre_context],
        "post_context": [_cut_line(line) or "" for line in token.post_context],
    }


def _read_files(request: dict[str, Any]) -> tuple[bytes, bytes]:
    with zipfile.ZipFile(str(request["bundle"])) as archive:
        script_path, map_path = request["script"], request["map"]
        script = _read_member(archive, script_path) if script_path else b""
        if map_path:
            return script, _read_member(archive, map_path)
    return script, _read_inline_map(script)


def _read_member(archive: zipfile.ZipFile, path: str) -> bytes:
    info = archive.getinfo(path)
    if info.file_size > _LARGEST_MEMBER_BYTES:
        raise ValueError(f"{path} is too large")
    return archive.read(info)


def _read_inline_map(script: bytes) -> bytes:
    start = max(script.rfind(reference) for reference in _REFERENCES)
    if start < 0:
        raise ValueError("the script has no map in it")
    url = script[start:].split(b"=", 1)[1].split(None, 1)[0]
    head, _, data = url.partition(b",")
    if not head.startswith(b"data:") or not head.endswith(b";base64"):
        raise ValueError("the script's own map is not base64")
    with contextlib.suppress(binascii.Error):
        return base64.b64decode(data)
    raise ValueError("the script's own map is not base64")


def _cut(text: str | None, longest: int) -> str:
    return (text or "")[:longest]


def _cut_line(line: str | None) -> str | None:
    if line is None:
        return None
    line = line.rstrip("\r\n")
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " …"


def _describe(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    if isinstance(error, KeyError):
        return "the upload no longer has it"
    return str(cast("object", error))[:200] or type(error).__name__


if __name__ == "__main__":
    main()
