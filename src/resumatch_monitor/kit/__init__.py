"""Small pieces that know nothing of monitoring: clock, ids, durations, loops, HTTP, telemetry."""
