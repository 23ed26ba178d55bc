"""Uploaded bundles and the files in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class FileKind(StrEnum):
    """What a file of a bundle is."""

    MINIFIED = "minified_source"
    SOURCE_MAP = "source_map"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """A file in a bundle.

    Attributes:
        path: Its name within the ZIP file.
        url: Where browsers get it, as the upload says: `~/static/x.js`.
        debug_id: 16 bytes that are also in the file that was built; None without.
        sourcemap: Where its source map is, relative to `url`; empty if nobody said.
        size_bytes: Unpacked.
    """

    path: str
    url: str
    kind: FileKind
    debug_id: bytes | None
    sourcemap: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BundleContent:
    """What a bundle says of itself.

    Attributes:
        release: The version that it was made for; empty without.
    """

    files: tuple[ArtifactFile, ...]
    release: str = ""
    dist: str = ""

    @property
    def has_debug_ids(self) -> bool:
        """Whether files can be found without knowing the release."""
        return any(each.debug_id is not None for each in self.files)


@dataclass(frozen=True, slots=True)
class BundleUse:
    """For what a bundle was uploaded; `version` and `dist` are empty where nobody named them."""

    project_id: int
    version: str = ""
    dist: str = ""


@dataclass(frozen=True, slots=True)
class NewBundle:
    """A bundle whose file is in its place."""

    checksum: str
    size_bytes: int
    files: Sequence[ArtifactFile]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that a look-up found, and the bundle that it is in."""

    bundle_id: int
    checksum: str
    file: ArtifactFile


@dataclass(frozen=True, slots=True)
class Upload:
    """A bundle as the page lists it.

    Attributes:
        used_at: When it was uploaded or last needed.
        resolved_at: When it last gave a frame its original place; None if it never did.
        uses: For what it was uploaded.
        debug_id_count: How many different ones its files have.
    """

    id: int
    checksum: str
    size_bytes: int
    file_count: int
    debug_id_count: int
    created_at: datetime
    used_at: datetime
    resolved_at: datetime | None
    uses: Sequence[BundleUse]


@dataclass(frozen=True, slots=True)
class UploadPage:
    """A page of uploads, the newest first."""

    items: Sequence[Upload]
    next_cursor: str | None
