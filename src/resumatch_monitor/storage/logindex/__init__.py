"""The embedded store of logs: partitions of compressed records, each with a tantivy index."""
