"""The command `import-alertmanager`."""

import argparse
import sys
from pathlib import Path

from resumatch_monitor.config.alertmanager.importer import import_alertmanager
from resumatch_monitor.config.alertmanager.picture import draw_routes
from resumatch_monitor.config.alertmanager.section import UnreadableError

_LARGEST_FILE_BYTES = 4 * 1024 * 1024


def prepare(parser: argparse.ArgumentParser) -> None:
    """Give the command its arguments."""
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--check", action="store_true", help="show the routing tree instead of the section"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    path: Path = options.file
    try:
        raw = path.read_bytes()
        if len(raw) > _LARGEST_FILE_BYTES:
            sys.stderr.write(f"{path}: the file is larger than 4 MiB\n")
            return 1
        imported = import_alertmanager(raw.decode())
    except OSError as error:
        sys.stderr.write(f"{path}: {error.strerror or error}\n")
        return 1
    except UnicodeDecodeError:
        sys.stderr.write(f"{path}: the file is not UTF-8\n")
        return 1
    except UnreadableError as error:
        place = f"{path}:{error.position.line}:{error.position.column}"
        sys.stderr.write(f"{place}: {error.message}\n")
        return 1
    for remark in imported.remarks:
        place = f"{path}:{remark.position.line}:{remark.position.column}"
        sys.stderr.write(f"{place}: {remark.text}\n")
    shown = draw_routes(imported.config) if options.check else imported.render()
    sys.stdout.write(shown.rstrip("\n") + "\n")
    return 0
