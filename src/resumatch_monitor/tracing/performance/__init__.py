"""Performance: endpoints, database statements and web vitals, counted from segments."""
