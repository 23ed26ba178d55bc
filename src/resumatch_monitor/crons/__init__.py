"""Scheduled jobs that check in: what was missed, late, failed or over time."""
