"""Prometheus rule files: loading, evaluation, alert states."""
