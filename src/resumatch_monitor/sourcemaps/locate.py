"""Finds the uploaded map of a frame's file, or says why there is none."""

import threading
import zipfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from resumatch_monitor.sourcemaps import problems
from resumatch_monitor.sourcemaps.model import BundleUse, FileKind, FoundFile
from resumatch_monitor.sourcemaps.places import join_reference, list_candidates
from resumatch_monitor.sourcemaps.problems import Problem, Subject, render_debug_id
from resumatch_monitor.sourcemaps.reader import MapFile
from resumatch_monitor.sourcemaps.store import ArtifactFinder, BundleStore

_MOST_REMEMBERED = 2_000
_MOST_RELEASES = 200
_LISTED_URLS = 50
_READ_BYTES = 256 * 1024
_REFERENCES = (b"//# sourceMappingURL=", b"//@ sourceMappingURL=")


@dataclass(frozen=True, slots=True)
class Located:
    """The map of a file.

    Attributes:
        by: `debug_id` or `url`.
        searched: What was looked for, in that order.
    """

    map: MapFile
    bundle_id: int
    by: str
    url: str
    searched: tuple[str, ...]


class Locator:
    """Remembers what it found, and what it did not, until an upload changes that.

    It blocks: for threads that are not the event loop's.
    """

    def __init__(self, *, finder: ArtifactFinder, bundles: BundleStore) -> None:
        self._finder = finder
        self._bundles = bundles
        self._lock = threading.Lock()
        self._remembered: OrderedDict[Subject, Located | Problem] = OrderedDict()
        self._releases: OrderedDict[BundleUse, tuple[int, Sequence[str]]] = OrderedDict()
        self._generation = 0

    def forget(self) -> None:
        """Forget everything: what can be found has changed."""
        with self._lock:
            self._remembered.clear()
            self._releases.clear()
            self._generation += 1

    def locate(self, subject: Subject) -> Located | Problem:
        """Return where the map of a file is, or why there is none."""
        with self._lock:
            found = self._remembered.get(subject)
            if found is not None:
                self._remembered.move_to_end(subject)
                return found
            generation = self._generation
        found = self._search(subject)
        with self._lock:
            # An upload may have come in between.
            if generation == self._generation:
                self._remembered[subject] = found
                if len(self._remembered) > _MOST_REMEMBERED:
                    self._remembered.popitem(last=False)
        return found

    def _search(self, subject: Subject) -> Located | Problem:
        searched: list[str] = []
        if subject.debug_id is not None:
            searched.append(f"debug id {render_debug_id(subject.debug_id)}")
            files = self._finder.find_by_debug_id(subject.debug_id)
            if files:
                return self._choose(subject, files, "debug_id", searched)
        if not subject.release:
            if subject.debug_id is None:
                return problems.nothing_to_go_by(subject)
            return problems.debug_id_unknown(subject, searched, file_count=0)
        return self._search_release(subject, searched)

    def _search_release(self, subject: Subject, searched: list[str]) -> Located | Problem:
        urls = list_candidates(subject.file)
        uses = [BundleUse(subject.project_id, subject.release, subject.dist)]
        if subject.dist:
            uses.append(replace(uses[0], dist=""))
        scripts = {use: self._find_scripts(use) for use in uses}
        for use in (each for each in uses if scripts[each][0]):
            files = [
                each
                for each in self._finder.find_by_url(use, urls)
                if each.file.kind is FileKind.MINIFIED
            ]
            if files:
                searched.extend(urls)
                return self._check_build(subject, files, searched)
        count, some = max(scripts.values(), key=lambda each: each[0])
        if subject.debug_id is not None:
            return problems.debug_id_unknown(subject, (*searched, *urls), file_count=count)
        if not count:
            return problems.release_unknown(subject, urls)
        return problems.url_unknown(subject, urls, file_count=count, urls=some)

    def _find_scripts(self, use: BundleUse) -> tuple[int, Sequence[str]]:
        """Return how many scripts a release has, and the URLs of some."""
        with self._lock:
            found = self._releases.get(use)
            generation = self._generation
        if found is None:
            found = self._finder.release_urls(use, limit=_LISTED_URLS)
            with self._lock:
                if generation == self._generation:
                    self._releases[use] = found
                    if len(self._releases) > _MOST_RELEASES:
                        self._releases.popitem(last=False)
        return found

    def _check_build(
        self, subject: Subject, files: Sequence[FoundFile], searched: list[str]
    ) -> Located | Problem:
        newest = files[0]
        theirs = newest.file.debug_id
        if subject.debug_id is not None and theirs is not None and theirs != subject.debug_id:
            return problems.other_build(subject, searched, theirs)
        return self._choose(subject, [newest], "url", searched)

    def _choose(
        self, subject: Subject, files: Sequence[FoundFile], by: str, searched: list[str]
    ) -> Located | Problem:
        """Return the map among `files`, which are of one bundle, or the one they refer to."""
        script = next((each for each in files if each.file.kind is FileKind.MINIFIED), None)
        found = next((each for each in files if each.file.kind is FileKind.SOURCE_MAP), None)
        is_inline = False
        if found is None and script is not None:
            reference = script.file.sourcemap or self._read_reference(script)
            is_inline = reference.startswith("data:")
            if reference and not is_inline:
                found = self._follow(subject, script, reference, searched)
        of = found or (script if is_inline else None)
        if of is None:
            name = script.file.url if script is not None else subject.file
            return problems.no_map(subject, searched, name)
        is_same = script is not None and script.checksum == of.checksum
        return Located(
            map=MapFile(
                bundle=self._bundles.path(of.checksum),
                checksum=of.checksum,
                script=script.file.path if script is not None and is_same else None,
                map=None if found is None else found.file.path,
            ),
            bundle_id=of.bundle_id,
            by=by,
            url=of.file.url,
            searched=tuple(searched),
        )

    def _follow(
        self, subject: Subject, script: FoundFile, reference: str, searched: list[str]
    ) -> FoundFile | None:
        urls = join_reference(script.file.url, reference)
        searched.extend(url for url in urls if url not in searched)
        in_bundle = self._finder.find_in_bundle(script.bundle_id, urls)
        maps = [each for each in in_bundle if each.file.kind is FileKind.SOURCE_MAP]
        if not maps and subject.release:
            # Legacy uploads have a bundle for each file.
            use = BundleUse(subject.project_id, subject.release, subject.dist)
            found = self._finder.find_by_url(use, urls)
            maps = [each for each in found if each.file.kind is FileKind.SOURCE_MAP]
        return maps[0] if maps else None

    def _read_reference(self, script: FoundFile) -> str:
        """Return what a script says at its end of where its map is."""
        tail = b""
        try:
            with (
                zipfile.ZipFile(self._bundles.path(script.checksum)) as archive,
                archive.open(script.file.path) as file,
            ):
                while block := file.read(_READ_BYTES):
                    tail = (tail + block)[-_READ_BYTES:]
        except (OSError, KeyError, ValueError, zipfile.BadZipFile):
            return ""
        start = max(tail.rfind(reference) for reference in _REFERENCES)
        if start < 0:
            # One that is longer than what was kept is a map itself.
            return "data:" if b"sourceMappingURL=data:" in tail else ""
        url = tail[start:].split(b"=", 1)[1].split(None, 1)[0]
        return "data:" if url.startswith(b"data:") else url[:2_000].decode("utf-8", "replace")
