"""Fuzzes everything that reads what comes from the network, guided by coverage (atheris).

`python -m benchmarks.fuzz [--seconds 600] [--only TARGET]...`: the time is shared by the targets,
as many of which run at once as there are cores. It begins with the recorded envelopes of
`tests/corpus`. What was found lies in `test-output/fuzz`, with the input; then the status is 1.
"""

import argparse
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchmarks.fuzz.targets import TARGETS, find_seeds
from tests.clients.corpus import read_corpus

_OUTPUT = Path(__file__).parents[2] / "test-output" / "fuzz"
_LARGEST_INPUT = 64 * 1024
_MEMORY_MB = 1_500
_SLOWEST_SECONDS = 10
_GRACE_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a target.

    Attributes:
        seeds: How many inputs it began with.
        executions: How often it was called.
        coverage: Edges of the code that were reached, by the seeds and at the end.
        peak_mb: The most memory that the process had.
        findings: One line for each thing that is wrong.
    """

    name: str
    seeds: int
    executions: int
    coverage: tuple[int, int]
    peak_mb: int
    findings: tuple[str, ...]


def fuzz(name: str, folder: Path, seconds: int) -> Outcome:
    """Fuzz a target for so long in a process of its own."""
    seeds, findings = folder / "corpus" / name, _OUTPUT / name
    count = len(list(seeds.iterdir()))
    command = [sys.executable, "-m", "benchmarks.fuzz.child", name, str(findings), str(seeds)]
    flags = [
        f"-max_total_time={seconds}",
        f"-max_len={_LARGEST_INPUT}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-timeout={_SLOWEST_SECONDS}",
        f"-artifact_prefix={findings}/",
        "-print_final_stats=1",
    ]
    findings.mkdir(parents=True, exist_ok=True)
    log = findings / "log"
    with log.open("wb") as output:
        done = subprocess.run(
            [*command, *flags],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            timeout=seconds * 2 + _GRACE_SECONDS,
            check=False,
        )
    text = log.read_text(errors="replace")
    found = [each.read_text().partition("\n")[0] for each in sorted(findings.glob("*.txt"))]
    if done.returncode:
        found.append(f"the process ended with {done.returncode}: {_find_reason(text)}")
    coverage = [int(each) for each in re.findall(r"\bcov: (\d+)", text)] or [0]
    executions = _find_stat(text, "number_of_executed_units")
    return Outcome(
        name,
        count,
        executions,
        (coverage[0], coverage[-1]),
        _find_stat(text, "peak_rss_mb"),
        tuple(found),
    )


def write_seeds(folder: Path, names: Sequence[str]) -> None:
    """Write what each target begins with into a folder of its own."""
    envelopes = [each.body for each in read_corpus() if each.is_envelope]
    for name in names:
        place = folder / "corpus" / name
        place.mkdir(parents=True)
        for seed in find_seeds(TARGETS[name], envelopes):
            if len(seed) <= _LARGEST_INPUT:
                (place / sha256(seed).hexdigest()[:20]).write_bytes(seed)


def report(outcomes: Sequence[Outcome], seconds: int) -> bool:
    """Print what was found; return whether nothing was."""
    print(f"\n{'target':<14}{'seeds':>6}{'executions':>12}{'per s':>8}{'coverage':>17}{'MB':>7}")
    for each in outcomes:
        grown = f"{each.coverage[0]} → {each.coverage[1]}"
        rate = each.executions / seconds
        print(
            f"{each.name:<14}{each.seeds:>6}{each.executions:>12,}{rate:>8,.0f}{grown:>17}"
            f"{each.peak_mb:>7}"
        )
    findings = [(each.name, finding) for each in outcomes for finding in each.findings]
    total = sum(each.executions for each in outcomes)
    print(f"\n{total:,} executions; {len(findings)} findings")
    for name, finding in findings:
        print(f"  {name}: {finding}")
    if findings:
        print(f"The inputs and the traces lie in {_OUTPUT.name} of test-output.")
    return not findings


def _find_stat(text: str, name: str) -> int:
    found = re.search(rf"stat::{name}:\s+(\d+)", text)
    return int(found[1]) if found else 0


def _find_reason(text: str) -> str:
    found = re.findall(r"(?:ERROR: libFuzzer: |\w*Error: ).*", text)
    return found[-1] if found else "see the log"


def main() -> int:
    """Fuzz; return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="in all (600)")
    parser.add_argument("--only", action="append", choices=sorted(TARGETS), help="may be repeated")
    arguments = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: PyPI has it for CPython on Linux and x86-64.")
        return 1
    names = arguments.only or list(TARGETS)
    workers = min(len(names), os.cpu_count() or 1)
    seconds = max(1, arguments.seconds * workers // len(names))
    shutil.rmtree(_OUTPUT, ignore_errors=True)
    print(f"{len(names)} targets, {workers} at once, {seconds} s each", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        write_seeds(Path(folder), names)
        with ThreadPoolExecutor(workers) as threads:
            running = [threads.submit(fuzz, name, Path(folder), seconds) for name in names]
            outcomes = [each.result() for each in running]
    return 0 if report(outcomes, seconds) else 1


if __name__ == "__main__":
    raise SystemExit(main())
