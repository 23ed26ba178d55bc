"""The built web UI: read once, compressed once, served as immutable files."""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import brotli

_compress_brotli = cast("Callable[..., bytes]", cast("Any", brotli).compress)
_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")
_THEME_PLACEHOLDER = b'data-theme=""'
_STYLESHEET = re.compile(rb'<link rel="stylesheet"[^>]*href="([^"]+)"')


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file in the encodings that browsers accept.

    Attributes:
        variants: Content by `Content-Encoding`; the plain one under `identity`.
        is_immutable: Its name holds a hash of its content.
    """

    media_type: str
    etag: str
    variants: dict[str, bytes]
    is_immutable: bool


class Bundle:
    """The files of a build of the UI, or nothing if the UI has not been built."""

    def __init__(self, folder: Path) -> None:
        self._files = dict(_read_files(folder)) if folder.is_dir() else {}
        index = self._files.get("/index.html")
        self._index = index.variants["identity"] if index is not None else None

    @property
    def is_built(self) -> bool:
        """Whether there is a UI to serve."""
        return self._index is not None

    @property
    def stylesheets(self) -> list[str]:
        """The paths of the UI's own style sheets, which the server-rendered pages share."""
        return [match.decode() for match in _STYLESHEET.findall(self._index or b"")]

    def find(self, path: str) -> BundleFile | None:
        """Return the file at the URL path `path`."""
        return self._files.get(path)

    def render_index(self, theme: str) -> bytes:
        """Return the UI's page with the viewer's theme, so that it does not flash."""
        assert self._index is not None
        replacement = f'data-theme="{theme}"'.encode()
        return self._index.replace(_THEME_PLACEHOLDER, replacement, 1)


def _read_files(folder: Path) -> list[tuple[str, BundleFile]]:
    files: list[tuple[str, BundleFile]] = []
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = "/" + path.relative_to(folder).as_posix()
        content = path.read_bytes()
        media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        variants = {"identity": content}
        if media_type.startswith(_COMPRESSIBLE) or path.suffix in {".js", ".css", ".svg"}:
            variants["br"] = _compress_brotli(content, quality=5)
            variants["gzip"] = gzip.compress(content, 6, mtime=0)
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        is_immutable = name.startswith("/assets/")
        files.append((name, BundleFile(media_type, etag, variants, is_immutable)))
    return files
