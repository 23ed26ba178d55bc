"""Fuzzes one target in this process: `child TARGET FINDINGS CORPUS... -flags of libFuzzer`.

What a target raises is written down once for each place, with the input, and fuzzing goes on;
libFuzzer ends the process for what takes too long, too much memory, or the interpreter down.
"""

import asyncio
import hashlib
import importlib
import sys
import traceback
from pathlib import Path
from random import Random
from typing import Any, cast

import atheris

from tests.clients.mutation import mutate, mutate_payload

# It has no types.
fuzzer = cast("Any", atheris)
with fuzzer.instrument_imports(include=["resumatch_monitor"]):
    # The monitor loads these when they are first needed, which would be outside of this block.
    for lazy in ("metrics.otlp.body", "metrics.otlp.convert", "tracing.otlp"):
        importlib.import_module(f"resumatch_monitor.{lazy}")
    from benchmarks.fuzz.targets import build


def main() -> None:
    """Fuzz until libFuzzer has had enough."""
    name, findings = sys.argv[1], Path(sys.argv[2])
    call = build(name, asyncio.new_event_loop())
    is_envelope = name == "envelope"
    seen: set[str] = set()

    def run(data: bytes) -> None:
        try:
            call(data)
        except Exception as error:  # noqa: BLE001 - this is what is looked for
            place = _describe(error)
            if place not in seen:
                seen.add(place)
                _keep(findings, place, data)

    def change(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.5:
            return fuzzer.Mutate(data, max_size)
        if is_envelope:
            return mutate(random, data)[:max_size]
        prefix = data[:1] if data[:1] == b"j" else b""
        return (prefix + mutate_payload(random, data[len(prefix) :]))[:max_size]

    fuzzer.Setup([sys.argv[0], *sys.argv[3:]], run, custom_mutator=change)
    fuzzer.Fuzz()


def _describe(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "resumatch_monitor" in frame.filename] or list(frames)
    return f"{type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno}"


def _keep(findings: Path, place: str, data: bytes) -> None:
    findings.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(place.encode()).hexdigest()[:12]
    (findings / f"{name}.input").write_bytes(data)
    (findings / f"{name}.txt").write_text(f"{place}\n{traceback.format_exc()}")


if __name__ == "__main__":
    main()
