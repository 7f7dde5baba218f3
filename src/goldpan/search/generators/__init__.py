"""Models that seeded datasets are drawn from, block by block."""
