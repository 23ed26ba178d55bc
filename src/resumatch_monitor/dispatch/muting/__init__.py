"""What holds alerts back: silences, inhibition, dependencies, quiet hours and times of routes."""
