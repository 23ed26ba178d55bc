"""Files that are uploaded one by one, as old clients do it, made bundles of one file; pure."""

import io
import zipfile
from collections.abc import Sequence

import orjson

from resumatch_monitor.sourcemaps.bundle import MANIFEST
from resumatch_monitor.sourcemaps.model import FileKind

_PATH = "files/0"
_MAPS = (".map", ".json")


def make_bundle(url: str, content: bytes, *, headers: Sequence[str], release: str) -> bytes:
    """Return a bundle; the same file gives the same bundle.

    Args:
        url: Where browsers get the file: `~/x.js`.
        content: What is in it.
        headers: `Sourcemap: x.js.map` and the like.
        release: The version that it belongs to.
    """
    kind = FileKind.SOURCE_MAP if url.endswith(_MAPS) else FileKind.MINIFIED
    manifest = {
        "files": {
            _PATH: {"type": kind.value, "url": url, "headers": dict(map(_split_header, headers))}
        },
        "release": release,
    }
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, data in ((_PATH, content), (MANIFEST, orjson.dumps(manifest))):
            # Without the time of day.
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return output.getvalue()


def _split_header(header: str) -> tuple[str, str]:
    name, _, value = header.partition(":")
    return name.strip().lower(), value.strip()
