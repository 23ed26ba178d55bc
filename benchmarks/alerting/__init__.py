"""Alerting beside Prometheus with Alertmanager: a storm of alerts, and the way of a single one."""
