"""Reads an uploaded bundle: a ZIP file whose `manifest.json` says what the files in it are.

Nothing is ever unpacked to the disk, and nothing in it is believed: not how many files there are,
not how large they become.
"""

import errno
import os
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import orjson

from resumatch_monitor.sentry.values import as_dict, as_text
from resumatch_monitor.sourcemaps.model import ArtifactFile, BundleContent, FileKind

MANIFEST = "manifest.json"
MOST_FILES = 20_000
LARGEST_FILE_BYTES = 256 * 1024 * 1024
LARGEST_UNPACKED_BYTES = 2 * 1024**3
_LARGEST_MANIFEST_BYTES = 16 * 1024 * 1024
_LARGEST_DIRECTORY_BYTES = 16 * 1024 * 1024
_LONGEST_NAME = 2_000
_READ_BYTES = 256 * 1024
_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_LARGE_LOCATOR_MAGIC = b"PK\x06\x07"
_LARGE_LOCATOR_BYTES = 20
_LONGEST_COMMENT = 65_535
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


class BundleError(Exception):
    """The bundle cannot be used; the message says to the one who made it why."""


def read_bundle(path: Path) -> BundleContent:
    """Return what is in a bundle, after every file of it has been read once.

    Raises:
        BundleError: If it is none, or is too large unpacked, or a file is not what the directory
            says.
        OSError: If the file itself cannot be read.
    """
    with path.open("rb") as file:
        _check_directory(file)
        try:
            with zipfile.ZipFile(file) as archive:
                members = _check_members(archive)
                manifest = _read_manifest(archive, members)
                content = _read_files(manifest, members)
                _read_through(archive, members)
        except zipfile.BadZipFile as error:
            raise BundleError(f"The bundle is not a ZIP file: {error}.") from error
        except OSError as error:
            # A directory may point to before the beginning of the file.
            if error.errno != errno.EINVAL:
                raise
            raise BundleError("The bundle's directory points out of the file.") from error
        except (NotImplementedError, EOFError, ValueError, RuntimeError, zlib.error) as error:
            raise BundleError(f"The bundle cannot be unpacked: {error}.") from error
    return content


def _check_directory(file: BinaryIO) -> None:
    """Look at the size of the directory before anything is made of its entries."""
    size = file.seek(0, os.SEEK_END)
    tail_bytes = min(size, _LONGEST_COMMENT + _END.size + _LARGE_LOCATOR_BYTES)
    file.seek(size - tail_bytes)
    tail = file.read(tail_bytes)
    start = tail.rfind(_END_MAGIC)
    if start < 0 or start + _END.size > len(tail):
        raise BundleError("The bundle is not a ZIP file: it has no directory at its end.")
    directory_bytes = _END.unpack_from(tail, start)[5]
    is_large = tail[max(0, start - _LARGE_LOCATOR_BYTES) :].startswith(_LARGE_LOCATOR_MAGIC)
    if is_large or directory_bytes > _LARGEST_DIRECTORY_BYTES:
        raise BundleError(f"The bundle has more than {MOST_FILES} files; upload it in parts.")
    file.seek(0)


def _check_members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > MOST_FILES:
        raise BundleError(f"The bundle has more than {MOST_FILES} files; upload it in parts.")
    if sum(info.file_size for info in infos) > LARGEST_UNPACKED_BYTES:
        raise BundleError(f"Unpacked, the bundle exceeds {LARGEST_UNPACKED_BYTES} bytes.")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        _check_member(info)
        if info.filename in members:
            raise BundleError(f"{info.filename[:200]!r} is in the bundle twice.")
        members[info.filename] = info
    return members


def _check_member(info: zipfile.ZipInfo) -> None:
    name = info.filename
    shown = repr(name[:200])
    if len(name) > _LONGEST_NAME or name.startswith("/") or ".." in name.split("/"):
        raise BundleError(f"{shown} is not a name that a file of a bundle may have.")
    if info.file_size > LARGEST_FILE_BYTES:
        raise BundleError(f"{shown} has more than {LARGEST_FILE_BYTES} bytes.")
    if info.flag_bits & _ENCRYPTED or info.compress_type not in _COMPRESSIONS:
        raise BundleError(f"{shown} is encrypted, or compressed by other means than deflate.")


def _read_manifest(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> dict[str, Any]:
    info = members.get(MANIFEST)
    if info is None:
        raise BundleError(f"There is no {MANIFEST} in the bundle.")
    if info.file_size > _LARGEST_MANIFEST_BYTES:
        raise BundleError(f"{MANIFEST} has more than {_LARGEST_MANIFEST_BYTES} bytes.")
    try:
        manifest = as_dict(orjson.loads(archive.read(info)))
    except orjson.JSONDecodeError as error:
        raise BundleError(f"{MANIFEST} is not JSON: {error}.") from error
    if not isinstance(manifest.get("files"), dict):
        raise BundleError(f"{MANIFEST} has no object 'files'.")
    return manifest


def _read_files(manifest: dict[str, Any], members: dict[str, zipfile.ZipInfo]) -> BundleContent:
    kinds = {kind.value: kind for kind in FileKind}
    files: list[ArtifactFile] = []
    for path, value in as_dict(manifest["files"]).items():
        described = as_dict(value)
        kind = kinds.get(as_text(described.get("type")))
        if path not in members:
            raise BundleError(f"{MANIFEST} names {path[:200]!r}, which is not in the bundle.")
        if kind is not None:
            files.append(_read_file(path, described, kind, members[path].file_size))
    release, dist = (as_text(manifest.get(name))[:200] for name in ("release", "dist"))
    return BundleContent(tuple(files), release=release, dist=dist)


def _read_file(path: str, described: dict[str, Any], kind: FileKind, size: int) -> ArtifactFile:
    headers = {
        name.lower(): as_text(value) for name, value in as_dict(described.get("headers")).items()
    }
    url = as_text(described.get("url"))
    if len(url) > _LONGEST_NAME:
        raise BundleError(f"The URL of {path[:200]!r} has more than {_LONGEST_NAME} characters.")
    sourcemap = headers.get("sourcemap") or headers.get("x-sourcemap") or ""
    return ArtifactFile(
        path=path,
        url=url,
        kind=kind,
        debug_id=_read_debug_id(path, headers.get("debug-id", "")),
        # An inline map is in the file itself.
        sourcemap="" if sourcemap.startswith("data:") else sourcemap[:_LONGEST_NAME],
        size_bytes=size,
    )


def _read_debug_id(path: str, text: str) -> bytes | None:
    if not text:
        return None
    debug_id = parse_debug_id(text)
    if debug_id is None:
        raise BundleError(f"The debug id of {path[:200]!r}, {text[:60]!r}, is not a UUID.")
    return debug_id


def parse_debug_id(text: str) -> bytes | None:
    """Return the 16 bytes of a debug id, None if the text is none."""
    try:
        return UUID(text[:64]).bytes
    except ValueError:
        return None


def _read_through(archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> None:
    """Read every file, and so compare it with its size and checksum.

    `ZipFile` gives no more of a file than the directory says, so that a bomb unpacks to nothing.
    """
    for info in members.values():
        try:
            with archive.open(info) as file:
                while file.read(_READ_BYTES):
                    pass
        except (zipfile.BadZipFile, EOFError, ValueError, zlib.error) as error:
            raise BundleError(f"{info.filename[:200]!r} is damaged: {error}.") from error
