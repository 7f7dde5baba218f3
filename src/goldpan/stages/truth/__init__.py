"""Truth: the exact nearest neighbors of every query, proved, in the layouts of the field."""
