"""The corpus that was not looked at while grouping was developed: Django, Nest, Vue, Spring."""

from benchmarks.grouping.scene import Wording
from benchmarks.grouping.vocabulary import Fault, Stack, Vocabulary, library

_PYTHON = (
    Fault(
        "DoesNotExist",
        Wording("Booking matching query does not exist."),
        library(("django.db.models.query", "get")),
        "booking.models",
    ),
    Fault(
        "MultipleObjectsReturned",
        Wording("get() returned more than one Room -- it returned {int}!"),
        library(("django.db.models.query", "get")),
    ),
    Fault(
        "OperationalError",
        Wording(
            'connection to server at "{host}" ({ip}), port {port} failed: timeout expired',
            "Verbindung zum Server auf »{host}« ({ip}), Port {port}: Zeit abgelaufen",
        ),
        library(
            ("django.db.models.sql.compiler", "execute_sql"),
            ("django.db.backends.utils", "_execute"),
            ("psycopg2", "connect"),
        ),
        "django.db.utils",
    ),
    Fault(
        "ValidationError",
        Wording("['“{word}” value has an invalid date format.']"),
        library(("django.db.models.fields", "to_python")),
    ),
    Fault("DecimalException", Wording("[<class 'decimal.ConversionSyntax'>]")),
    Fault("OverflowError", Wording("date value out of range")),
    Fault("StopIteration", Wording("")),
    Fault("NameError", Wording("name 'tarif' is not defined")),
    Fault(
        "UnboundLocalError",
        Wording("cannot access local variable 'room' where it is not associated with a value"),
    ),
    Fault("TypeError", Wording("'<' not supported between instances of 'str' and 'int'")),
    Fault("ValueError", Wording("{int} is not a valid RoomKind")),
    Fault("RuntimeError", Wording("dictionary changed size during iteration")),
    Fault(
        "PermissionError",
        Wording(
            "[Errno 13] Permission denied: '{path}'", "[Errno 13] Permission non accordée: '{path}'"
        ),
    ),
    Fault(
        "ReadTimeout",
        Wording(
            "HTTPSConnectionPool(host='{host}', port={port}): Read timed out. (read timeout={int})"
        ),
        library(
            ("requests.api", "post"),
            ("requests.sessions", "send"),
            ("requests.adapters", "send"),
            ("urllib3.connectionpool", "urlopen"),
        ),
        "requests.exceptions",
    ),
    Fault(
        "WorkerLostError",
        Wording("Worker exited prematurely: signal 9 (SIGKILL) Job: {int}."),
        library(("billiard.pool", "mark_as_worker_lost")),
        "billiard.exceptions",
    ),
)
_NODE = (
    Fault(
        "PrismaClientKnownRequestError",
        Wording(
            "\nInvalid `prisma.guest.create()` invocation in\n{path}:{int}:{int}\n\n"
            "Unique constraint failed on the fields: (`email`)"
        ),
        library(("@prisma.client.runtime:library", "RequestHandler.handleRequestError")),
    ),
    Fault("TypeError", Wording("guest.nights.at is not a function")),
    Fault("TypeError", Wording("Cannot destructure property 'tariff' of 'room' as it is null.")),
    Fault("HttpException", Wording("Guest {uuid} is not allowed to see booking {int}")),
    Fault(
        "Error",
        Wording("getaddrinfo ENOTFOUND {host}"),
        library(("node:dns", "GetAddrInfoReqWrap.onlookup [as oncomplete]")),
    ),
    Fault("Error", Wording("Timeout of {int}ms exceeded after {float}s")),
    Fault("SyntaxError", Wording("Expected property name or '}' in JSON at position {int}")),
    Fault(
        "MongoServerError",
        Wording(
            "E11000 duplicate key error collection: app.guests index: "
            'email_1 dup key: { email: "{email}" }'
        ),
        library(("mongodb.lib.cmap:connection", "Connection.onMessage")),
    ),
)
_BROWSER = (
    Fault(
        "TypeError",
        Wording(
            "Cannot read properties of null (reading 'parentNode')",
            firefox='can\'t access property "parentNode", node is null',
            safari="null is not an object (evaluating 'node.parentNode')",
        ),
    ),
    Fault(
        "TypeError",
        Wording(
            "Cannot set properties of undefined (setting 'tariff')",
            firefox='can\'t access property "tariff", room is undefined',
            safari="undefined is not an object (evaluating 'room.tariff = value')",
        ),
    ),
    Fault(
        "TypeError",
        Wording(
            "nights is not iterable",
            firefox="nights is not iterable",
            safari="undefined is not a function (near '...nights...')",
        ),
    ),
    Fault(
        "ReferenceError",
        Wording(
            "dataLayer is not defined",
            firefox="dataLayer is not defined",
            safari="Can't find variable: dataLayer",
        ),
    ),
    Fault(
        "SyntaxError",
        Wording(
            "Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON",
            firefox="JSON.parse: unexpected character at line 1 column 1 of the JSON data",
            safari="JSON Parse error: Unrecognized token '<'",
        ),
    ),
    Fault("InvalidStateError", Wording("Booking {uuid} has left the page at {time}")),
    Fault(
        "Error",
        Wording(
            "Minified React error #{int}; visit https://react.dev/errors/{int} for the full message"
        ),
    ),
    Fault(
        "AbortError",
        Wording(
            "The user aborted a request.",
            firefox="The operation was aborted. ",
            safari="Fetch is aborted",
        ),
    ),
)
_OTHER = (
    Fault("java.util.NoSuchElementException", Wording("No value present")),
    Fault(
        "org.springframework.dao.DataIntegrityViolationException",
        Wording("could not execute statement; SQL [n/a]; constraint [guest_email_key]; id {int}"),
    ),
    Fault(
        "kotlin.UninitializedPropertyAccessException",
        Wording("lateinit property tariff has not been initialized"),
    ),
    Fault(
        "System.NullReferenceException",
        Wording(
            "Object reference not set to an instance of an object.",
            "Der Objektverweis wurde nicht auf eine Objektinstanz festgelegt.",
        ),
    ),
    Fault("runtime.Error", Wording("index out of range [{int}] with length {int}")),
    Fault(
        "Illuminate\\Database\\QueryException",
        Wording(
            "SQLSTATE[23000]: Integrity constraint violation: 1062 Duplicate entry '{email}' for "
            "key 'users_email_unique' (SQL: insert into `users` (`email`) values ({email}))"
        ),
    ),
    Fault("ActiveRecord::RecordNotFound", Wording("Couldn't find Room with 'id'={int}")),
    Fault("RangeError", Wording("RangeError (index): Index out of range: {int}")),
)

HELD_OUT = Vocabulary(
    modules=(
        *("hotel.booking", "hotel.rooms", "hotel.tariffs", "guests.register", "guests.loyalty"),
        *("payments.stripe", "payments.refunds", "housekeeping.plan", "channel.airbnb"),
        *("channel.bookingcom", "reviews.stars", "pricing.engine", "calendar.ical", "front.desk"),
    ),
    verbs=("fetch", "price", "book", "cancel", "allocate", "check", "publish", "collect", "notify"),
    nouns=("room", "guest", "tariff", "night", "stay", "deposit", "review", "key", "voucher"),
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
                ("django.core.handlers.exception", "inner"),
                ("django.core.handlers.base", "_get_response"),
                ("django.views.generic.base", "dispatch"),
                ("rest_framework.views", "dispatch"),
            ),
            scheduler=library(
                ("celery.app.trace", "trace_task"),
                ("celery.app.trace", "__protected_call__"),
                ("asgiref.sync", "thread_handler"),
            ),
            retry=library(("backoff._sync", "retry"), ("celery.app.autoretry", "run")),
            alternative=library(
                ("django.utils.deprecation", "__call__"),
                ("django.views.decorators.csrf", "wrapped_view"),
                ("sentry_sdk.integrations.django.views", "sentry_wrapped_callback"),
            ),
        ),
        "node": Stack(
            outer=library(
                ("@nestjs.core.router:router-execution-context", "target"),
                ("@nestjs.core.router:router-proxy", "RouterProxy.createProxy"),
            ),
            scheduler=library(
                ("node:internal.process:task_queues", "process.processTicksAndRejections"),
                ("rxjs.internal:Subscriber", "OperatorSubscriber._next"),
            ),
            retry=library(
                ("async-retry.lib:index", "run"),
                ("rxjs.internal.operators:retry", "subscribeForRetry"),
            ),
            alternative=library(
                ("fastify.lib:handleRequest", "preHandlerCallback"),
                ("@nestjs.core.router:router-explorer", "wrap"),
            ),
        ),
        "browser": Stack(
            outer=library(
                (
                    "node_modules/@vue/runtime-core/dist/runtime-core.esm-bundler.js",
                    "callWithErrorHandling",
                ),
                ("node_modules/@vue/runtime-dom/dist/runtime-dom.esm-bundler.js", "invoker"),
            ),
            scheduler=library(
                ("node_modules/@vue/runtime-core/dist/runtime-core.esm-bundler.js", "flushJobs"),
                ("node_modules/zone.js/fesm2015/zone.js", "Zone.run"),
            ),
            retry=library(("node_modules/axios-retry/dist/index.js", "shouldRetry")),
            alternative=library(
                ("node_modules/vue/dist/vue.runtime.esm.js", "invokeWithErrorHandling"),
                ("node_modules/@sentry/vue/build/errorhandler.js", "app.config.errorHandler"),
            ),
        ),
        "other": Stack(
            outer=library(("org.springframework.web.servlet.DispatcherServlet", "doDispatch")),
            scheduler=library(("kotlinx.coroutines.DispatchedTask", "run")),
            retry=library(("org.springframework.retry.RetryTemplate", "doExecute")),
            alternative=library(("org.springframework.web.servlet.FrameworkServlet", "service")),
        ),
    },
    helpers={
        "python": (("common.client", "post"), ("common.checks", "ensure"), ("hotel.base", "fail")),
        "node": (("shared.http", "sendRequest"), ("shared.guards", "expectPresent")),
        "browser": (("plugins.axios", "request"), ("composables.useApi", "unwrap")),
    },
    wrappers=("BookingFailed", "GatewayError", "DomainException"),
    messages=(
        ("celery", "Task hotel.sync[{uuid}] raised unexpected: TimeLimitExceeded({int})"),
        ("celery", "Task hotel.mail[{uuid}] retry: Retry in {int}s"),
        ("payments", "Stripe answered 402 for intent pi_{hex}: card of {email} declined"),
        ("payments", "Stripe answered 429 for intent pi_{hex}"),
        ("orm", "N+1: 'SELECT name FROM room WHERE id = {int}' ran {int} times in {float} ms"),
        (
            "orm",
            "Query INSERT INTO stay (guest, nights) VALUES ({int}, {int}), ({int}, {int}) failed",
        ),
        ("ical", "Feed {url} has an event that ends ({time}) before it begins ({time})"),
        ("ical", "Feed {url} is empty"),
        ("lock", "Lock booking:{int} is held by {host} (pid {int}) since {time}"),
        ("net", "TLS handshake with {ip}:{port} failed: certificate expired on {date}"),
        ("net", "TLS handshake with {ip}:{port} failed: unknown ca"),
        ("desk", "Guest «{word}» checked in twice: rooms {ints}"),
        ("gc", "Freed {money} MB at {address} in {float} ms"),
    ),
    policies=(
        ("script-src", "https://widget.rogue.example"),
        ("style-src", "inline"),
        ("frame-src", "https://widget.rogue.example"),
        ("font-src", "data"),
    ),
    platforms={
        "python": 70,
        "node": 35,
        "browser": 30,
        "minified": 20,
        "other": 28,
        "message": 13,
        "csp": 4,
    },
)
