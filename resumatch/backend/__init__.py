"""ResuMatch's back end."""

__version__ = "1.0.0"
