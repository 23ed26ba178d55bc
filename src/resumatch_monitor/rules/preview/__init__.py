"""Where a rule would have fired on the stored data, before anybody relies on it."""
