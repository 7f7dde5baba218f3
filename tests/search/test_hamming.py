"""Hamming neighbors of packed bits."""

from __future__ import annotations

import numpy as np
import pytest

from goldpan.core.errors import ArrayError
from goldpan.search.exact import exact_search
from goldpan.search.native import levels

KERNELS = ["numpy", *(f"native:{level}" for level in levels())]


def reference(base, queries, k):
    distances = np.bitwise_count(base[None] ^ queries[:, None]).sum(axis=2, dtype=np.int64)
    ids = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return ids, np.take_along_axis(distances, ids, 1)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("width", [1, 3, 8, 13, 128])
def test_counts_differing_bits_with_ties_by_id(width, kernels):
    generator = np.random.default_rng(width)
    base = generator.integers(0, 256, (2100, width), np.uint8)
    base[500:700] = base[3]
    queries = np.concatenate([base[:9], generator.integers(0, 256, (14, width), np.uint8)])
    for k in (1, 10, 300):
        ids, distances = reference(base, queries, k)
        for memory_bytes in (1 << 30, 60_000):
            found = exact_search(base, queries, k, "hamming", kernels=kernels, memory_bytes=memory_bytes)
            np.testing.assert_array_equal(found.neighbors.ids, ids)
            np.testing.assert_array_equal(found.neighbors.scores, distances)


def test_k_may_be_the_whole_base():
    base = np.arange(20, dtype=np.uint8)[:, None]
    found = exact_search(base, base[:3], 20, "hamming")
    np.testing.assert_array_equal(found.neighbors.ids, reference(base, base[:3], 20)[0])
    assert np.isnan(found.next_scores).all()


def test_only_packed_bits():
    with pytest.raises(ArrayError, match="hamming compares packed bits, uint8, not float32"):
        exact_search(np.ones((3, 4), np.float32), np.ones((1, 4), np.float32), 1, "hamming")
