"""A module for each form in which records come: what lies in the spool → records."""
