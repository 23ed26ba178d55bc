"""Files that applications write their logs to, followed as they grow and are rotated."""
