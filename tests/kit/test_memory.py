import subprocess
import sys

import pytest

_SCRIPT = """
import threading
from pathlib import Path
from resumatch_monitor.kit.memory import keep_memory_small

assert keep_memory_small()

def work():
    kept = [bytearray(5_000_000) for _ in range(20)]
    small = [bytes(10) for _ in range(1000)]
    del kept
    return small

for _ in range(5):
    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
pages = int(Path("/proc/self/statm").read_text().split()[1])
print(pages * 4096)
"""


_PIECES = """
from pathlib import Path
from resumatch_monitor.kit.memory import give_memory_back, keep_memory_small

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

keep_memory_small()
pieces = [bytearray(100_000) for _ in range(1000)]
del pieces[:-1]
before = resident()
assert give_memory_back()
print(before - resident())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library is another one")
def test_memory_that_was_needed_for_a_moment_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )

    assert int(done.stdout) < 60_000_000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the C library is another one")
def test_what_lies_free_below_something_in_use_is_given_back_when_asked() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PIECES], capture_output=True, text=True, timeout=60, check=True
    )

    assert int(done.stdout) > 50_000_000
