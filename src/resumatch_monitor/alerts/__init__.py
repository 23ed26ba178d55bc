"""What an alert is, whatever raised it."""
