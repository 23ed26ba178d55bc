"""Alerts about logs: rules that count records."""
