"""Fetch: the one way to get a URL; safe addresses, deadlines, manners, a reason for every miss."""
