"""Files that are uploaded one by one, as old clients do it: each becomes a bundle of one."""

import hashlib
import io
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress

import orjson

from resumatch_monitor.sourcemaps.bundle import MANIFEST
from resumatch_monitor.sourcemaps.model import FileKind, FoundFile
from resumatch_monitor.sourcemaps.store import BundleStore

_PATH = "files/0"
_READ_BYTES = 256 * 1024
_BYTES_AT_ONCE = 256 * 1024 * 1024
_REMEMBERED = 10_000
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


class FileChecksums:
    """Computes the checksums of files in bundles; remembers them, for bundles never change."""

    def __init__(self, bundles: BundleStore, *, bytes_at_once: int = _BYTES_AT_ONCE) -> None:
        """Read at most `bytes_at_once` bytes a call, as they are unpacked."""
        self._bundles = bundles
        self._bytes_at_once = bytes_at_once
        self._known: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._computing = threading.Lock()

    def compute(self, files: Sequence[FoundFile]) -> dict[tuple[str, str], str]:
        """Return the SHA-1 of each file by its bundle and its path there; one call at a time.

        One whose bundle has gone has none, nor those for which too much would have to be read:
        the next call goes on with them. Blocks.
        """
        with self._computing:
            left = self._bytes_at_once
            for each in files:
                key = (each.checksum, each.file.path)
                if left > 0 and key not in self._known:
                    left -= self._read(key, left)
            found = dict.fromkeys((each.checksum, each.file.path) for each in files)
            return {key: self._known[key] for key in found if key in self._known}

    def _read(self, key: tuple[str, str], most: int) -> int:
        """Remember a file's checksum, if it has no more than `most` bytes; return how many."""
        size = 0
        checksum = hashlib.sha1(usedforsecurity=False)
        with (
            suppress(OSError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error),
            zipfile.ZipFile(self._bundles.path(key[0])) as archive,
            archive.open(key[1]) as file,
        ):
            while block := file.read(_READ_BYTES):
                size += len(block)
                if size > most:
                    return size
                checksum.update(block)
            self._known[key] = checksum.hexdigest()
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return size


def _split_header(header: str) -> tuple[str, str]:
    name, _, value = header.partition(":")
    return name.strip().lower(), value.strip()
