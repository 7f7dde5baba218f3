"""How both sides are cut into blocks."""

from __future__ import annotations

import numpy as np
import pytest

from goldpan.search.blocks import plan_blocks, read_blocks
from goldpan.search.readers import ArrayReader, sample_mean


def test_what_fits_is_one_block():
    base, queries = ArrayReader(np.zeros((5000, 64), np.float32)), ArrayReader(np.zeros((100, 64), np.float32))
    plan = plan_blocks(base, queries, 10, 1 << 30, 2)
    assert plan.base_rows >= 5000
    assert plan.query_rows >= 100


@pytest.mark.parametrize("memory_bytes", [1 << 20, 4 << 20, 64 << 20])
def test_blocks_stay_within_the_budget(memory_bytes):
    base, queries = ArrayReader(np.zeros((400_000, 32), np.float16)), ArrayReader(np.zeros((50_000, 32), np.float32))
    plan = plan_blocks(base, queries, 10, memory_bytes, 2)
    held = plan.base_rows * (32 * (4 + 2) + 64) + plan.query_rows * (32 * 2 + 32 * 10 + 96)
    assert held <= memory_bytes * 1.01 + 32 * 1024


def test_blocks_cover_the_table_in_order():
    rows = np.arange(70, dtype=np.float32)[:, None]
    blocks = list(read_blocks(ArrayReader(rows), 16, range(70)))
    assert [block.start for block in blocks] == [0, 16, 32, 48, 64]
    np.testing.assert_array_equal(np.concatenate([block.rows for block in blocks]), rows)


def test_the_mean_of_whole_numbers_is_whole():
    rows = np.random.default_rng(0).integers(0, 256, (9000, 5), np.uint8)
    mean = sample_mean(ArrayReader(rows), unit=False)
    np.testing.assert_array_equal(mean, np.rint(mean))
    np.testing.assert_allclose(mean, rows.mean(axis=0), atol=12)
