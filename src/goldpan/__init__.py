"""goldpan: pan web-scale image collections for gold-standard datasets and vector-search benchmarks."""

__version__ = "0.1.0"
