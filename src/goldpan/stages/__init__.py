"""Verbs: each reads tables, calls engines, writes tables. Stages never import each other."""
