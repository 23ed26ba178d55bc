"""Makes the condition of an alert true in a shadow of the data, and follows it to people."""
