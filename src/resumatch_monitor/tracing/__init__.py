"""Spans of Sentry's SDKs and of OpenTelemetry: read, kept by trace, shown as one tree."""
