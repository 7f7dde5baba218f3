"""Words: errors, records, arrays, configuration. Imports nothing else of goldpan."""
