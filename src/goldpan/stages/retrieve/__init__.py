"""Retrieve: image-text pairs that speak of classes, out of pools too large to look through."""
