"""Bundles of source maps, as sentry-cli and the bundler plugins make them."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import orjson

HEADER = b"SYSB\x02\x00\x00\x00"
DEBUG_ID = "175e7639-9f8d-5d97-b5d9-b1f21b950bde"
SCRIPT = b'function f(n){throw new Error("boom "+n)}function g(){f(1)}g();\n'
SOURCE = """function fail(number) {
  throw new Error("boom " + number)
}

function start() {
  fail(1)
}

start()
"""
_NAMES = ("fail", "number", "start")
_BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Where the parts of the script were before: line and column from 0, and the name they had.
_PLACES = (
    (b"function f", 0, 0, None),
    (b"f(n)", 0, 9, 0),
    (b"throw", 1, 2, None),
    (b"function g", 4, 0, None),
    (b"g(){", 4, 9, 2),
    (b"f(1)", 5, 2, 0),
    (b"g();", 8, 0, 2),
)


def column_of(part: bytes) -> int:
    """Return where a part of `SCRIPT` begins, counted from 1 as browsers do."""
    return SCRIPT.index(part) + 1


def make_mappings() -> str:
    """Return the mappings of `SCRIPT` to `SOURCE`."""
    segments: list[str] = []
    before = [0, 0, 0, 0, 0]
    for part, line, column, name in _PLACES:
        place = [SCRIPT.index(part), 0, line, column, name if name is not None else before[4]]
        fields = [now - then for now, then in zip(place, before, strict=True)]
        segments.append("".join(map(_encode, fields if name is not None else fields[:4])))
        before = place
    return ",".join(segments)


def _encode(number: int) -> str:
    rest = (abs(number) << 1) | (number < 0)
    text = ""
    while True:
        digit, rest = rest & 31, rest >> 5
        text += _BASE64[digit | (32 if rest else 0)]
        if not rest:
            return text


def make_map(**over: Any) -> bytes:
    """Return the map of `SCRIPT` to `SOURCE`, which is named `../src/x.js`."""
    source_map = {
        "version": 3,
        "file": "x.js",
        "sources": ["../src/x.js"],
        "sourcesContent": [SOURCE],
        "names": list(_NAMES),
        "mappings": make_mappings(),
        **over,
    }
    return orjson.dumps(source_map)


def make_files(
    debug_id: str | None = DEBUG_ID, *, script: bytes = SCRIPT, source_map: bytes | None = None
) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Return a script and its map: what the manifest says of each by path, and its content."""
    headers = {} if debug_id is None else {"debug-id": debug_id}
    return {
        "files/_/_/x.js": (
            {
                "type": "minified_source",
                "url": "~/x.js",
                "headers": {**headers, "Sourcemap": "x.js.map"},
            },
            script,
        ),
        "files/_/_/x.js.map": (
            {"type": "source_map", "url": "~/x.js.map", "headers": headers},
            make_map() if source_map is None else source_map,
        ),
    }


def make_bundle(
    files: Mapping[str, tuple[dict[str, Any], bytes]] | None = None, **manifest: Any
) -> bytes:
    """Return a bundle of `files`, by default of a script and its map."""
    files = make_files() if files is None else files
    described = {path: said for path, (said, _) in files.items()}
    content = {path: data for path, (_, data) in files.items()}
    return make_zip(content, {"files": described, "org": "acme", **manifest})


def make_zip(content: Mapping[str, bytes], manifest: object | None) -> bytes:
    """Return a bundle of any content, whatever its manifest says; None for no manifest."""
    output = io.BytesIO()
    whole = dict(content)
    if manifest is not None:
        whole["manifest.json"] = orjson.dumps(manifest)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in whole.items():
            # Without the time of day, so that the same content is the same bundle.
            archive.writestr(zipfile.ZipInfo(path), data, zipfile.ZIP_DEFLATED)
    return HEADER + output.getvalue()


def sha1(data: bytes) -> str:
    """Return the checksum by which parts and bundles go."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
