"""The figures as a page."""

from typing import Any

_MIB = 1024 * 1024


def render_report(found: dict[str, Any]) -> str:
    """Return Markdown of everything that was measured."""
    lines = ["# Traces", ""]
    lines += [f"- {name}: {value}" for name, value in found["machine"].items()]
    lines += [
        "",
        "Items as Sentry's SDKs send them (three transactions of a server to one page of a",
        "browser, whose spans are streamed), digested in batches of 500 by one process: parsed,",
        "corrected, scrubbed, compressed, and durable (`synchronous=FULL`) before the next batch.",
        "Where the load average is above the number of cores, others were at work too: the times",
        "are longer than they would be, and the CPU's are what compares.",
        "",
    ]
    if "ingest" in found:
        lines += _render_ingest(found["ingest"])
    if "lookups" in found:
        lines += _render_lookups(found["lookups"])
    if "thinning" in found:
        one = found["thinning"]
        lines += [
            "## Thinning",
            "",
            f"The oldest file, {one['bytes'] / _MIB:.1f} MiB, was thinned to"
            f" {one['left'] / _MIB:.1f} MiB in {one['seconds']:.2f} s.",
            "",
        ]
    return "\n".join(lines)


def _render_ingest(one: dict[str, Any]) -> list[str]:
    rows = {
        "spans digested and durable, a second": one["spans_per_second"],
        "of these reading alone": one["read_spans_per_second"],
        "of these storing alone": one["stored_spans_per_second"],
        "segments shown to who counts them, a second": one["observed_segments_per_second"],
        "spans a second, that included": one["spans_per_second_with_observing"],
        "CPU microseconds a span, digested and durable": one["cpu_us_per_span"],
        "CPU microseconds a span, shown to who counts": one["observing_cpu_us_per_span"],
        "bytes a span as it came": one["raw_bytes_per_span"],
        "bytes a span on the disk, indexes and all": one["stored_bytes_per_span"],
    }
    return [
        f"## Taking in ({one['spans']:,} spans)",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value:,.0f} |" for name, value in rows.items()),
        "",
    ]


def _render_lookups(one: dict[str, Any]) -> list[str]:
    return [
        f"## Looking up ({one['spans']:,} spans of 30 days, {one['bytes'] / _MIB:,.0f} MiB,"
        f" {one['files']} files)",
        "",
        "Pages of 50; the first time after the store was opened stands beside the rest.",
        "",
        "| milliseconds | first | p50 | p95 |",
        "|---|---|---|---|",
        *(
            f"| {name} | {times['first'] * 1e3:.1f} | {times['p50'] * 1e3:.1f}"
            f" | {times['p95'] * 1e3:.1f} |"
            for name, times in one["times"].items()
        ),
        "",
    ]
