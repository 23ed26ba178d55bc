"""Names of files, as browsers, uploads and source maps write them; pure."""

import re
from urllib.parse import unquote, urljoin, urlsplit

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_BUNDLER_PREFIX = re.compile(r"^(?:webpack|turbopack|ng|parcel|vite|rollup)(?:-internal)?:/*")
_NAMESPACE = re.compile(r"^(?:_N_E|[^/.\[\]]+)/(?=\./)")
_PROJECT = re.compile(r"^\[project\]/")
_HASH_SUFFIX = re.compile(r"[?#].*$")
_CLIMB = re.compile(r"^(?:\.{1,2}/)+")
_LIBRARY_MARKS = (
    "node_modules/",
    "/.pnpm/",
    "(webpack)",
    "webpack/",
    "[turbopack]",
    "turbopack/",
    "next/dist/",
    "node:",
    "internal/",
    "external ",
    "@vite/",
    "vite/",
)
_NO_FILES = ("<", "native", "node:", "internal/", "webpack-internal:", "chrome-extension:", "eval")


def is_file_of_build(name: str) -> bool:
    """Tell whether a frame's file may be one that a build made."""
    return bool(name) and not name.startswith(_NO_FILES)


def list_candidates(name: str) -> list[str]:
    """Return the URLs that an upload may have given a frame's file, the likeliest first.

    `~` stands for any scheme and host.
    """
    exact = name.partition("#")[0]
    bare = exact.partition("?")[0]
    candidates = [bare, exact]
    try:
        path = urlsplit(bare).path if _SCHEME.match(bare) else bare
    except ValueError:
        path = bare
    if _SCHEME.match(bare):
        host_and_path = bare.partition("://")[2]
        # `app:///x.js` has no host.
        path = "/" + host_and_path.partition("/")[2]
    if path.startswith("/"):
        candidates.insert(0, f"~{path}")
    elif not path.startswith("~"):
        candidates.insert(0, f"~/{path}")
    return list(dict.fromkeys(candidates))


def join_reference(url: str, reference: str) -> list[str]:
    """Return the URLs that a map may have to which a file at `url` refers."""
    if _SCHEME.match(reference):
        return list_candidates(reference)
    # urljoin knows neither `~` nor `app:`.
    head, slash, path = url.partition("/")
    if not slash:
        head, path = "", url
    elif head.endswith(":"):
        host, slash, path = path.removeprefix("/").partition("/")
        head = f"{head}//{host}"
    try:
        joined = urljoin(f"http://h/{path}", reference)
    except ValueError:
        return []
    found = "/" + joined.partition("://")[2].partition("/")[2]
    return list(dict.fromkeys([f"{head}{found}", f"~{found}"]))


def clean_source(source: str) -> str:
    """Return a source's path as people know it, without what bundlers put around it."""
    path = unquote(_HASH_SUFFIX.sub("", source.replace("\\", "/")), errors="replace")
    if _BUNDLER_PREFIX.match(path):
        path = _BUNDLER_PREFIX.sub("", path)
        path = _NAMESPACE.sub("", path)
        path = _PROJECT.sub("", path)
    elif _SCHEME.match(path):
        path = path.partition("://")[2].partition("/")[2]
    cleaned = _CLIMB.sub("", path).lstrip("/")
    return cleaned or source


def is_application_source(source: str) -> bool:
    """Tell whether an original source is the application's own, not a library's or bundler's."""
    path = source.replace("\\", "/")
    if _BUNDLER_PREFIX.match(path):
        path = _BUNDLER_PREFIX.sub("", path)
    return not any(
        path.startswith(mark) or f"/{mark.lstrip('/')}" in path for mark in _LIBRARY_MARKS
    )
