"""Notifications by PagerDuty."""
