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
SOURCE = 'function fail(number) {\n  throw new Error("boom " + number)\n}\n'


def make_map(**over: Any) -> bytes:
    """Return a map that leads the whole of `SCRIPT`'s first function to line 1 of `src/x.js`."""
    source_map = {
        "version": 3,
        "file": "x.js",
        "sources": ["../src/x.js"],
        "sourcesContent": [SOURCE],
        "names": ["fail", "number"],
        "mappings": "AAAA,SAASA",
        **over,
    }
    return orjson.dumps(source_map)


def make_files(debug_id: str | None = DEBUG_ID) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Return a script and its map: what the manifest says of each by path, and its content."""
    headers = {} if debug_id is None else {"debug-id": debug_id}
    return {
        "files/_/_/x.js": (
            {
                "type": "minified_source",
                "url": "~/x.js",
                "headers": {**headers, "Sourcemap": "x.js.map"},
            },
            SCRIPT,
        ),
        "files/_/_/x.js.map": (
            {"type": "source_map", "url": "~/x.js.map", "headers": headers},
            make_map(),
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
