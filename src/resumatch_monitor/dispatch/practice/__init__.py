"""Trying it all before it is needed: drills, and test messages to channels."""
