"""The command line: parse flags, call."""

import argparse
import asyncio
import logging
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from resumatch_monitor import __version__
from resumatch_monitor.accounts.service import UnknownUserError
from resumatch_monitor.app import (
    AlreadyRunningError,
    NewerDatabaseError,
    NoDataError,
    reset_password,
    serve,
)
from resumatch_monitor.app.query import (
    RENDERERS,
    QueryFailedError,
    fetch,
    parse_question,
    read_store,
)
from resumatch_monitor.cli import drill, import_alertmanager
from resumatch_monitor.config.check import check_config, find_warnings
from resumatch_monitor.config.loader import ConfigError, load_config, parse_config
from resumatch_monitor.config.starter import render_starter
from resumatch_monitor.config.tree import MonitorConfig
from resumatch_monitor.kit.clock import SystemClock
from resumatch_monitor.kit.eventloop import MonitorLoop
from resumatch_monitor.kit.ids import RandomIds
from resumatch_monitor.kit.logs import configure_logging
from resumatch_monitor.kit.memory import keep_memory_small
from resumatch_monitor.rules.checking import check_rule_files

DEFAULT_CONFIG = Path("monitor.yaml")
DEFAULT_DATA = Path("data")
DEFAULT_LISTEN = "127.0.0.1:9700"
TOKEN_VARIABLE = "RESUMATCH_MONITOR_TOKEN"  # noqa: S105 - the name of a variable

_OK, _FAILED, _USAGE = 0, 1, 2


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` name and return the exit status."""
    options = _build_parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ConfigError as error:
        _complain(str(error))
        return _FAILED
    except KeyboardInterrupt:
        return 130


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="resumatch-monitor",
        description="A web team's whole production monitoring in one process.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serving = commands.add_parser("serve", help="run the monitor")
    serving.add_argument(
        "--config", type=Path, metavar="FILE", help=f"default: {DEFAULT_CONFIG} if it exists"
    )
    serving.add_argument(
        "--data",
        type=Path,
        default=DEFAULT_DATA,
        metavar="DIR",
        help="where everything is kept; default: %(default)s",
    )
    serving.add_argument(
        "--listen", default=DEFAULT_LISTEN, metavar="HOST:PORT", help="default: %(default)s"
    )
    serving.add_argument("--verbose", action="store_true", help="log more")
    serving.set_defaults(run=_serve)

    resetting = commands.add_parser(
        "reset-password", help="give an account of a stopped monitor a new password"
    )
    resetting.add_argument("email", metavar="EMAIL")
    resetting.add_argument(
        "--data", type=Path, default=DEFAULT_DATA, metavar="DIR", help="default: %(default)s"
    )
    resetting.set_defaults(run=_reset_password)

    checking = commands.add_parser("check-config", help="say what is wrong with a configuration")
    checking.add_argument("file", type=Path, nargs="?", default=DEFAULT_CONFIG, metavar="FILE")
    checking.set_defaults(run=_check_config)

    reading = commands.add_parser("check-rules", help="say what is wrong with rule files")
    reading.add_argument("files", type=Path, nargs="+", metavar="FILE")
    reading.set_defaults(run=_check_rules)

    testing = commands.add_parser(
        "test-rules", help="run tests of rules, in the format of promtool"
    )
    testing.add_argument("files", type=Path, nargs="+", metavar="FILE")
    testing.add_argument(
        "--run",
        dest="patterns",
        type=_parse_pattern,
        action="append",
        default=[],
        metavar="REGEX",
        help="only tests whose name matches; may be given several times",
    )
    testing.add_argument("--junit", type=Path, metavar="FILE", help="also write a JUnit report")
    testing.set_defaults(run=_test_rules)

    asking = commands.add_parser("query", help="evaluate an expression and show the result")
    asking.add_argument("expr", metavar="EXPR")
    asking.add_argument(
        "--url",
        default=f"http://{DEFAULT_LISTEN}",
        help="a monitor or another server with Prometheus' API; default: %(default)s",
    )
    asking.add_argument(
        "--token", help=f"a token that may read; better given in {TOKEN_VARIABLE}", default=None
    )
    asking.add_argument(
        "--data", type=Path, metavar="DIR", help="ask the data of a stopped monitor instead"
    )
    asking.add_argument("--time", help="when: now, now-1h, RFC 3339 or seconds; default: now")
    asking.add_argument("--from", dest="from_", metavar="TIME", help="ask for a range from here")
    asking.add_argument("--to", metavar="TIME", help="to here; default: now")
    asking.add_argument("--step", metavar="DURATION", help="from one moment to the next")
    asking.add_argument(
        "--format", choices=tuple(RENDERERS), default="table", help="default: %(default)s"
    )
    asking.set_defaults(run=_query)

    import_alertmanager.prepare(
        commands.add_parser(
            "import-alertmanager",
            help="turn an alertmanager.yml into the section alerting, on standard output",
        )
    )

    drill.prepare(
        commands.add_parser(
            "drill", help="make an alert's condition true in a shadow of the data, and follow it"
        ),
        url=f"http://{DEFAULT_LISTEN}",
        token_variable=TOKEN_VARIABLE,
    )

    starting = commands.add_parser("init", help="write a commented configuration to start from")
    starting.add_argument("file", type=Path, nargs="?", default=DEFAULT_CONFIG, metavar="FILE")
    starting.set_defaults(run=_init)
    return parser


def _serve(options: argparse.Namespace) -> int:
    keep_memory_small()
    configure_logging(is_verbose=options.verbose)
    try:
        host, port = _parse_listen(options.listen)
    except ValueError as error:
        _complain(str(error))
        return _USAGE
    config = _load(options.config)
    try:
        with asyncio.Runner(loop_factory=MonitorLoop) as runner:
            runner.run(serve(config, data=options.data, host=host, port=port))
    except (AlreadyRunningError, NewerDatabaseError, OSError) as error:
        _complain(str(error))
        return _FAILED
    return _OK


def _load(path: Path | None) -> MonitorConfig:
    if path is None and not DEFAULT_CONFIG.exists():
        return parse_config("", source="the defaults", environment=os.environ)
    return load_config(path or DEFAULT_CONFIG, os.environ)


def _check_config(options: argparse.Namespace) -> int:
    problems = check_config(options.file, os.environ)
    for problem in problems:
        _complain(problem)
    if problems:
        _complain(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {options.file}")
        return _FAILED
    for warning in find_warnings(options.file):
        _complain(f"warning: {warning}")
    _say(f"{options.file} is fine.")
    return _OK


def _check_rules(options: argparse.Namespace) -> int:
    check = check_rule_files(options.files)
    for line in (*check.errors, *check.remarks):
        _complain(str(line))
    if check.errors:
        return _FAILED
    _say(f"{check.rule_count} rule{'' if check.rule_count == 1 else 's'} found.")
    return _OK


def _test_rules(options: argparse.Namespace) -> int:
    # A monitor that serves runs no tests of rules.
    from resumatch_monitor.rules.testing.command import (  # noqa: PLC0415
        render_junit,
        run_rule_tests,
    )

    # What a rule logs is among the failures.
    logging.getLogger("resumatch_monitor").addHandler(logging.NullHandler())
    outcomes = run_rule_tests(
        options.files, name_patterns=options.patterns, say=_say, complain=_complain
    )
    if options.junit is not None:
        try:
            options.junit.write_bytes(render_junit(outcomes))
        except OSError as error:
            _complain(f"{options.junit} cannot be written: {error.strerror}")
            return _FAILED
    return _OK if all(outcome.has_passed for outcome in outcomes) else _FAILED


def _query(options: argparse.Namespace) -> int:
    clock = SystemClock()
    try:
        question = parse_question(
            options.expr,
            time=options.time,
            from_=options.from_,
            to=options.to,
            step=options.step,
            now=clock.now(),
        )
    except ValueError as error:
        _complain(str(error))
        return _USAGE
    try:
        if options.data is not None:
            result = read_store(question, data=options.data, clock=clock)
        else:
            token = options.token or os.environ.get(TOKEN_VARIABLE, "")
            result = asyncio.run(fetch(question, url=options.url, token=token))
    except AlreadyRunningError as error:
        _complain(f"{error} Ask it with --url.")
        return _FAILED
    except (QueryFailedError, NoDataError, OSError) as error:
        _complain(str(error))
        return _FAILED
    for remark in result.remarks:
        _complain(remark)
    _say(RENDERERS[options.format](result))
    return _OK


def _parse_pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from None


def _init(options: argparse.Namespace) -> int:
    content = render_starter(RandomIds())
    try:
        # People put secrets into it, although the environment is the place for them.
        with open(options.file, "x", encoding="utf-8", opener=_open_private) as file:
            file.write(content)
    except FileExistsError:
        _complain(f"{options.file} exists already; nothing was written.")
        return _FAILED
    except OSError as error:
        _complain(f"{options.file} cannot be written: {error.strerror}")
        return _FAILED
    _say(f"Wrote {options.file}. Next: resumatch-monitor serve --config {options.file}")
    return _OK


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _reset_password(options: argparse.Namespace) -> int:
    try:
        password = asyncio.run(
            reset_password(options.email, data=options.data, clock=SystemClock(), ids=RandomIds())
        )
    except AlreadyRunningError as error:
        _complain(f"{error} Stop it first.")
        return _FAILED
    except (NewerDatabaseError, NoDataError, UnknownUserError, OSError) as error:
        _complain(str(error))
        return _FAILED
    _say(f"The password of {options.email} is now\n\n    {password}\n\nIt is not shown again.")
    return _OK


def _parse_listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"--listen takes HOST:PORT, for example {DEFAULT_LISTEN}; got {text!r}")
    return host.strip("[]") or "127.0.0.1", int(port)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _complain(text: str) -> None:
    sys.stderr.write(text + "\n")
