"""Relational storage: SQLAlchemy Core on SQLite, one writer."""
