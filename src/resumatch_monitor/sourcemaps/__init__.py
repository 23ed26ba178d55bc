"""Source maps: taken in from build tools, looked up for stack traces."""
