"""Imaging: open safely, orient, resize, cut thumbnails, hash."""
