"""Shards of images in the layout of img2dataset 1.47 (https://github.com/rom1504/img2dataset), read and written.

A shard takes a fixed span of the rows of a list, so the key of a row is known before it is fetched. What came of each
row, failures included, is in ``00000.parquet``; the images are in ``00000.tar``, in ``00000/``, in the Parquet file
itself, or in one folder a class. A shard is finished when, and only when, ``00000_stats.json`` is there.
"""
