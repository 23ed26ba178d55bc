"""The corpus on which grouping was developed: FastAPI, Express, React, and some of everything."""

from benchmarks.grouping.scene import Wording
from benchmarks.grouping.vocabulary import Fault, Stack, Vocabulary, library

_PYTHON = (
    Fault("KeyError", Wording("'{word}'")),
    Fault("KeyError", Wording("{int}")),
    Fault("ValueError", Wording("invalid literal for int() with base 10: '{word}'")),
    Fault("AttributeError", Wording("'NoneType' object has no attribute 'salary'")),
    Fault("IndexError", Wording("list index out of range")),
    Fault("TypeError", Wording("unsupported operand type(s) for +: 'int' and 'NoneType'")),
    Fault("ZeroDivisionError", Wording("division by zero", "Division durch null")),
    Fault("RuntimeError", Wording("Job {uuid} is in state {word}, not pending")),
    Fault("LookupError", Wording("no rate for EUR on {date} (asked {time})")),
    Fault("AssertionError", Wording("")),
    Fault(
        "FileNotFoundError",
        Wording(
            "[Errno 2] No such file or directory: '{path}'",
            "[Errno 2] Datei oder Verzeichnis nicht gefunden: '{path}'",
        ),
    ),
    Fault(
        "UnicodeDecodeError",
        Wording("'utf-8' codec can't decode byte 0x{byte} in position {int}: invalid start byte"),
        library(("codecs", "decode")),
    ),
    Fault(
        "JSONDecodeError",
        Wording("Expecting value: line {int} column {int} (char {int})"),
        library(("json", "loads"), ("json.decoder", "decode"), ("json.decoder", "raw_decode")),
        "json.decoder",
    ),
    Fault(
        "ConnectTimeout",
        Wording(""),
        library(
            ("httpx._client", "send"),
            ("httpx._transports.default", "handle_async_request"),
            ("httpcore._async.connection_pool", "handle_async_request"),
            ("anyio._core._sockets", "connect_tcp"),
        ),
        "httpx",
    ),
    Fault(
        "IntegrityError",
        Wording(
            '(psycopg.errors.UniqueViolation) duplicate key value violates unique constraint "uq"\n'
            "DETAIL:  Key (email)=({email}) already exists.\n"
            "[SQL: INSERT INTO users (email, id) VALUES (%(email)s, %(id)s)]\n"
            "[parameters: {'email': '{email}', 'id': '{uuid}'}]",
            '(psycopg.errors.UniqueViolation) doppelter Schlüsselwert verletzt Constraint "uq"'
            "\nDETAIL:  Schlüssel »(email)=({email})« existiert bereits.\n"
            "[SQL: INSERT INTO users (email, id) VALUES (%(email)s, %(id)s)]",
        ),
        library(
            ("sqlalchemy.orm.session", "flush"),
            ("sqlalchemy.engine.base", "_execute_context"),
            ("sqlalchemy.engine.default", "do_execute"),
            ("psycopg.cursor", "execute"),
        ),
        "sqlalchemy.exc",
    ),
    Fault(
        "ValidationError",
        Wording(
            "{int} validation errors for Resume\nskills.{int}.name\n  Field required "
            "[type=missing, input_value={'{word}': {int}}, input_type=dict]"
        ),
        library(("pydantic.main", "model_validate")),
        "pydantic_core._pydantic_core",
    ),
)
_NODE = (
    Fault("TypeError", Wording("Cannot read properties of undefined (reading 'salary')")),
    Fault("TypeError", Wording("items.map is not a function")),
    Fault("RangeError", Wording("Invalid array length")),
    Fault("ReferenceError", Wording("window is not defined")),
    Fault("Error", Wording("Order {uuid} not found")),
    Fault("Error", Wording("ENOENT: no such file or directory, open '{path}'")),
    Fault("SyntaxError", Wording("Unexpected token < in JSON at position {int}")),
    Fault(
        "SyntaxError", Wording("Unexpected token '<', \"<!DOCTYPE {word}\"... is not valid JSON")
    ),
    Fault(
        "error",
        Wording('insert or update on table "jobs" violates foreign key constraint "fk_{word}"'),
        library(("pg-protocol.dist:parser", "Parser.parse"), ("pg.lib:client", "Client.query")),
    ),
    Fault(
        "AxiosError",
        Wording("Request failed with status code 502"),
        library(
            ("axios.lib.core:settle", "settle"),
            ("axios.lib.adapters:http", "IncomingMessage.handle"),
        ),
    ),
    Fault(
        "Error",
        Wording("connect ECONNREFUSED {ip}:{port}"),
        library(
            ("node:net", "TCPConnectWrap.afterConnect [as oncomplete]"),
        ),
    ),
)
_BROWSER = (
    Fault(
        "TypeError",
        Wording(
            "Cannot read properties of undefined (reading 'salary')",
            firefox='can\'t access property "salary", job is undefined',
            safari="undefined is not an object (evaluating 'job.salary')",
        ),
    ),
    Fault(
        "TypeError",
        Wording(
            "Cannot read properties of null (reading 'focus')",
            firefox='can\'t access property "focus", ref.current is null',
            safari="null is not an object (evaluating 'ref.current.focus')",
        ),
    ),
    Fault(
        "TypeError",
        Wording(
            "skills.join is not a function",
            firefox="skills.join is not a function",
            safari="skills.join is not a function. (In 'skills.join(\", \")', it is undefined)",
        ),
    ),
    Fault("RangeError", Wording("Maximum call stack size exceeded", firefox="too much recursion")),
    Fault(
        "TypeError",
        Wording(
            "Failed to fetch",
            firefox="NetworkError when attempting to fetch resource.",
            safari="Load failed",
        ),
    ),
    Fault("Error", Wording("Upload {uuid} was rejected: {word}")),
    Fault(
        "QuotaExceededError",
        Wording(
            "Failed to execute 'setItem' on 'Storage': Setting the value of 'draft' exceeded the"
            " quota.",
            firefox="The quota has been exceeded.",
            safari="The quota has been exceeded.",
        ),
    ),
    Fault("ChunkLoadError", Wording("Loading chunk {int} failed.\n(error: {url})")),
)
_OTHER = (
    Fault("java.lang.NullPointerException", Wording("")),
    Fault("java.lang.IllegalStateException", Wording("Session {hex} was closed at {time}")),
    Fault("NoMethodError", Wording("undefined method `name' for nil:NilClass")),
    Fault("*errors.errorString", Wording("dial tcp {ip}:{port}: connect: connection refused")),
    Fault("System.InvalidOperationException", Wording("Sequence contains no elements")),
    Fault("ErrorException", Wording("Undefined index: {word}")),
)

TUNING = Vocabulary(
    modules=(
        *("shop.cart", "shop.catalog", "shop.billing", "resumes.parser", "resumes.store"),
        *("matching.score", "matching.rank", "jobs.feed", "jobs.search", "accounts.session"),
        *("accounts.profile", "mail.outbox", "reports.monthly", "uploads.scan", "admin.users"),
    ),
    verbs=(
        "load",
        "parse",
        "save",
        "compute",
        "merge",
        "render",
        "send",
        "import",
        "sync",
        "close",
    ),
    nouns=("salary", "profile", "skills", "invoice", "score", "offer", "session", "report", "rate"),
    faults={
        "python": _PYTHON,
        "node": _NODE,
        "browser": _BROWSER,
        "minified": _BROWSER,
        "other": _OTHER,
    },
    stacks={
        "python": Stack(
            outer=library(
                ("uvicorn.protocols.http.httptools_impl", "run_asgi"),
                ("starlette.applications", "__call__"),
                ("starlette.middleware.errors", "__call__"),
                ("starlette.routing", "app"),
                ("fastapi.routing", "run_endpoint_function"),
            ),
            scheduler=library(
                ("asyncio.events", "_run"),
                ("asyncio.tasks", "wait_for"),
                ("anyio._backends._asyncio", "_run_wrapped_task"),
                ("anyio.to_thread", "run_sync"),
            ),
            retry=library(
                ("tenacity.asyncio", "async_wrapped"),
                ("tenacity", "iter"),
                ("tenacity.asyncio", "__call__"),
            ),
            alternative=library(
                ("starlette._exception_handler", "wrapped_app"),
                ("starlette.middleware.exceptions", "__call__"),
                ("contextlib", "__aexit__"),
            ),
        ),
        "node": Stack(
            outer=library(
                ("express.lib.router:index", "Function.process_params"),
                ("express.lib.router:layer", "Layer.handle [as handle_request]"),
                ("express.lib.router:route", "next"),
            ),
            scheduler=library(
                ("node:internal.process:task_queues", "process.processTicksAndRejections"),
                ("node:async_hooks", "AsyncLocalStorage.run"),
            ),
            retry=library(
                ("p-retry:index", "RetryOperation._fn"),
                ("retry.lib:retry_operation", "RetryOperation.attempt"),
            ),
            alternative=library(
                ("router:index", "next"), ("router.lib:layer", "Layer.handleRequest")
            ),
        ),
        "browser": Stack(
            outer=library(
                ("node_modules/react-dom/cjs/react-dom.production.min.js", "callCallback"),
                ("node_modules/react-dom/cjs/react-dom.production.min.js", "invokeGuardedCallback"),
            ),
            scheduler=library(("node_modules/scheduler/index.js", "performWorkUntilDeadline")),
            retry=library(("node_modules/p-retry/index.js", "onAttempt")),
            alternative=library(
                ("node_modules/react-dom/cjs/react-dom-client.production.js", "executeDispatch"),
                ("node_modules/@sentry/browser/build/helpers.js", "sentryWrapped"),
            ),
        ),
        "other": Stack(
            outer=library(("org.apache.tomcat.Http11Processor", "service")),
            scheduler=library(("java.util.concurrent.ThreadPoolExecutor", "runWorker")),
            retry=library(("io.github.resilience4j.Retry", "call")),
            alternative=library(("org.apache.coyote.Http11NioProcessor", "dispatch")),
        ),
    },
    helpers={
        "python": (
            ("core.http", "request_json"),
            ("core.util", "require"),
            ("db.base", "get_or_404"),
        ),
        "node": (("lib.api", "callApi"), ("lib.assert", "invariant")),
        "browser": (("lib.api", "fetchJson"), ("utils.assert", "assertDefined")),
    },
    wrappers=("CheckoutError", "ServiceUnavailable", "UpstreamError", "AppError"),
    messages=(
        ("worker", "Upload {uuid} took {float} s, limit {int} s"),
        ("worker", "Giving up on job {hex} after {int} attempts"),
        ("mail", "Could not deliver to {email}: connection to {host}:{port} refused"),
        ("db", "Slow query: SELECT * FROM jobs WHERE id = {int} AND city = '{word}'"),
        ("db", "Slow query: SELECT * FROM users WHERE id IN ({ints})"),
        (
            "db",
            "Deadlock detected while running UPDATE offers SET rate = {float} WHERE id = '{uuid}'",
        ),
        ("billing", "Invoice {int} of {date} differs by {money} EUR"),
        ("cache", "Redis at {ip}:{port} is loading the dataset in memory"),
        ("auth", "Token of session {hex} expired at {time}"),
        ("auth", "Token of session {hex} was revoked at {time}"),
        ("scanner", "File {path} contains macros"),
        ("scanner", "File {path} is a zip bomb ({int} bytes)"),
        ("http", "GET {url} answered 503 after {float} ms"),
        ("http", "GET {url} answered with a body that is not JSON"),
        ("quota", 'Tenant "{word}" is at {int} % of its quota'),
    ),
    policies=(
        ("script-src", "https://cdn.evil.example"),
        ("script-src", "inline"),
        ("script-src", "eval"),
        ("img-src", "https://tracker.example"),
        ("connect-src", "https://tracker.example"),
    ),
    platforms={
        "python": 80,
        "node": 30,
        "browser": 30,
        "minified": 25,
        "other": 15,
        "message": 15,
        "csp": 5,
    },
)
