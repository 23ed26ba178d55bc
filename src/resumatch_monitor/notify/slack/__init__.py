"""Notifications by slack."""
