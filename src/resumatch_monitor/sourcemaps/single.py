"""Files that are uploaded one by one, as old clients do it: each becomes a bundle of one."""

import hashlib
import io
import zipfile
from collections.abc import Sequence
from contextlib import suppress

import orjson

from resumatch_monitor.sourcemaps.bundle import MANIFEST
from resumatch_monitor.sourcemaps.model import FileKind, FoundFile
from resumatch_monitor.sourcemaps.store import BundleStore

_PATH = "files/0"
_READ_BYTES = 256 * 1024
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


def compute_checksums(
    files: Sequence[FoundFile], bundles: BundleStore
) -> dict[tuple[str, str], str]:
    """Return the SHA-1 of each file by its bundle and its path there; blocks.

    One whose bundle has gone has none.
    """
    found: dict[tuple[str, str], str] = {}
    for bundle in dict.fromkeys(each.checksum for each in files):
        paths = [each.file.path for each in files if each.checksum == bundle]
        with (
            suppress(OSError, KeyError, zipfile.BadZipFile),
            zipfile.ZipFile(bundles.path(bundle)) as archive,
        ):
            for path in paths:
                found[bundle, path] = _compute_checksum(archive, path)
    return found


def _compute_checksum(archive: zipfile.ZipFile, path: str) -> str:
    checksum = hashlib.sha1(usedforsecurity=False)
    with archive.open(path) as file:
        while block := file.read(_READ_BYTES):
            checksum.update(block)
    return checksum.hexdigest()


def _split_header(header: str) -> tuple[str, str]:
    name, _, value = header.partition(":")
    return name.strip().lower(), value.strip()
