"""Writes what was measured as Markdown, from the JSON alone."""

from collections.abc import Callable, Iterable, Sequence

from benchmarks.metrics.goals import judge
from benchmarks.metrics.growth import MEASURES
from benchmarks.metrics.plan import Result
from benchmarks.metrics.systems import ALL, OURS
from benchmarks.metrics.usage import MIB
from tests.support.peers import PROMETHEUS, VICTORIA_METRICS

_TITLES = {
    OURS: "ours",
    PROMETHEUS: "Prometheus",
    VICTORIA_METRICS: "VictoriaMetrics",
}
_METHOD = """\
How it is measured: the three run as users run them (`resumatch-monitor serve`, Debian's programs),
each in a folder of its own, on loopback, on the same machine in the same run. They are sent the
same remote-write bodies and asked by the same HTTP client over one kept connection, without
compression. Queries are asked of the three in turn, after one that does not count, VictoriaMetrics
with `nocache=1`; our engine has no cache of results. CPU seconds are the operating system's account
of the server's process. Samples are never on a whole minute, so that Prometheus 2's closed ranges
and our (Prometheus 3's) left-open ones hold the same samples: the answers are compared with
Prometheus' series by series and value by value, to 1e-6. VictoriaMetrics' language extrapolates
otherwise; how far it is from ours is shown and not judged.
"""


def render_report(found: Result) -> str:
    """Return the whole report; sections that were not measured are left out."""
    parts = ["# The metrics engine beside Prometheus and VictoriaMetrics", ""]
    parts += _render_machine(found["machine"]) if "machine" in found else []
    parts += ["", _METHOD, "## Goals", ""]
    parts += _table(
        ["", "goal", "measured", ""],
        [[each.goal, each.wanted, each.measured, each.describe()] for each in judge(found)],
    )
    for name, render in _SECTIONS.items():
        if name in found:
            parts += ["", *_render_section(name, render, found[name])]
    return "\n".join(parts) + "\n"


def _render_section(name: str, render: Callable[[Result], list[str]], section: Result) -> list[str]:
    if "failure" in section:
        return [f"## {name}", "", f"Not measured: `{section['failure']}`"]
    try:
        lines = render(section)
    except KeyError:
        # Kept from a run before the benchmark changed.
        return [
            f"## {name}",
            "",
            "Measured by another version of this benchmark: measure it again.",
        ]
    ours = f" of {section['version']}" if "version" in section else ""
    measured = f"Measured {section['measured_at']}{ours}, in {section['seconds']:.0f} s."
    return [*lines, "", measured]


def _render_machine(machine: Result) -> list[str]:
    return [
        f"Machine: {machine['processor']}, {machine['cores']} cores,"
        f" {machine['memory_bytes'] / 2**30:.0f} GiB, {machine['system']};"
        f" Python {machine['python']}, NumPy {machine['numpy']}."
        f" Load when it began: {machine['load_average']:.1f}.",
        f"Versions: ours {machine[OURS]}, Prometheus {machine['prometheus']},"
        f" VictoriaMetrics {machine['victoria-metrics']}.",
    ]


def _render_queries(section: Result) -> list[str]:
    lines = ["## Queries", "", "Milliseconds of wall time, median (least), and of CPU, mean.", ""]
    names = _present(section["loads"]["counters"])
    head = ["query", *(_TITLES[name] for name in names)]
    head += [f"{_TITLES[name]} ÷ ours" for name in names if name != OURS]
    rows: list[list[str]] = []
    for title, query in section["queries"].items():
        systems = query["systems"]
        times = [_render_time(systems.get(name)) for name in names]
        ratios = [_render_ratio(systems, name) for name in names if name != OURS]
        rows.append([title, *times, *ratios])
    lines += _table(head, rows)
    lines += ["", *_render_agreement(section["queries"]), "", *_render_loads(section["loads"])]
    lines += ["", "The queries:", ""]
    lines += [f"- {title}: `{query['text']}`" for title, query in section["queries"].items()]
    return lines


def _render_time(measured: Result | None) -> str:
    if measured is None:
        return "refused"
    median, least, cpu = (
        measured[key] * 1000 for key in ("median_seconds", "least_seconds", "cpu_seconds")
    )
    return f"{median:.1f} ({least:.1f}), CPU {cpu:.0f}"


def _render_ratio(systems: Result, peer: str) -> str:
    if OURS not in systems or peer not in systems:
        return ""
    return f"{systems[peer]['median_seconds'] / systems[OURS]['median_seconds']:.2f}"


def _render_agreement(queries: Result) -> list[str]:
    rows = [
        [
            title,
            _TITLES[peer],
            f"{each['our_series']} / {each['their_series']}",
            str(each["points"]),
            f"{each['typical']:.0e}, {each['worst']:.0e}",
            "**other answers**" if each["problem"] and peer == PROMETHEUS else "",
        ]
        for title, query in queries.items()
        for peer, each in query["agreement"].items()
    ]
    head = [
        "query",
        "beside",
        "series ours / theirs",
        "values",
        "difference, median and largest",
        "",
    ]
    # Prometheus' is judged, with the reason on the terminal.
    return _table(head, rows) if rows else []


def _render_loads(loads: Result) -> list[str]:
    lines = [
        "Loaded for them by remote write, each kind into fresh processes; memory and disk after all"
        " had come to rest, the data ending at about that moment. Ours is then partly in blocks and"
        " partly in the head, with its log on disk.",
        "",
    ]
    rows = [
        [
            kind,
            _TITLES[name],
            f"{each['samples'] / 1e6:.2f} M",
            f"{each['samples_per_cpu_second']:,.0f}",
            f"{each['cpu_seconds']:.1f} + {each['settling']['cpu_seconds']:.1f}",
            f"{each['wall_seconds']:.1f}",
            str(each["refusals"]),
            _render_memory(each),
            f"{each['disk_bytes'] / each['samples']:.2f}",
        ]
        for kind, systems in loads.items()
        for name, each in _each(systems)
    ]
    head = ["data", "", "samples", "samples a CPU second", "CPU s, + settling", "wall s"]
    return lines + _table([*head, "asked to wait", "MiB, most", "bytes a sample"], rows)


def _render_memory(measured: Result) -> str:
    return f"{measured['resident_bytes'] / MIB:.0f}, {measured['peak_bytes'] / MIB:.0f}"


def _render_write(section: Result) -> list[str]:
    rows = [
        [
            _TITLES[name],
            f"{each['samples_per_cpu_second']:,.0f}",
            f"{each['samples'] / each['wall_seconds']:,.0f}",
            f"{each['requests']}",
            f"{each['connections']}",
            f"{each['cpu_seconds']:.2f} + {each['settling']['cpu_seconds']:.2f}",
        ]
        for name, each in _each(section)
    ]
    head = ["", "samples a CPU second", "samples a second", "requests", "connections"]
    return [
        "## Remote write, as an agent sends",
        "",
        "2,000 series a request with one sample each, in time order.",
        "",
        *_table([*head, "CPU s, + settling"], rows),
    ]


def _render_disk(section: Result) -> list[str]:
    rows = [
        [
            _TITLES[name],
            *(
                f"{each[key] / each['samples']:.2f}"
                for key in ("loaded_bytes", "settled_bytes", "stopped_bytes", "sealed_bytes")
            ),
        ]
        for name, each in _each(section)
    ]
    return [
        "## Disk",
        "",
        "Bytes a sample of counters that ended three hours before, everything under the data"
        " folder counted: right after loading, when the process had nothing more to do, after a"
        " clean stop, and with all samples in their final form. The last is the state after the"
        " stop, but for Prometheus: its head keeps up to three hours in a log for as long as"
        " nothing newer comes, so it is a snapshot by its API, which holds blocks only.",
        "",
        *_table(["", "loaded", "at rest", "stopped", "sealed"], rows),
    ]


def _render_scrape(section: Result) -> list[str]:
    rows = [
        [
            _TITLES[name],
            f"{each['samples_per_cpu_second']:,.0f}",
            f"{each['milliseconds_per_scrape']:.1f}",
            f"{each['scrapes']} in {each['wall_seconds']:.0f} s",
            f"{each['idle_cpu_fraction']:.1%}",
            f"{each['idle_resident_bytes'] / MIB:.0f}",
            _render_memory(each),
        ]
        for name, each in _each(section)
    ]
    head = ["", "samples a CPU second", "CPU ms a scrape", "scrapes", "idle CPU, taken off"]
    return [
        "## Scraping",
        "",
        "One target on loopback, scraped every second by one system after the other: counters,"
        " gauges and buckets whose values change with every scrape.",
        "",
        *_table([*head, "resident MiB idle", "MiB scraping, most"], rows),
        *_render_stored(section.get("stored")),
    ]


def _render_stored(stored: Result | None) -> list[str]:
    if stored is None:
        return []
    return [
        "",
        "That is the whole process, the fetching with it. Ours from the text to the disk, in a"
        f" process that does nothing else: {stored['samples_per_cpu_second']:,.0f} samples a CPU"
        f" second, {stored['cpu_seconds_per_scrape'] * 1000:.1f} ms of CPU and"
        f" {stored['wall_seconds_per_scrape'] * 1000:.1f} ms of time a scrape.",
    ]


def _render_rules(section: Result) -> list[str]:
    rows = [
        [
            _TITLES[name],
            f"{each['cpu_seconds_per_round'] * 1000:.1f}",
            f"{each['rounds']:.1f} in {each['wall_seconds']:.0f} s",
            f"{each['idle_cpu_fraction']:.1%}",
            str(each["active_alerts"]),
        ]
        for name, each in _each(section["systems"])
    ]
    head = ["", "CPU ms a round", "rounds", "idle CPU, taken off", "alerts pending or firing"]
    return [
        "## Rules",
        "",
        f"{section['rules']} alerting rules in one group, evaluated every second, which together"
        " read every series.",
        "",
        *_table(head, rows),
    ]


def _render_growth(section: Result) -> list[str]:
    rows: list[list[str]] = []
    for key, title in MEASURES.items():
        for name, system in _each(section["systems"]):
            points = [f"{point[key]:.3g}" for point in system["points"]]
            rows.append([title, _TITLES[name], *points, f"{system['slopes'][key]:.2f}"])
    return [
        "## Growth",
        "",
        "![growth](metrics-growth.svg)",
        "",
        *_table(["series", "", *(f"{size:,}" for size in section["series"]), "exponent"], rows),
        "",
        "Each size in a fresh process; times of reading are the least of five. The exponent is that"
        " of the largest three sizes, 1 being linear.",
    ]


def _render_startup(section: Result) -> list[str]:
    rows = [
        [
            shape,
            f"{each['state']['head_samples'] / 1e6:.2f} M",
            f"{each['seconds']:.2f}",
            f"{each['state']['open_duration_seconds']:.2f}",
            f"{each['cpu_seconds']:.2f}",
            f"{each['resident_bytes'] / MIB:.0f}",
        ]
        for shape in ("scraped", "pushed")
        if (each := section.get(shape))
    ]
    if not rows:
        return []
    return [
        "## Start-up",
        "",
        "From the start of the process to ready, with all of these samples in the log only; an"
        f" empty monitor takes {section['empty']['seconds']:.2f} s and"
        f" {section['empty']['cpu_seconds']:.2f} s of CPU.",
        "",
        *_table(["head", "samples", "s", "of it the store", "CPU s", "resident MiB"], rows),
    ]


_SECTIONS: dict[str, Callable[[Result], list[str]]] = {
    "queries": _render_queries,
    "write": _render_write,
    "disk": _render_disk,
    "scrape": _render_scrape,
    "rules": _render_rules,
    "growth": _render_growth,
    "startup": _render_startup,
}


def _present(systems: Result) -> list[str]:
    return [name for name in ALL if name in systems]


def _each(systems: Result) -> Iterable[tuple[str, Result]]:
    return ((name, systems[name]) for name in _present(systems))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    return [line(head), "|" + "---|" * len(head), *map(line, rows)]
