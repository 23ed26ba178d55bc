"""Takes out of what clients sent the machine on which they ran."""

import re
import socket
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import orjson

_LENGTH = re.compile(rb'("length"\s*:\s*)\d+')
Replacements = Sequence[tuple[re.Pattern[bytes], bytes]]
_REPOSITORY = Path(__file__).parents[2]


def find_replacements(folder: Path, beside: Sequence[Path] = ()) -> Replacements:
    """Return what stands for the paths of this machine and for its name.

    Args:
        folder: In which the clients run.
        beside: What else they use.
    """
    paths = {
        str(folder): "/srv/app",
        **{str(each): "/srv/packages" for each in beside},
        sysconfig.get_paths()["purelib"]: "/srv/venv/lib/python/site-packages",
        str(Path(sysconfig.get_paths()["purelib"]).resolve()): "/srv/venv/lib/python/site-packages",
        sysconfig.get_paths()["stdlib"]: "/usr/lib/python",
        str(_REPOSITORY): "/srv/repository",
        str(_REPOSITORY.resolve()): "/srv/repository",
        sys.prefix: "/srv/venv",
        str(Path(sys.prefix).resolve()): "/srv/venv",
        str(Path.home()): "/home/app",
    }
    # A longer path first: it may begin with a shorter one. `/root` stands in no longer word.
    found = {
        key.encode(): value.encode()
        for key, value in sorted(paths.items(), key=lambda pair: -len(pair[0]))
        if len(key) > 1
    }
    host = re.escape(socket.gethostname().encode())
    # Only as a whole word: a short name may be part of any other.
    return [
        *((re.compile(re.escape(key)), value) for key, value in found.items()),
        (re.compile(rb"(?<![\w.-])%b(?![\w-])" % host), b"app-host"),
    ]


def clean_body(body: bytes, replacements: Replacements, *, is_envelope: bool) -> bytes:
    """Return `body` without what is replaced; an envelope's lengths are right again."""
    if not is_envelope:
        return _replace(body, replacements)
    line, _, rest = body.partition(b"\n")
    parts = [_replace(line, replacements)]
    while rest:
        header, _, rest = rest.partition(b"\n")
        if not header.strip():
            continue
        length = orjson.loads(header).get("length")
        if length is None:
            payload, _, rest = rest.partition(b"\n")
        else:
            payload, rest = rest[:length], rest[length:].removeprefix(b"\n")
        cleaned = _replace(payload, replacements)
        size = len(cleaned)
        parts.append(_LENGTH.sub(lambda found, size=size: b"%b%d" % (found[1], size), header))
        parts.append(cleaned)
    return b"\n".join(parts) + (b"\n" if body.endswith(b"\n") else b"")


def _replace(text: bytes, replacements: Replacements) -> bytes:
    for pattern, instead in replacements:
        text = pattern.sub(lambda _, instead=instead: instead, text)
    return text


def find_leaks(body: bytes, folder: Path) -> list[str]:
    """Return what of this machine is still in `body`, with what stands around it."""
    known = (str(folder), str(_REPOSITORY), str(Path.home()), sys.prefix, socket.gethostname())
    words = "|".join(re.escape(each) for each in known)
    # The machine's name may be a short word: as a part of another one it says nothing.
    pattern = re.compile(rf"(?<![\w.-])(?:{words})(?![\w-])")
    text = body.decode(errors="replace")
    return [text[max(0, each.start() - 40) : each.end() + 20] for each in pattern.finditer(text)]
