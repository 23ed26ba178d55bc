"""Notifications through the services that the library Apprise knows."""
