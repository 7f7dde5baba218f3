"""Shelves: the workspace, its Lance tables, blobs, the journal of people's decisions, and the record of runs."""
