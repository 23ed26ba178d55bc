"""Runs the benchmarks, each in a process of its own, and prints what they print."""

import subprocess
import sys
from pathlib import Path

_FOLDER = Path(__file__).parent


def main() -> int:
    """Run those that are named, or all."""
    known = sorted(path.stem for path in _FOLDER.glob("[a-z]*.py"))
    wanted = sys.argv[1:] or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"There is no benchmark {unknown[0]!r}; there are: {', '.join(known)}")
        return 2
    failed = False
    for name in wanted:
        print(f"\n=== {name}", flush=True)
        failed |= subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
