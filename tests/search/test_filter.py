"""Narrow codes answer as float64 does, whatever the data; where their proof fails wide ones take over."""

from __future__ import annotations

import numpy as np
import pytest

from goldpan.core.records import Metric
from goldpan.search import filter as filters
from goldpan.search.exact import exact_search
from goldpan.search.kernels import load_kernels
from goldpan.search.native import levels, native_kernels

LEVELS = [f"native:{level}" for level in levels()]
METRICS = [Metric.IP, Metric.COSINE, Metric.L2]


@pytest.fixture(autouse=True)
def _narrow_codes_always(monkeypatch):
    monkeypatch.setattr(filters, "_PRODUCTS_PER_LOOK", 1e-3)
    for name in LEVELS:
        monkeypatch.setattr(native_kernels(name), "narrow", native_kernels(name).search_narrow)


def datasets():
    generator = np.random.default_rng(3)
    plain = generator.standard_normal((3000, 65)).astype(np.float32)
    copies = plain.copy()
    copies[500:900] = copies[499]
    copies[1000:2000] = copies[:1000]
    yield "plain", plain
    yield "copies", copies
    yield "zeros", np.where(generator.random((3000, 1)) < 0.3, np.float32(0), plain)
    yield "steep", plain * np.geomspace(1, 1e4, 65).astype(np.float32)
    yield "translated", plain + np.float32(300)
    yield "norms", plain * np.exp(3 * generator.standard_normal((3000, 1))).astype(np.float32)
    yield "near ties", (plain[0] + 1e-9 * plain).astype(np.float32)
    yield "tiny", plain * np.float32(1e-30)
    yield "huge", plain * np.float32(1e30)
    yield "half", plain.astype(np.float16)


@pytest.mark.parametrize("kernels", LEVELS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("name", "base"), datasets(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_answer_is_that_of_wide_codes(name, base, metric, kernels, monkeypatch):
    queries = np.concatenate([base[::100], base[5:20] + base[300:315]])
    for k in (1, 20):
        narrow = exact_search(base, queries, k, metric, kernels=kernels)
        with monkeypatch.context() as patch:
            patch.setattr(native_kernels(kernels), "narrow", None)
            wide = exact_search(base, queries, k, metric, kernels=kernels)
        np.testing.assert_array_equal(narrow.neighbors.ids, wide.neighbors.ids)
        np.testing.assert_array_equal(narrow.neighbors.scores, wide.neighbors.scores)
        assert not wide.fallbacks.any()


@pytest.mark.parametrize("kernels", LEVELS)
def test_several_blocks_and_queries_that_fall_back(kernels):
    """Two tight groups far apart: the rounding of bytes is larger than the groups."""
    generator = np.random.default_rng(0)
    group = np.sign(generator.standard_normal((20_000, 1))) * 50
    base = (group + 0.01 * generator.standard_normal((20_000, 40))).astype(np.float32)
    spread = generator.standard_normal((100, 40)).astype(np.float32)
    queries = np.concatenate([base[:60], spread])
    found = exact_search(base, queries, 10, "l2", kernels=kernels, memory_bytes=600_000)
    plain = exact_search(base, queries, 10, "l2", kernels="numpy")
    np.testing.assert_array_equal(found.neighbors.ids, plain.neighbors.ids)
    assert found.fallbacks[:60].any()


@pytest.mark.parametrize("kernels", LEVELS)
def test_the_bounds_of_whole_numbers_at_unit_length_rule_rows_out(kernels):
    base = np.random.default_rng(0).integers(0, 100, (2000, 40), np.uint8)
    found = exact_search(base, base[:20], 10, "cosine", kernels=kernels)
    assert found.survivors.max() < 50


def test_a_trial_decides_for_the_rest(monkeypatch):
    generator = np.random.default_rng(0)
    base = generator.standard_normal((5000, 64)).astype(np.float32)
    queries = generator.standard_normal((700, 64)).astype(np.float32)
    counted = []
    load_kernels("native")  # tries itself once
    search = filters._Side.search

    def counting(side, block, top, numbers):
        looks = search(side, block, top, numbers)
        counted.append((side.coder.rotation is not None, len(numbers)))
        return looks

    monkeypatch.setattr(filters._Side, "search", counting)
    narrow = exact_search(base, queries, 10)
    assert sum(n for is_narrow, n in counted if is_narrow) == 700
    counted.clear()
    monkeypatch.setattr(filters, "_PRODUCTS_PER_LOOK", 5000 * 64 / 12)  # worth 12 looks, hardly more than there must be
    tried = exact_search(base, queries, 10)
    assert 156 <= sum(n for is_narrow, n in counted if is_narrow) < 350
    np.testing.assert_array_equal(narrow.neighbors.ids, tried.neighbors.ids)
