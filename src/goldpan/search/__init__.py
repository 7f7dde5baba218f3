"""Nearest neighbors: exact ones with a proof, index engines, and their tuning."""
