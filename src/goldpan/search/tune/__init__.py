"""Choosing an index by measuring: type, parameters and search settings for a budget of memory, latency and recall."""

from goldpan.search.tune.goal import Goal, NothingFits
from goldpan.search.tune.run import Tuned, tune_index

__all__ = ["Goal", "NothingFits", "Tuned", "tune_index"]
