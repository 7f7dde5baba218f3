"""Which captions speak of which classes: the full-text language of SQLite FTS5, substrings and regular expressions."""
