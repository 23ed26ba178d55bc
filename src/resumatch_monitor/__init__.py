"""ResuMatch Monitor: a web team's whole production monitoring in one process."""

__version__ = "0.1.0"
