"""Records `tests/corpus/python.ndjson.xz`: `python -m tests.clients.record_python`.

Frameworks and older SDKs are installed from PyPI into a temporary folder first; the monitor's own
tests need none of them.
"""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.clients.recorder import Recording, record

_FOLDER = Path(__file__).with_name("python")
_FRAMEWORKS = ("flask>=3.1,<4", "django>=5.2,<6", "celery>=5.5,<6")
_OLD = ("1.45.1", "2.20.0")
_GZIP: dict[str, Any] = {"_experiments": {"transport_compression_algo": "gzip"}}
_PLAIN: dict[str, Any] = {"_experiments": {"transport_compression_level": 0}}
_PERSONAL: dict[str, Any] = {"send_default_pii": True, "max_request_body_size": "always"}
_TERSE: dict[str, Any] = {
    "include_local_variables": False,
    "include_source_context": False,
    "max_request_body_size": "never",
    "max_breadcrumbs": 1,
    "max_value_length": 40,
}
_VERBOSE: dict[str, Any] = {
    "attach_stacktrace": True,
    "add_full_stack": True,
    "enable_db_query_source": True,
    "db_query_source_threshold_ms": 0,
}
_STREAM: dict[str, Any] = {"trace_lifecycle": "stream"}
_UNTRACED: dict[str, Any] = {
    "traces_sample_rate": None,
    "profiles_sample_rate": None,
    "default_integrations": False,
}
_SAMPLED_OUT: dict[str, Any] = {"sample_rate": 0.0, "traces_sample_rate": 0.0}
_FOREIGN: dict[str, Any] = {"release": "läden@2.0-ß", "environment": "生産", "dist": "17"}
_OPTIONS: dict[str, dict[str, Any]] = {
    "br": {},
    "gzip": _GZIP,
    "unpacked": _PLAIN,
    "personal": _PERSONAL,
    "terse": _TERSE,
    "verbose": _VERBOSE,
    "stream": _STREAM,
    "stream personal gzip": {**_STREAM, **_PERSONAL, **_GZIP},
    "untraced": _UNTRACED,
    "sampled out": _SAMPLED_OUT,
    "foreign": _FOREIGN,
}


@dataclass(frozen=True, slots=True)
class _Run:
    """A program with options, and where the packages are that it needs beside the house's."""

    label: str
    script: str
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    packages: Path | None = None
    arguments: tuple[str, ...] = ()


def _plan(packages: Path) -> list[_Run]:
    runs: list[_Run] = []
    for name, options in _OPTIONS.items():
        runs.append(_Run(f"python web {name}", "web.py", options))
        runs.append(_Run(f"python worker {name}", "worker.py", options, arguments=("crash",)))
    runs += [
        _Run(f"python plain {each}", "plain.py", {}, packages / each, ("crash",)) for each in _OLD
    ]
    runs.append(_Run("python plain", "plain.py", arguments=("crash",)))
    for name in ("flask_shop", "django_shop", "celery_jobs"):
        label = f"python {name.split('_')[0]}"
        runs.append(_Run(label, f"{name}.py", packages=packages / "frameworks"))
        runs.append(_Run(f"{label} personal", f"{name}.py", _PERSONAL, packages / "frameworks"))
    return runs


def _install(packages: Path) -> None:
    wanted = {"frameworks": _FRAMEWORKS, **{each: (f"sentry-sdk=={each}",) for each in _OLD}}
    for name, requirements in wanted.items():
        # Of an SDK, the packages that it needs are here.
        alone = [] if name == "frameworks" else ["--no-deps"]
        command = [sys.executable, "-m", "pip", "install", "--quiet", *alone]
        subprocess.run([*command, "--target", str(packages / name), *requirements], check=True)


def _record(recording: Recording, run: _Run) -> None:
    environment = {"CLIENT_OPTIONS": json.dumps(run.options)}
    if run.packages is not None:
        environment["PYTHONPATH"] = str(run.packages)
    recording.run(
        run.label,
        [sys.executable, str(_FOLDER / run.script), *run.arguments],
        environment,
        status=1 if run.arguments else 0,
    )


def main() -> None:
    """Record all."""
    with tempfile.TemporaryDirectory(prefix="app-packages-") as folder:
        packages = Path(folder)
        _install(packages)
        with record("python", beside=[packages]) as recording:
            for run in _plan(packages):
                sys.stdout.write(f"{run.label}\n")
                sys.stdout.flush()
                _record(recording, run)


if __name__ == "__main__":
    main()
