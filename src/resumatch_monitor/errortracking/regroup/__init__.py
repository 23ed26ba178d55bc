"""Changing by hand which events belong together: merging, splitting, undoing it, upgrading."""
