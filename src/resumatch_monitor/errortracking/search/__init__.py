"""Sentry's search syntax over issues: read, written back, and decided for one event."""
