"""The built web UI: read once, compressed when first asked for, served as immutable files."""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import brotli

_compress_brotli = cast("Callable[..., bytes]", cast("Any", brotli).compress)
_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")
_THEME_PLACEHOLDER = b'data-theme=""'
_STYLESHEET = re.compile(rb'<link rel="stylesheet"[^>]*href="([^"]+)"')


_COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "br": lambda content: _compress_brotli(content, quality=5),
    "gzip": lambda content: gzip.compress(content, 6, mtime=0),
}
"""By `Content-Encoding`, the best first."""


@dataclass(frozen=True, slots=True)
class BundleFile:
    """A file in the encodings that browsers accept.

    Attributes:
        content: As it is.
        encodings: Which others it is worth sending in.
        is_immutable: Its name holds a hash of its content.
    """

    media_type: str
    etag: str
    content: bytes
    encodings: tuple[str, ...]
    is_immutable: bool
    _encoded: dict[str, bytes] = field(default_factory=dict[str, bytes], repr=False)

    def encode(self, encoding: str) -> bytes:
        """Return the content in one of `encodings`; only the first time it takes a while."""
        found = self._encoded.get(encoding)
        if found is None:
            found = self._encoded[encoding] = _COMPRESS[encoding](self.content)
        return found


class Bundle:
    """The files of a build of the UI, or nothing if the UI has not been built."""

    def __init__(self, folder: Path) -> None:
        self._files = dict(_read_files(folder)) if folder.is_dir() else {}
        index = self._files.get("/index.html")
        self._index = index.content if index is not None else None

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
        is_text = media_type.startswith(_COMPRESSIBLE) or path.suffix in {".js", ".css", ".svg"}
        encodings = tuple(_COMPRESS) if is_text else ()
        etag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        is_immutable = name.startswith("/assets/")
        files.append((name, BundleFile(media_type, etag, content, encodings, is_immutable)))
    return files
