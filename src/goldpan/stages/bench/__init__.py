"""Make vector-search benchmarks: splits, truth, and a release folder."""
