"""Notifications by webhook."""
