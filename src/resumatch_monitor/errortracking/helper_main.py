"""The process that helps to prepare events: batches on its standard input, answers on its output.

`python -m resumatch_monitor.errortracking.helper_main`, started by the monitor itself; it ends
when its input does, so it does not outlive the monitor.
"""

import gc
import os
import pickle
import struct
import sys
from dataclasses import dataclass
from typing import BinaryIO, cast

from resumatch_monitor.errortracking.batch import BatchPreparer, PrepareSettings
from resumatch_monitor.errortracking.grouping.project import ProjectGroupings
from resumatch_monitor.sentry.projects import Project, Projects

READY = "ready"
LENGTH = struct.Struct("<Q")
# Acknowledging comes first.
_NICENESS = 1
# Events are trees: each is gone with its last name. To look for circles among the thousands of
# objects that one consists of, again and again while it is read, takes half of the reading.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


@dataclass(frozen=True, slots=True)
class Request:
    """A batch, and what of the monitor's knowledge it needs."""

    records: list[bytes]
    groupings: ProjectGroupings
    projects: list[Project]


def main() -> None:
    """Prepare until there is nothing more."""
    os.nice(_NICENESS)
    source, sink = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # What anything prints by mistake must not look like an answer.
    os.dup2(2, 1)
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    settings = read_message(source)
    if settings is None:
        return
    projects, known = Projects([]), dict[int, Project]()
    preparer = BatchPreparer(cast("PrepareSettings", settings), projects)
    write_message(sink, READY)
    while (request := read_message(source)) is not None:
        request = cast("Request", request)
        changed = {each.id: each for each in request.projects if known.get(each.id) != each}
        if changed:
            known |= changed
            projects.replace_made(known.values())
        write_message(sink, preparer.prepare_all(request.records, request.groupings))


def write_message(stream: BinaryIO, value: object) -> None:
    """Write a value between the two processes, which trust each other."""
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_message(stream: BinaryIO) -> object:
    """Return the next value; None at the end.

    Raises:
        EOFError: If it is cut off.
    """
    head = stream.read(LENGTH.size)
    if not head:
        return None
    data = stream.read(LENGTH.unpack(head)[0]) if len(head) == LENGTH.size else b""
    if len(head) != LENGTH.size or len(data) != LENGTH.unpack(head)[0]:
        raise EOFError("the message is cut off")
    return pickle.loads(data)  # noqa: S301 - from a process of our own


if __name__ == "__main__":
    main()
