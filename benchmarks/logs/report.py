"""The figures as a page."""

from typing import Any

_MIB = 1024 * 1024


def render_report(found: dict[str, Any]) -> str:
    """Return Markdown of everything that was measured."""
    lines = ["# Logs", ""]
    lines += [f"- {name}: {value}" for name, value in found["machine"].items()]
    lines += [
        "",
        "Records in ECS names, made up, of some 600 bytes each; sent by two connections in bulk",
        "requests of a thousand to a monitor that runs as a process of its own. They count as",
        "indexed when a search finds them, durable by then. Where the load average is above the",
        "number of cores, others were at work too: the CPU's times are what compares.",
        "",
    ]
    for size in sorted(found["sizes"], key=int):
        lines += _render_size(found["sizes"][size])
    return "\n".join(lines)


def _render_size(one: dict[str, Any]) -> list[str]:
    ingest = one["ingest"]
    rows = {
        "records a second, taken": f"{ingest['records_per_second_taken']:,.0f}",
        "records a second, found": f"{ingest['records_per_second_indexed']:,.0f}",
        "CPU microseconds a record": f"{ingest['cpu_us_per_record']:.1f}",
        "and afterwards, merging and packing": f"{ingest['cpu_us_per_record_afterwards']:.1f}",
        "requests put off": f"{ingest['refused_requests']:,}",
        "bytes on the disk, index and all, a raw byte": f"{ingest['disk_bytes_per_raw_byte']:.3f}",
        "resident MiB, the most in ingest": f"{ingest['peak_resident_mib']:.0f}",
        "resident MiB afterwards": f"{ingest['resident_mib']:.0f}",
    }
    visible = one["visible"]
    rows |= {
        "seconds until a record is found, p50": f"{visible['p50']:.2f}",
        "p99": f"{visible['p99']:.2f}",
    }
    lines = [
        f"## {ingest['records']:,} records, {ingest['raw_bytes'] / _MIB:,.0f} MiB",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows.items()),
        "",
        "Over HTTP, pages of 100, of the last day; the first time stands beside the rest.",
        "",
        "| milliseconds | first | p50 | longest | CPU | records |",
        "|---|---|---|---|---|---|",
        *(_render_query(name, times) for name, times in one["queries"].items()),
        "",
    ]
    if one["grep"]:
        seconds, size = one["grep"]["p50"], one["grep"]["packed_bytes"]
        lines += [
            f"`zstdgrep -c` for the rare word in the same records, packed by `zstd -3` to"
            f" {size / ingest['raw_bytes']:.3f} bytes a raw byte: {seconds * 1e3:,.0f} ms.",
            "",
        ]
    return lines


def _render_query(name: str, times: dict[str, float]) -> str:
    shown = (times["first"], times["p50"], times["longest"], times["cpu"])
    cells = " | ".join(f"{seconds * 1e3:,.1f}" for seconds in shown)
    stopped = "" if times["is_complete"] else " (stopped)"
    return f"| {name} | {cells} | {times['found']:,.0f}{stopped} |"
