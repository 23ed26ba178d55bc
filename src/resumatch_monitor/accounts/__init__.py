"""Who may use the monitor: users, sessions, API tokens, roles."""
