"""What is wrong with an OTLP request; apart from what parses it, so that it costs nothing."""


class MalformedOtlpError(ValueError):
    """A body is no OTLP request; the message says why."""
