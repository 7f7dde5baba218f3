"""Bring images into a workspace from folders, tables, tar shards and Open Images boxes."""
