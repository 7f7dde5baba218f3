"""Smaller vectors for faster search: PCA, sketches of bits, casts, rotations."""
