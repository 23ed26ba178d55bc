"""Writes an occurrence down as the SDKs of its platform do."""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any
from zlib import crc32

from benchmarks.grouping.minified import minify
from benchmarks.grouping.occurrences import Raised, raise_chain
from benchmarks.grouping.scene import Call, Occurrence
from benchmarks.grouping.values import fill, make_hex
from benchmarks.grouping.vocabulary import Stack, Vocabulary

Event = dict[str, Any]


def render(occurrence: Occurrence, vocabulary: Vocabulary) -> Event:
    """Return the event that the SDK would send."""
    rng = occurrence.rng
    platform = occurrence.bug.platform
    event: Event = {
        "event_id": make_hex(rng, 32),
        "timestamp": 1_790_000_000 + rng.randrange(5_000_000),
        "level": "error",
        "release": f"app@1.{occurrence.release}.0",
        "environment": rng.choice(("production", "staging")),
        "server_name": f"web-{rng.randrange(9)}",
        "user": {"id": str(rng.randrange(1000))},
        "transaction": fill("/v1/things/{int}", rng),
    }
    return {**event, **_RENDERERS[platform](occurrence, vocabulary)}


def _render_exceptions(
    occurrence: Occurrence, stack: Stack, frame: Callable[[Call], Event]
) -> Event:
    chain = raise_chain(occurrence, stack)
    values = [
        {
            "type": each.type,
            "value": each.value,
            "module": each.module,
            "mechanism": _mechanism(chain, number, occurrence.bug.platform),
            "stacktrace": {"frames": [frame(call) for call in each.calls]},
        }
        for number, each in enumerate(chain)
    ]
    return {"exception": {"values": values}}


def _mechanism(chain: list[Raised], number: int, platform: str) -> Event:
    """Return what hangs exceptions together; their ids count from the one raised last."""
    last = len(chain) - 1
    if platform == "python" and not any(each.is_group for each in chain):
        # The SDK says what hangs together, and how, only where there is a group.
        return {"type": "generic", "handled": False}
    if number == last:
        group = {"is_exception_group": True} if chain[last].is_group else {}
        return {"type": "generic", "handled": False, "exception_id": 0, **group}
    parent = chain[number + 1]
    is_member = chain[number].link == "member"
    source = f"exceptions[{number}]" if is_member else f"__{parent.link or 'cause'}__"
    return {
        "type": "chained",
        "handled": False,
        "source": source,
        "exception_id": last - number,
        "parent_id": 0 if is_member else last - number - 1,
    }


def line_of(occurrence: Occurrence, call: Call) -> int:
    """Return where a call stands: it moves between releases."""
    base = crc32(f"{call.module}.{call.function}.{call.source}".encode()) % 700 + 10
    shift = crc32(f"{call.module} {occurrence.release}".encode()) % 40
    return base + shift * (5 if occurrence.variation == "lines" else 1)


def source_of(occurrence: Occurrence, call: Call) -> str:
    """Return the line as it stands in this release."""
    if occurrence.variation != "refactor" or not call.source:
        return f"    {call.source}"
    if call.function.startswith("<"):
        return f"\t\t\t{call.source}"
    return f"        return {call.source.replace('value', 'value, strict=True')}  # checked"


def _render_python(occurrence: Occurrence, vocabulary: Vocabulary) -> Event:
    rng = occurrence.rng
    root, site = "/srv/app", "/srv/app/.venv/lib/python3.11/site-packages"
    if occurrence.variation == "hosts":
        root = rng.choice(
            ("/opt/render/project/src", f"/home/deploy/{rng.randrange(99)}", "C:\\app")
        )
        site = f"/usr/local/lib/python3.{rng.randrange(9, 14)}/site-packages"

    def frame(call: Call) -> Event:
        path = call.module.replace(".", "/") + ".py"
        return {
            "module": call.module,
            "function": call.function,
            "filename": path,
            "abs_path": f"{root if call.is_app else site}/{path}",
            "lineno": line_of(occurrence, call),
            "context_line": source_of(occurrence, call),
            "in_app": call.is_app,
            "vars": {"self": f"<Thing object at 0x{make_hex(rng, 12)}>"},
        }

    event = _render_exceptions(occurrence, vocabulary.stacks["python"], frame)
    return {"platform": "python", "sdk": {"name": "sentry.python", "version": "2.75.0"}, **event}


def _render_node(occurrence: Occurrence, vocabulary: Vocabulary) -> Event:
    rng = occurrence.rng
    root = "/app"
    if occurrence.variation == "hosts":
        root = rng.choice(
            (f"/home/deploy/releases/{rng.randrange(10**9)}", "file:///workspace", "/opt")
        )

    def frame(call: Call) -> Event:
        if call.module.startswith("node:"):
            path = call.module.replace(".", "/")
        else:
            path = call.module.replace(":", ".").replace(".", "/")
            path = f"{root}/{'dist' if call.is_app else 'node_modules'}/{path}.js"
        is_async = occurrence.variation == "async" and call.is_app and rng.random() < 0.7
        return {
            "module": call.module.split(".")[-1] if call.is_app else call.module,
            "function": ("async " if is_async else "") + call.function,
            "filename": path,
            "lineno": line_of(occurrence, call),
            "colno": rng.randrange(4, 40),
            "context_line": source_of(occurrence, call) if call.is_app else None,
            "in_app": call.is_app,
        }

    event = _render_exceptions(occurrence, vocabulary.stacks["node"], frame)
    return {"platform": "node", "sdk": {"name": "sentry.javascript.node"}, **event}


def _render_browser(occurrence: Occurrence, vocabulary: Vocabulary) -> Event:
    """As it looks with source maps applied, or on a developer's server."""
    rng = occurrence.rng
    prefix = "webpack://_N_E/./src/"
    if occurrence.variation == "hosts":
        prefix = rng.choice(
            ("webpack:///src/", "webpack-internal:///(app-pages-browser)/./src/", "app:///src/")
        )
    decorate = _DECORATIONS[rng.randrange(3)] if occurrence.variation == "engine" else str

    def frame(call: Call) -> Event:
        path = call.module.replace(".", "/") + ".tsx" if call.is_app else call.module
        return {
            "function": decorate(call.function),
            "filename": f"{prefix if call.is_app else 'webpack://_N_E/./'}{path}",
            "lineno": line_of(occurrence, call),
            "colno": rng.randrange(4, 40),
            "context_line": source_of(occurrence, call),
            "in_app": call.is_app,
        }

    event = _render_exceptions(occurrence, vocabulary.stacks["browser"], frame)
    return {"platform": "javascript", "sdk": {"name": "sentry.javascript.nextjs"}, **event}


def _render_minified(occurrence: Occurrence, vocabulary: Vocabulary) -> Event:
    return {
        "platform": "javascript",
        "sdk": {"name": "sentry.javascript.browser"},
        **_render_exceptions(occurrence, vocabulary.stacks["browser"], minify(occurrence)),
    }


def _render_other(occurrence: Occurrence, vocabulary: Vocabulary) -> Event:
    platform = _PLATFORM_OF.get(occurrence.bug.type.partition(".")[0], "other")

    def frame(call: Call) -> Event:
        path = call.module.replace(".", "/")
        return {
            "module": call.module,
            "function": call.function,
            "filename": f"{path.rpartition('/')[2]}.src",
            "abs_path": f"/build/{make_hex(occurrence.rng, 8)}/{path}.src",
            "lineno": line_of(occurrence, call),
            "in_app": call.is_app,
        }

    event = _render_exceptions(occurrence, vocabulary.stacks["other"], frame)
    return {"platform": platform, **event}


def _render_message(occurrence: Occurrence, vocabulary: Vocabulary) -> Event:
    bug, rng = occurrence.bug, occurrence.rng
    said = fill(bug.wording.text, rng)
    entry: Event = {"message": said}
    if occurrence.variation == "parameters":
        entry = {"logentry": {"message": bug.wording.text, "formatted": said}}
    return {"platform": "python", "logger": bug.logger, **entry}


def _render_policy(occurrence: Occurrence, vocabulary: Vocabulary) -> Event:
    rng, bug = occurrence.rng, occurrence.bug
    directive, blocked = bug.extra["directive"], bug.extra["blocked"]
    is_host = blocked.startswith("https://")
    uri = f"{blocked}/{make_hex(rng, 8)}.js?{rng.random()}" if is_host else blocked
    report = {
        "document_uri": fill("https://app.example.com/jobs/{int}", rng),
        "effective_directive": directive,
        "violated_directive": f"{directive} 'self' https://cdn.example.com",
        "blocked_uri": uri,
        "line_number": rng.randrange(900),
        "source_file": fill("https://app.example.com/{hex}.js", rng),
        "disposition": "enforce",
    }
    host = blocked.removeprefix("https://")
    return {
        "platform": "javascript",
        "logger": "csp",
        "csp": report,
        "message": f"Blocked '{directive}' from '{host}'",
    }


def _firefox(function: str) -> str:
    return function.replace("<anonymous>", "?")


def _chrome(function: str) -> str:
    return function if function.startswith("<") else f"Object.{function}"


def _firefox_async(function: str) -> str:
    return "?" if function.startswith("<") else f"async*{function}"


_DECORATIONS = (_firefox, _chrome, _firefox_async)
_PLATFORM_OF: Mapping[str, str] = {
    "java": "java",
    "System": "csharp",
    "*errors": "go",
    "NoMethodError": "ruby",
    "ErrorException": "php",
}
_RENDERERS: Mapping[str, Callable[[Occurrence, Vocabulary], Event]] = {
    "python": _render_python,
    "node": _render_node,
    "browser": _render_browser,
    "minified": _render_minified,
    "other": _render_other,
    "message": _render_message,
    "csp": _render_policy,
}


def new_rng(*parts: object) -> Random:
    """Return a generator that the same parts always make the same."""
    return Random(" ".join(map(str, parts)))
