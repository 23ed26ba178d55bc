"""The query language of logs: text → tree, which the index and single records are asked by."""
