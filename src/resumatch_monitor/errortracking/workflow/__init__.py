"""What people decide about issues, and what events do to their decisions; pure."""
