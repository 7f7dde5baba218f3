"""Runbooks made to a plan: which rows a stream inserts, deletes and replaces, and when it is searched."""
