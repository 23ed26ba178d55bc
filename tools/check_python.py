"""Says plainly when the Python is too old."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this file runs on whatever Python there is
    version = ".".join(map(str, sys.version_info[:3]))
    sys.exit(f"ResuMatch Monitor needs Python 3.11 or later; this is {version}.")
