"""Scraping one target of 10,000 series every second: processor time a sample, and memory."""

import time

from benchmarks.metrics import stored
from benchmarks.metrics.plan import Plan, Result
from benchmarks.metrics.systems import OURS, Setup, run_system
from benchmarks.metrics.target import render_bodies, serve_target

_WARM_SCRAPES = 4
_START_SECONDS = 60
_MOST_BODIES = 60
# The resolution of the system's account.
_TICK_SECONDS = 0.01


def measure(plan: Plan) -> Result:
    """Let one system after the other scrape for a while."""
    bodies = render_bodies(plan.series, min(round(plan.scrape_seconds) + 10, _MOST_BODIES))
    found: Result = {"stored": stored.measure(plan)} if OURS in plan.systems else {}
    for name in plan.systems:
        folder = plan.folder / f"scrape-{name}"
        with run_system(name, folder) as system:
            system.meter().wait_until_quiet(least_seconds=2, most_seconds=20)
            idle = system.meter().measure_idle(plan.idle_seconds)
            idle_bytes = system.meter().resident_bytes()
        with (
            serve_target(bodies) as target,
            run_system(name, folder, Setup(target=target.address, scrape_seconds=1)) as system,
        ):
            deadline = time.monotonic() + _START_SECONDS
            while target.scrapes < _WARM_SCRAPES and time.monotonic() < deadline:
                time.sleep(0.1)
            meter, before = system.meter(), target.scrapes
            time.sleep(plan.scrape_seconds)
            spent, scrapes = meter.read(), target.scrapes - before
            samples = scrapes * plan.series
            busy = max(spent.cpu - idle * spent.wall, _TICK_SECONDS)
            found[name] = {
                "scrapes": scrapes,
                "samples": samples,
                "wall_seconds": spent.wall,
                "cpu_seconds": spent.cpu,
                "idle_cpu_fraction": idle,
                "samples_per_cpu_second": samples / busy,
                "milliseconds_per_scrape": busy / scrapes * 1000,
                "idle_resident_bytes": idle_bytes,
                "resident_bytes": meter.resident_bytes(),
                "peak_bytes": meter.peak_bytes(),
                "body_bytes": len(bodies[0]),
            }
    return found
