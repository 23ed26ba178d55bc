"""Samples in a Prometheus-compatible server: a durable queue to it, and queries to it."""
