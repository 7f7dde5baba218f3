"""Play a runbook against index engines, and score every search of it against the exact truth of that moment."""
