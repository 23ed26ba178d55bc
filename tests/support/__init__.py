"""Seams and builders that tests share."""
