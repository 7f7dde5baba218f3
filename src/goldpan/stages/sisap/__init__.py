"""SISAP: the indexing challenges of 2023 to 2026 as presets: data, limits, results, scores."""
