"""Runs the benchmarks, each in a process of its own, and prints what they print.

`python -m benchmarks [NAME...] [FLAGS]`: flags go to each of those named.
"""

import subprocess
import sys
from itertools import takewhile
from pathlib import Path

_FOLDER = Path(__file__).parent


def main() -> int:
    """Run those that are named, or all."""
    known = sorted(
        [path.stem for path in _FOLDER.glob("[a-z]*.py")]
        + [path.parent.name for path in _FOLDER.glob("*/__main__.py")]
    )
    named = list(takewhile(lambda word: not word.startswith("-"), sys.argv[1:]))
    flags = sys.argv[1 + len(named) :]
    unknown = [name for name in named if name not in known]
    if unknown or (flags and not named):
        wrong = repr(unknown[0]) if unknown else "without a name"
        print(f"There is no benchmark {wrong}; there are: {', '.join(known)}")
        return 2
    failed = False
    for name in named or known:
        print(f"\n=== {name}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *flags]
        failed |= subprocess.run(command).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
