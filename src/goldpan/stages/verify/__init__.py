"""Check a release: files, headers, values, leakage, truth."""
